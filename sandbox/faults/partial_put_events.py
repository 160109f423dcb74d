"""EventBridge taking a part of the entries and failing for the rest, as it may at any time."""

import json
from dataclasses import dataclass
from itertools import count, cycle
from typing import Any

from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sandbox.stack.emulator import REGION, ROOT_KEYS

PUT_EVENTS = "AWSEvents.PutEvents"
"""The operation, as ``X-Amz-Target`` names it."""

_HALF = 2
_FAILURES = (
    {"ErrorCode": "InternalError", "ErrorMessage": "Unexpected error"},
    {"ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded"},
)
# They are another body's and another caller's.
_SIGNATURE_HEADERS = {
    "authorization",
    "content-length",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
}


@dataclass(frozen=True)
class PartialBatch:
    """A request for some entries: which of them ``fail``, and the ``body`` that asks for the others only.

    ``body`` is None where there are no others.
    """

    fail: tuple[bool, ...]
    body: bytes | None

    def merge(self, response: bytes | None) -> bytes:
        """Return the answer for all entries, in order; ``told`` is the answer for those that got through."""
        successes = iter(json.loads(response)["Entries"] if response else ())
        failures = cycle(_FAILURES)
        entries: list[dict[str, Any]] = [next(failures if fails else successes) for fails in self.fail]
        failed = sum("ErrorCode" in entry for entry in entries)
        return json.dumps({"FailedEntryCount": failed, "Entries": entries}).encode()


def split_batch(body: bytes, previous_count: int) -> PartialBatch:
    """Let every second entry fail, counted on from the ``before`` that came in earlier requests.

    So one that is sent alone, again and again, gets through at last.
    """
    content = json.loads(body)
    positions = count(previous_count + 1)
    fail = tuple(next(positions) % _HALF == 0 for _ in content["Entries"])
    forwarded = [entry for entry, fails in zip(content["Entries"], fail, strict=True) if not fails]
    return PartialBatch(fail, json.dumps({**content, "Entries": forwarded}).encode() if forwarded else None)


def re_sign(request: web.Request, body: bytes) -> dict[str, str]:
    """Return the headers of ``request`` for another ``body``, signed by the account's root.

    The signature that came covers the body that came, and nobody here has the key for another.
    """
    unsigned_headers = {
        name: value for name, value in request.headers.items() if name.lower() not in _SIGNATURE_HEADERS
    }
    signed_request = AWSRequest(request.method, str(request.url), data=body, headers=unsigned_headers)
    SigV4Auth(Credentials(*ROOT_KEYS.values()), "events", REGION).add_auth(signed_request)
    return dict(signed_request.headers.items())
