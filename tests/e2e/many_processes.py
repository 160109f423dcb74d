"""Fresh processes of the deployed functions, and many of them at once."""

import operator
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tenacity import Retrying, retry_if_result, stop_after_attempt

from local.backend import Reply
from local.control import Control
from local.drive import backend_of
from local.events import load
from local.processes import functions_running
from local.sites import OAUTH_SITE
from local.stack import Stack
from tests.e2e import access_tokens
from tests.e2e.paying import SITE

UNTIL_TRUE = Retrying(retry=retry_if_result(operator.not_), stop=stop_after_attempt(10))
FRESH_PROCESSES = 50
HAVE_A_TOKEN_IN_TIME = 40
"""How many of them must get as far as to pay, however busy the machine is."""
BUSY_SECONDS = 2.5
"""How long PayNearMe lets each of them wait."""


def publish(stack: Stack, *functions: str) -> None:
    """Give functions, by their logical names, processes that have read nothing yet, as a new version does."""
    client = stack.client("lambda")
    names = [function["FunctionName"] for function in client.list_functions()["Functions"]]
    ours = tuple(f"{stack.stack_name}-{part}Function-" for part in functions)
    wanted = [name for name in names if name.startswith(ours)]

    def publish_one(name: str) -> None:
        client.update_function_configuration(FunctionName=name, Description=str(uuid.uuid4()))
        version = client.publish_version(FunctionName=name)["Version"]
        client.get_waiter("published_version_active").wait(
            FunctionName=name, Qualifier=version, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600}
        )
        client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)

    with ThreadPoolExecutor(len(wanted)) as threads:
        list(threads.map(publish_one, wanted))


@dataclass(frozen=True)
class Storm:
    """What came of a call to each of many processes that had just started, all of which needed a token.

    ``processes`` is how many had started. ``paying`` is how many payments PayNearMe was asked for before it
    had answered one: as many processes had a token by then. ``token_calls`` is how often a token was asked
    for, in this storm and in each before it that was repeated.
    """

    processes: int
    replies: list[Reply]
    paying: int
    token_calls: list[int]


def storm_of(stack: Stack, register: Path, payers: ThreadPoolExecutor) -> Storm:
    """Start a process for each of ``payers``, and then call all of them at once for a site with OAuth.

    Where the machine was too busy for enough of them to have a token in time, all is done once more, with
    other processes, and twice at most.
    """
    token_calls: list[int] = []

    def was_too_busy(storm: Storm) -> bool:
        refused = [reply.status for reply in storm.replies].count(422)
        return min(storm.paying, refused) < HAVE_A_TOKEN_IN_TIME

    again = Retrying(
        retry=retry_if_result(was_too_busy),
        stop=stop_after_attempt(3),
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
    )
    storm: Storm = again(_storm, stack, register, payers, token_calls)
    return storm


def _storm(stack: Stack, register: Path, payers: ThreadPoolExecutor, token_calls: list[int]) -> Storm:
    function = "MakePaymentFunction"
    paynearme = Control(f"{stack.paynearme_url}/control")
    patient = backend_of(stack, patience=120)
    wish = {**load("make_payment")["saved"], "payment_method_identifier": access_tokens.UNKNOWN}

    def pay_at(site: str) -> Reply:
        return patient.post("/payments", wish | {"site_identifier": site}, str(uuid.uuid4()))

    def be_slow(seconds: float, operation: str) -> None:
        paynearme.post("behaviour", {"mode": "slow", "seconds": seconds, "operation": operation})

    former = functions_running(register, function)
    publish(stack, "MakePayment")
    paynearme.post("reset")
    # They start before, because those that start are at the token address one after the other. So none has
    # answered before all have been called.
    be_slow(5, "make_payment")
    list(payers.map(pay_at, [SITE] * FRESH_PROCESSES))
    # Until each has called PayNearMe in time, and been told that nobody has the method.
    be_slow(1, "make_payment")
    UNTIL_TRUE(lambda: {reply.status for reply in payers.map(pay_at, [SITE] * FRESH_PROCESSES)} == {422})
    paynearme.post("reset")
    access_tokens.forget(stack, paynearme)
    # Long enough for all to come before there is one; who waits gives up after some three seconds.
    be_slow(0.3, "token")
    be_slow(BUSY_SECONDS, "make_payment")
    replies = list(payers.map(pay_at, [OAUTH_SITE] * FRESH_PROCESSES))
    moments = sorted(datetime.fromisoformat(call["time"]) for call in paynearme.get("calls"))
    unanswered = timedelta(seconds=BUSY_SECONDS)
    paying = sum(moment - moments[0] < unanswered for moment in moments)
    token_calls.append(paynearme.get("access-token-requests")["count"])
    paynearme.post("reset")
    return Storm(len(functions_running(register, function) - former), replies, paying, token_calls)
