"""Errors of AppConfig, and invalid policies."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.aws_errors import MARKER, client_error
from tests.support.fake_appconfig import ACCEPTING_POLICY, GET_CONFIGURATION, START_SESSION, FakeAppConfig

_EXPIRED_TOKEN = client_error("BadRequestException")
UNAVAILABLE_POLICIES: Mapping[str, Mapping[str, Exception]] = {
    "session denied": {START_SESSION: client_error("AccessDeniedException"), GET_CONFIGURATION: _EXPIRED_TOKEN},
    "nothing deployed": {GET_CONFIGURATION: client_error("ResourceNotFoundException")},
}
"""Errors of AppConfig that prevent reading a policy, by operation."""

INVALID_POLICIES: Mapping[str, Any] = {
    "invalid UTF-8": json.dumps(ACCEPTING_POLICY).encode() + b"\xe9",
    "truncated JSON": f'{{"defaults": "{MARKER}"',
    "unknown field": {"defaults": {**ACCEPTING_POLICY["defaults"], "marker": MARKER}},
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
