"""PayNearMe's certification hooks: a confirmation that is to be recorded as always, and answered badly.

An order's annotation comes back in its callbacks. With the words of PayNearMe's sample servers in it a team
rehearses against its own deployment how PayNearMe repeats what is not acknowledged. Production ignores them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from paynearme import telemetry
from paynearme.answers import HttpAnswer
from paynearme.deadline import Deadline
from paynearme.messages import Confirmation

_DELAY = re.compile(r"confirm_delay_([0-9]{1,4})", re.ASCII)
_UNREADABLE = "<payment_confirmation_response"
# RFC 2606 keeps this name from ever being somebody's.
_NOWHERE = "https://redirected.invalid/"


@dataclass(frozen=True)
class Rehearsal:
    """How an answer is to misbehave: its ``name``, and the seconds by which it is late."""

    name: str
    seconds: int = 0

    def applied(self, answer: HttpAnswer) -> HttpAnswer:
        """Return ``answer`` as PayNearMe is to see it. A delay changes nothing of it."""
        match self.name:
            case "confirm_bad_xml":
                return {**answer, "body": _UNREADABLE}
            case "confirm_blank":
                return blank(answer)
            case "confirm_redirect":
                headers = {**answer["headers"], "Location": _NOWHERE}
                return {**blank(answer), "statusCode": 302, "headers": headers}
        return answer


_OTHERS = {name: Rehearsal(name) for name in ("confirm_bad_xml", "confirm_blank", "confirm_redirect")}


def rehearsal_of(annotation: str | None) -> Rehearsal | None:
    """Return what an order's annotation asks for, None where that is nothing of this kind."""
    delay = _DELAY.fullmatch(annotation or "")
    return Rehearsal("confirm_delay", int(delay[1])) if delay else _OTHERS.get(annotation or "")


def blank(answer: HttpAnswer) -> HttpAnswer:
    """Return ``answer`` without its body."""
    return {**answer, "body": ""}


def rehearse(message: Confirmation, deadline: Deadline, answer: HttpAnswer) -> HttpAnswer:
    """Return ``answer``, the one to a verified ``message``, as its order's annotation wants it, and when.

    An answer that would be later than ``deadline`` comes then, and is blank: not acknowledged, as if it came
    too late for PayNearMe. No failure of ours is counted, only that something is rehearsed.
    """
    rehearsal = rehearsal_of(message.site_order_annotation)
    if rehearsal is None:
        return answer
    telemetry.note(certification_hook=rehearsal.name)
    telemetry.count("CertificationHookApplied")
    seconds = max(0.0, deadline.remaining)
    if rehearsal.seconds <= seconds:
        deadline.sleep(rehearsal.seconds)
        return rehearsal.applied(answer)
    deadline.sleep(seconds)
    return blank(answer)


def rehearsals(*, on: bool) -> Callable[[Confirmation, Deadline, HttpAnswer], HttpAnswer] | None:
    """Return what makes answers misbehave where the hooks are ``on``, None where they are not."""
    return rehearse if on else None
