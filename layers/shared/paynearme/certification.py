"""PayNearMe's certification hooks: a confirmation that is to be recorded as always, and answered badly.

An order's annotation comes back in its callbacks. With the words of PayNearMe's sample servers in it a team
rehearses against its own deployment how PayNearMe repeats what is not acknowledged. Production ignores them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from paynearme import telemetry
from paynearme.answers import HttpResponse
from paynearme.deadline import Deadline
from paynearme.messages import Confirmation

_DELAY = re.compile(r"confirm_delay_([0-9]{1,4})", re.ASCII)
_MALFORMED_BODY = "<payment_confirmation_response"
# RFC 2606 keeps this name from ever being somebody's.
_REDIRECT_TARGET = "https://redirected.invalid/"


@dataclass(frozen=True)
class SimulatedResponse:
    """How an answer is to misbehave: its ``name``, and the seconds by which it is late."""

    name: str
    seconds: int = 0

    def apply(self, response: HttpResponse) -> HttpResponse:
        """Return ``answer`` as PayNearMe is to see it. A delay changes nothing of it."""
        match self.name:
            case "confirm_bad_xml":
                return {**response, "body": _MALFORMED_BODY}
            case "confirm_blank":
                return without_body(response)
            case "confirm_redirect":
                headers = {**response["headers"], "Location": _REDIRECT_TARGET}
                return {**without_body(response), "statusCode": 302, "headers": headers}
        return response


_HOOKS = {name: SimulatedResponse(name) for name in ("confirm_bad_xml", "confirm_blank", "confirm_redirect")}


def parse_annotation(annotation: str | None) -> SimulatedResponse | None:
    """Return what an order's annotation asks for, None where that is nothing of this kind."""
    delay = _DELAY.fullmatch(annotation or "")
    return SimulatedResponse("confirm_delay", int(delay[1])) if delay else _HOOKS.get(annotation or "")


def without_body(response: HttpResponse) -> HttpResponse:
    """Return ``answer`` without its body."""
    return {**response, "body": ""}


def apply_hook(message: Confirmation, deadline: Deadline, response: HttpResponse) -> HttpResponse:
    """Return ``answer``, the one to a verified ``message``, as its order's annotation wants it, and when.

    An answer that would be later than ``deadline`` comes then, and is blank: not acknowledged, as if it came
    too late for PayNearMe. No failure of ours is counted, only that something is rehearsed.
    """
    simulated_response = parse_annotation(message.site_order_annotation)
    if simulated_response is None:
        return response
    telemetry.add_log_fields(certification_hook=simulated_response.name)
    telemetry.add_metric("CertificationHookApplied")
    seconds = max(0.0, deadline.remaining)
    if simulated_response.seconds <= seconds:
        deadline.sleep(simulated_response.seconds)
        return simulated_response.apply(response)
    deadline.sleep(seconds)
    return without_body(response)


def rehearsals(*, on: bool) -> Callable[[Confirmation, Deadline, HttpResponse], HttpResponse] | None:
    """Return what makes answers misbehave where the hooks are ``on``, None where they are not."""
    return apply_hook if on else None
