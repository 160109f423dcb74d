"""Publish new versions of functions, and run a cold-start burst of one function."""

import operator
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tenacity import Retrying, retry_if_result, stop_after_attempt

from sandbox.clients.backend_client import Response
from sandbox.clients.control_client import ControlClient
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import new_backend
from sandbox.stack.processes import functions_running
from sandbox.stack.sites import OAUTH_SITE
from sandbox.stack.stack import Stack
from tests.support import access_token_store_fixture
from tests.support.payment_driver import SITE

RETRY_UNTIL_TRUE = Retrying(retry=retry_if_result(operator.not_), stop=stop_after_attempt(10))
NEW_PROCESSES = 50


def publish(stack: Stack, *functions: str) -> None:
    """Publish a new version of each function, so that new processes with empty caches run it.

    ``functions`` are logical names without ``Function``.
    """
    client = stack.client("lambda")
    names = [function["FunctionName"] for function in client.list_functions()["Functions"]]
    name_prefixes = tuple(f"{stack.stack_name}-{part}Function-" for part in functions)
    function_names = [name for name in names if name.startswith(name_prefixes)]

    def publish_one(name: str) -> None:
        client.update_function_configuration(FunctionName=name, Description=str(uuid.uuid4()))
        version = client.publish_version(FunctionName=name)["Version"]
        client.get_waiter("published_version_active").wait(
            FunctionName=name, Qualifier=version, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600}
        )
        client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)

    with ThreadPoolExecutor(len(function_names)) as threads:
        list(threads.map(publish_one, function_names))


@dataclass(frozen=True)
class BurstResult:
    """The result of one concurrent payment per new process, without a stored access token.

    ``processes`` is the number of new processes, and ``token_calls`` is the number of access token requests.
    """

    processes: int
    responses: list[Response]
    token_calls: int


def run_burst(stack: Stack, pid_file: Path, payment_executor: ThreadPoolExecutor) -> BurstResult:
    """Start one process for each thread of ``payment_executor``, and call all of them at once for a site with OAuth."""
    function = "MakePaymentFunction"
    paynearme = ControlClient(f"{stack.paynearme_url}/control")
    long_timeout_client = new_backend(stack, timeout=120)
    payment_request = {
        **load("make_payment")["saved"],
        "payment_method_identifier": access_token_store_fixture.UNKNOWN_METHOD,
    }

    def submit_payment(site: str) -> Response:
        return long_timeout_client.post("/payments", payment_request | {"site_identifier": site}, str(uuid.uuid4()))

    def delay_responses(seconds: float, operation: str) -> None:
        paynearme.post("behaviour", {"mode": "slow", "seconds": seconds, "operation": operation})

    previous_processes = functions_running(pid_file, function)
    publish(stack, "MakePayment")
    paynearme.post("reset")
    # Processes that start during the burst would reach the token endpoint one after the other. The delay keeps each
    # process busy, so that each request starts another process.
    delay_responses(5, "make_payment")
    list(payment_executor.map(submit_payment, [SITE] * NEW_PROCESSES))
    # Wait until each process has called PayNearMe in time. PayNearMe rejects the unknown payment method.
    delay_responses(1, "make_payment")
    RETRY_UNTIL_TRUE(
        lambda: {response.status for response in payment_executor.map(submit_payment, [SITE] * NEW_PROCESSES)} == {422}
    )
    paynearme.post("reset")
    access_token_store_fixture.clear_tokens(stack, paynearme)
    # All processes must wait for the access token at the same time. A process waits for about three seconds.
    delay_responses(0.3, "access_token")
    responses = list(payment_executor.map(submit_payment, [OAUTH_SITE] * NEW_PROCESSES))
    token_calls = paynearme.get("access-token-requests")["count"]
    paynearme.post("reset")
    return BurstResult(len(functions_running(pid_file, function) - previous_processes), responses, token_calls)
