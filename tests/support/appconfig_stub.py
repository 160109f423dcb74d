"""AppConfig as the functions see it: the document that is deployed, or how reading it fails."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, cast

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

ACCEPTING_POLICY: Mapping[str, Any] = {
    "defaults": {"unknown_order": "accept", "unknown_customer": "accept", "time_zone": "America/New_York"}
}
"""A policy that declines only what no policy can accept."""

MARKER = "zq7marker7qz"
"""What stands in errors and in broken documents, and should not be told to anybody."""

START_SESSION, GET_CONFIGURATION = "StartConfigurationSession", "GetLatestConfiguration"


def client_error(code: str, status: int = 400) -> ClientError:
    """Return an error of AppConfig's."""
    error_response = {"Error": {"Code": code, "Message": MARKER}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(cast(Any, error_response), "AppConfig")


def _with_defaults(**defaults: Any) -> Mapping[str, Any]:
    return {"defaults": {**ACCEPTING_POLICY["defaults"], **defaults}}


_EXPIRED_TOKEN = client_error("BadRequestException")
UNAVAILABLE_POLICIES: Mapping[str, Mapping[str, Exception]] = {
    "no policy of that name": {
        START_SESSION: client_error("ResourceNotFoundException"),
        GET_CONFIGURATION: _EXPIRED_TOKEN,
    },
    "no right to begin": {START_SESSION: client_error("AccessDeniedException"), GET_CONFIGURATION: _EXPIRED_TOKEN},
    "nothing deployed": {GET_CONFIGURATION: client_error("ResourceNotFoundException")},
    "no right to read": {GET_CONFIGURATION: client_error("AccessDeniedException")},
    "no token is good": {GET_CONFIGURATION: _EXPIRED_TOKEN},
}
"""Ways not to read a policy: what the calls are answered with."""

INVALID_POLICIES: Mapping[str, Any] = {
    "not UTF-8": json.dumps(_with_defaults(texts={"accepted": {"receipt": "Cafe"}}))
    .encode()
    .replace(b"Cafe", b"Caf\xe9"),
    "with a byte order mark": b"\xef\xbb\xbf{}",
    "no JSON": f'{{"defaults": "{MARKER}"',
    "nested without end": "[" * 100_000,
    "a list": [MARKER],
    "no defaults": {"sites": {}},
    "a field that does not exist": _with_defaults(marker=MARKER),
    "a field missing": {"defaults": {"unknown_order": "accept", "unknown_customer": "accept"}},
    "a time zone that does not exist": _with_defaults(time_zone="America/Newyork"),
    "a receipt that is too long": _with_defaults(texts={"accepted": {"receipt": "x" * 3001}}),
    "a receipt that can become too long": _with_defaults(texts={"accepted": {"receipt": "{order}" + "x" * 2937}}),
    "a receipt with half a character": _with_defaults(texts={"accepted": {"receipt": "\ud83d"}}),
    "a placeholder that is none": _with_defaults(texts={"accepted": {"receipt": "{customer}"}}),
    "a limit that is no text": _with_defaults(spending_limits=[{"window": "day", "amount": 500}]),
    "broken for another site": {**ACCEPTING_POLICY, "sites": {"S1": {"time_zone": "Mars"}}},
}
"""Documents that are not valid."""


@dataclass
class AppConfigStub:
    """Answers the calls of AppConfig's data API as AWS does: an empty text where nothing is new.

    ``calls`` holds the names of those that were made. Those to come fail while there are ``errors`` for them.
    """

    content: bytes = b""
    calls: list[str] = field(default_factory=list)
    errors: dict[str, list[Exception]] = field(default_factory=dict)
    _tokens: dict[str, bytes] = field(default_factory=dict)

    def put(self, document: object) -> None:
        """Deploy ``document``: bytes and text as they are, anything else as JSON."""
        text = document if isinstance(document, str | bytes) else json.dumps(document)
        self.content = text.encode() if isinstance(text, str) else text

    def put_defaults(self, **changes: Any) -> None:
        """Deploy ``ACCEPTING`` with changed defaults, and let it be read."""
        self.errors.clear()
        self.put(_with_defaults(**changes))

    def break_policy(self, defect: str) -> None:
        """Let a policy be ``BROKEN`` or ``MISSING``, for good."""
        if defect in INVALID_POLICIES:
            self.put(INVALID_POLICIES[defect])
        else:
            self.errors = {operation: [error] * 100 for operation, error in UNAVAILABLE_POLICIES[defect].items()}

    def fail(self, operation: str, *errors: Exception) -> None:
        """Answer the next calls of ``operation`` with errors."""
        self.errors[operation] = list(errors)

    # Any: botocore's types know of no hook that answers.
    def respond(self, *, model: Any, params: Mapping[str, Any], **_: Any) -> Any:
        """Answer a call in the place of the network (botocore's ``before-call``)."""
        self.calls.append(model.name)
        if errors := self.errors.get(model.name):
            raise errors.pop(0)
        http = AWSResponse("https://appconfigdata.invalid", 200, HTTPHeaders(), None)
        token = f"token-{len(self.calls)}"
        if model.name == "StartConfigurationSession":
            self._tokens[token] = b""
            return http, {"InitialConfigurationToken": token}
        # A token is good for one call.
        previous_content = self._tokens.pop(params["query_string"]["configuration_token"])
        self._tokens[token] = self.content
        changed_content = b"" if previous_content == self.content else self.content
        return http, {"Configuration": BytesIO(changed_content), "NextPollConfigurationToken": token}
