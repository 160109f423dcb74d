"""PayNearMe certification hooks: return a simulated response to a recorded confirmation.

An order's annotation is part of its callbacks. With the annotations of PayNearMe's sample servers, a team tests
in its own deployment how PayNearMe retries a confirmation. Production ignores them.
"""

import re
from dataclasses import dataclass

from paynearme.platform import observability
from paynearme.platform.deadline import Deadline
from paynearme.platform.http_response import HttpResponse
from paynearme.protocol.callbacks import Confirmation

_DELAY = re.compile(r"confirm_delay_([0-9]{1,4})", re.ASCII)
_MALFORMED_BODY = "<payment_confirmation_response"
# RFC 2606 reserves the domain, so no server exists there.
_REDIRECT_TARGET = "https://redirected.invalid/"


@dataclass(frozen=True)
class SimulatedResponse:
    """A simulated response: its name, and the delay in seconds."""

    name: str
    seconds: int = 0

    def apply(self, response: HttpResponse) -> HttpResponse:
        """Return the simulated response in place of ``response``. A delay changes nothing."""
        match self.name:
            case "confirm_bad_xml":
                return {**response, "body": _MALFORMED_BODY}
            case "confirm_blank":
                return {**response, "body": ""}
            case "confirm_redirect":
                headers = {**response["headers"], "Location": _REDIRECT_TARGET}
                return {**response, "body": "", "statusCode": 302, "headers": headers}
        return response


_HOOKS = {name: SimulatedResponse(name) for name in ("confirm_bad_xml", "confirm_blank", "confirm_redirect")}


def parse_annotation(annotation: str | None) -> SimulatedResponse | None:
    """Return the simulated response that an annotation requests, or ``None``.

    The annotation must match exactly, so that a merchant's note has no effect.
    """
    delay = _DELAY.fullmatch(annotation or "")
    return SimulatedResponse("confirm_delay", int(delay[1])) if delay else _HOOKS.get(annotation or "")


def apply_hook(message: Confirmation, deadline: Deadline, response: HttpResponse) -> HttpResponse:
    """Return the simulated response that the annotation of a verified confirmation requests, or ``response``.

    A delay beyond ``deadline`` ends at the deadline with an empty body: API Gateway counts a 5xx as a failure of
    this service. Waits up to the deadline.
    """
    simulated_response = parse_annotation(message.site_order_annotation)
    if simulated_response is None:
        return response
    observability.add_log_fields(certification_hook=simulated_response.name)
    observability.add_metric("CertificationHookApplied")
    seconds = max(0.0, deadline.remaining)
    if simulated_response.seconds <= seconds:
        deadline.sleep(simulated_response.seconds)
        return simulated_response.apply(response)
    deadline.sleep(seconds)
    return {**response, "body": ""}
