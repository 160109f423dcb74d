"""Errors of AppConfig, and invalid policies."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.aws_errors import MARKER, client_error
from tests.support.fake_appconfig import ACCEPTING_POLICY, GET_CONFIGURATION, START_SESSION, FakeAppConfig


def _with_defaults(**defaults: Any) -> Mapping[str, Any]:
    return {"defaults": {**ACCEPTING_POLICY["defaults"], **defaults}}


_EXPIRED_TOKEN = client_error("BadRequestException")
UNAVAILABLE_POLICIES: Mapping[str, Mapping[str, Exception]] = {
    "unknown policy": {START_SESSION: client_error("ResourceNotFoundException"), GET_CONFIGURATION: _EXPIRED_TOKEN},
    "session denied": {START_SESSION: client_error("AccessDeniedException"), GET_CONFIGURATION: _EXPIRED_TOKEN},
    "nothing deployed": {GET_CONFIGURATION: client_error("ResourceNotFoundException")},
    "configuration denied": {GET_CONFIGURATION: client_error("AccessDeniedException")},
    "invalid token": {GET_CONFIGURATION: _EXPIRED_TOKEN},
}
"""Errors of AppConfig that prevent reading a policy, by operation."""

INVALID_POLICIES: Mapping[str, Any] = {
    "invalid UTF-8": json.dumps(_with_defaults(texts={"accepted": {"receipt": "Cafe"}}))
    .encode()
    .replace(b"Cafe", b"Caf\xe9"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "truncated JSON": f'{{"defaults": "{MARKER}"',
    "deeply nested": "[" * 100_000,
    "list": [MARKER],
    "no defaults": {"sites": {}},
    "unknown field": _with_defaults(marker=MARKER),
    "missing field": {"defaults": {"unknown_order": "accept", "unknown_customer": "accept"}},
    "unknown time zone": _with_defaults(time_zone="America/Newyork"),
    "receipt too long": _with_defaults(texts={"accepted": {"receipt": "x" * 3001}}),
    "rendered receipt too long": _with_defaults(texts={"accepted": {"receipt": "{order}" + "x" * 2937}}),
    "lone surrogate in a receipt": _with_defaults(texts={"accepted": {"receipt": "\ud83d"}}),
    "unknown placeholder": _with_defaults(texts={"accepted": {"receipt": "{customer}"}}),
    "numeric limit": _with_defaults(spending_limits=[{"window": "day", "amount": 500}]),
    "invalid for another site": {**ACCEPTING_POLICY, "sites": {"S1": {"time_zone": "Mars"}}},
}
"""Invalid documents."""

for_each_defect = pytest.mark.parametrize("defect", [*UNAVAILABLE_POLICIES, *INVALID_POLICIES])


def break_policy(appconfig: FakeAppConfig, defect: str) -> None:
    """Deploy an invalid policy, or raise errors in all further calls."""
    if defect in INVALID_POLICIES:
        appconfig.put(INVALID_POLICIES[defect])
    else:
        appconfig.errors = {operation: [error] * 100 for operation, error in UNAVAILABLE_POLICIES[defect].items()}
