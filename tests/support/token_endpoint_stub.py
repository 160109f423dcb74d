"""A stub of the OAuth token endpoint, and the processes that request tokens from it."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import parse_qs

from pydantic import SecretStr
from urllib3 import HTTPResponse, PoolManager

from paynearme.client.access_token_cache import AccessTokens
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Table
from paynearme.platform.settings import Settings
from paynearme.sites.site import OAuthClient, ResolvedSite
from tests.support.api_driver import ProcessKilled
from tests.support.fake_clock import Clock
from tests.support.message_fixtures import resolved_site
from tests.support.paynearme_stub import body_received

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_ssm.type_defs import ParameterTypeDef

PATH = "/payments/access-tokens"
"""The SSM path of the tokens."""

OAUTH_SITE = "S5550001117"
CLIENT_SECRET = "zq7/client secret+of:test"
CLIENT: dict[str, Any] = {
    "token_url": "https://login.paynearme.invalid/oauth/token",
    "client_id": "zq7 client:test",
    "client_secret": CLIENT_SECRET,
}
OAUTH: dict[str, Any] = {
    "version": "3.0",
    "secret": "6d5c4b3a29181706f5e4d3c2b",
    "call_authentication": "oauth",
    "oauth": CLIENT,
}
"""The entry of ``OAUTH_SITE`` in the sites' secret."""

TOKEN = "zq7token"
"""The prefix of every token."""

FIRST_TOKEN, SECOND_TOKEN = f"{TOKEN}-1", f"{TOKEN}-2"


class TokenEndpointStub:
    """Replace ``PoolManager``. Return ``zq7token-1``, ``zq7token-2`` and so on, or ``reply``.

    ``requests`` records the requests. The first of ``during_request`` runs during the next request.
    """

    def __init__(self) -> None:
        self.reply: HTTPResponse | Exception | None = None
        self.expires_in: object = 3600
        self.during_request: list[Callable[[], object]] = []
        self.requests: list[dict[str, Any]] = []

    def __call__(self) -> Self:
        return self

    def request(
        self, method: str, url: str, *, body: Iterable[bytes], headers: dict[str, str], **_: Any
    ) -> HTTPResponse:
        lower_case_headers = {name.lower(): value for name, value in headers.items()}
        form = parse_qs(body_received(body, self.reply).decode())
        self.requests.append({"to": f"{method} {url}", "headers": lower_case_headers, "form": form})
        if self.during_request:
            self.during_request.pop(0)()
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply or self.granting(access_token=f"{TOKEN}-{len(self.requests)}", expires_in=self.expires_in)

    @staticmethod
    def granting(**changes: object) -> HTTPResponse:
        """Return a valid response with changes. ``None`` omits a member."""
        defaults: dict[str, object] = {"access_token": f"{TOKEN}-0", "token_type": "Bearer", "expires_in": 3600}
        content = {name: value for name, value in (defaults | changes).items() if value is not None}
        return HTTPResponse(body=json.dumps(content).encode(), status=200)


def site(**changes: object) -> ResolvedSite:
    """Return ``OAUTH_SITE`` with changes to its client."""
    client = OAuthClient.model_validate(CLIENT | changes)
    return resolved_site().model_copy(update={"identifier": OAUTH_SITE, "oauth": client})


@dataclass
class WorkerProcesses:
    """Processes that share a table, a parameter store, a clock and a token endpoint.

    The first of ``during_waits`` runs during the next wait of a process.
    """

    table: Table
    ssm: "SSMClient"
    token_endpoint: TokenEndpointStub = field(default_factory=TokenEndpointStub)
    clock: Clock = field(default_factory=Clock)
    during_waits: list[Callable[[], object]] = field(default_factory=list)

    def start(self) -> AccessTokens:
        """Return the token cache of a new process."""
        settings = Settings(sites_secret="", access_tokens_path=PATH)
        return AccessTokens(settings, self.table, self.ssm, cast(PoolManager, self.token_endpoint), self.clock)

    def get_access_token(
        self,
        process: AccessTokens | None = None,
        for_site: ResolvedSite | None = None,
        rejected_token: str | None = None,
        seconds: float = 7.0,
    ) -> str:
        """Return the token of ``process``, or of a new process."""
        deadline = Deadline.after(seconds, self.clock, self._sleep)
        rejected_secret = None if rejected_token is None else SecretStr(rejected_token)
        return (process or self.start()).get(for_site or site(), deadline, rejected_secret).get_secret_value()

    def _sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        if self.during_waits:
            self.during_waits.pop(0)()

    def parameter(self) -> "ParameterTypeDef":
        """Return the stored parameter."""
        return self.ssm.get_parameter(Name=f"{PATH}/{OAUTH_SITE}", WithDecryption=True)["Parameter"]

    def store(self, value: str) -> None:
        """Store a value as another process does."""
        self.ssm.put_parameter(Name=f"{PATH}/{OAUTH_SITE}", Value=value, Type="SecureString", Overwrite=True)

    def leave_lease_acquired(self) -> None:
        """End a process during its token request, so that its lease remains."""

        def end_process() -> None:
            raise ProcessKilled

        self.token_endpoint.during_request.insert(0, end_process)
        try:
            self.get_access_token()
        except ProcessKilled:
            self.token_endpoint.requests.pop()
