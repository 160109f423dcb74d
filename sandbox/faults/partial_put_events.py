"""Simulate a partial failure of EventBridge's ``PutEvents``."""

import json
from dataclasses import dataclass
from itertools import count, cycle
from typing import Any

from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sandbox.emulator import REGION, ROOT_KEYS

PUT_EVENTS = "AWSEvents.PutEvents"
"""The operation, as in ``X-Amz-Target``."""

_FAILURES = (
    {"ErrorCode": "InternalError", "ErrorMessage": "Unexpected error"},
    {"ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded"},
)
# These headers depend on the original body and caller.
_SIGNATURE_HEADERS = {"authorization", "content-length", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"}


@dataclass(frozen=True)
class PartialBatch:
    """A divided request: for each entry whether it fails, and the ``body`` with the other entries or None."""

    fail: tuple[bool, ...]
    body: bytes | None

    def merge(self, response: bytes | None) -> bytes:
        """Return the response for all entries, in order. ``response`` is the one for the forwarded entries."""
        successes = iter(json.loads(response)["Entries"] if response else ())
        failures = cycle(_FAILURES)
        entries: list[dict[str, Any]] = [next(failures if fails else successes) for fails in self.fail]
        failed = sum("ErrorCode" in entry for entry in entries)
        return json.dumps({"FailedEntryCount": failed, "Entries": entries}).encode()


def split_batch(body: bytes, previous_count: int) -> PartialBatch:
    """Return a batch in which every second entry fails. ``previous_count`` entries came in earlier requests.

    The count continues across requests, so that a retried single entry succeeds.
    """
    content = json.loads(body)
    positions = count(previous_count + 1)
    fail = tuple(next(positions) % 2 == 0 for _ in content["Entries"])
    forwarded = [entry for entry, fails in zip(content["Entries"], fail, strict=True) if not fails]
    return PartialBatch(fail, json.dumps({**content, "Entries": forwarded}).encode() if forwarded else None)


def re_sign(request: web.Request, body: bytes) -> dict[str, str]:
    """Return the headers of ``request`` for another ``body``, signed by the root user.

    The proxy does not have the caller's key.
    """
    unsigned_headers = {
        name: value for name, value in request.headers.items() if name.lower() not in _SIGNATURE_HEADERS
    }
    signed_request = AWSRequest(request.method, str(request.url), data=body, headers=unsigned_headers)
    SigV4Auth(Credentials(*ROOT_KEYS.values()), "events", REGION).add_auth(signed_request)
    return dict(signed_request.headers.items())
