"""EventBridge taking a part of the entries and failing for the rest, as it may at any time."""

import json
from dataclasses import dataclass
from itertools import count, cycle
from typing import Any

from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.emulator import REGION, ROOT_KEYS

PUT_EVENTS = "AWSEvents.PutEvents"
"""The operation, as ``X-Amz-Target`` names it."""

_EVERY_OTHER = 2
_FAILURES = (
    {"ErrorCode": "InternalError", "ErrorMessage": "Unexpected error"},
    {"ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded"},
)
# They are another body's and another caller's.
_OF_THE_SIGNATURE = {
    "authorization",
    "content-length",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
}


@dataclass(frozen=True)
class Division:
    """A request for some entries: which of them ``fail``, and the ``body`` that asks for the others only.

    ``body`` is None where there are no others.
    """

    fail: tuple[bool, ...]
    body: bytes | None

    def answer(self, told: bytes | None) -> bytes:
        """Return the answer for all entries, in order; ``told`` is the answer for those that got through."""
        through = iter(json.loads(told)["Entries"] if told else ())
        failures = cycle(_FAILURES)
        entries: list[dict[str, Any]] = [next(failures if fails else through) for fails in self.fail]
        failed = sum("ErrorCode" in entry for entry in entries)
        return json.dumps({"FailedEntryCount": failed, "Entries": entries}).encode()


def divided(body: bytes, before: int) -> Division:
    """Let every second entry fail, counted on from the ``before`` that came in earlier requests.

    So one that is sent alone, again and again, gets through at last.
    """
    content = json.loads(body)
    numbers = count(before + 1)
    fail = tuple(next(numbers) % _EVERY_OTHER == 0 for _ in content["Entries"])
    others = [entry for entry, fails in zip(content["Entries"], fail, strict=True) if not fails]
    return Division(fail, json.dumps({**content, "Entries": others}).encode() if others else None)


def signed_anew(request: web.Request, body: bytes) -> dict[str, str]:
    """Return the headers of ``request`` for another ``body``, signed by the account's root.

    The signature that came covers the body that came, and nobody here has the key for another.
    """
    kept = {name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_SIGNATURE}
    again = AWSRequest(request.method, str(request.url), data=body, headers=kept)
    SigV4Auth(Credentials(*ROOT_KEYS.values()), "events", REGION).add_auth(again)
    return dict(again.headers.items())
