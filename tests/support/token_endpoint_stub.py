"""The token address in the place of its connections, and a site whose calls carry its tokens."""

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
from tests.support.fake_clock import Clock
from tests.support.harness import LedgerFixture
from tests.support.http_assertions import body_received

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_ssm.type_defs import ParameterTypeDef

PATH = "/payments/access-tokens"
"""Under which parameters tokens are stored."""

OAUTH_SITE = "S5550001117"
CLIENT_SECRET = "zq7/client secret+of:ours"
CLIENT: dict[str, Any] = {
    "token_url": "https://login.paynearme.invalid/oauth/token",
    "client_id": "zq7 client:ours",
    "client_secret": CLIENT_SECRET,
}
OAUTH: dict[str, Any] = {
    "version": "3.0",
    "secret": "6d5c4b3a29181706f5e4d3c2b",
    "call_authentication": "oauth",
    "oauth": CLIENT,
}
"""``OAUTH_SITE`` as the sites' secret holds it."""

TOKEN = "zq7token"
"""What every token begins with."""


class TokenEndpointStub:
    """Gives ``zq7token-1``, ``zq7token-2`` and so on, or ``answer``, and keeps what was asked.

    What stands in ``meanwhile`` happens while it works, each for one request. Takes the place of
    ``PoolManager``.
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
        """Return a good answer with changes; None leaves a member out."""
        defaults: dict[str, object] = {"access_token": f"{TOKEN}-0", "token_type": "Bearer", "expires_in": 3600}
        content = {name: value for name, value in (defaults | changes).items() if value is not None}
        return HTTPResponse(body=json.dumps(content).encode(), status=200)


def site(**changes: object) -> ResolvedSite:
    """Return ``OAUTH_SITE`` as it is known, with changes to its client; None leaves one out."""
    client = {name: value for name, value in (CLIENT | changes).items() if value is not None}
    return ResolvedSite(
        identifier=OAUTH_SITE,
        version="3.0",
        callback_secrets=(),
        api_secret=SecretStr("unused"),
        oauth=OAuthClient.model_validate(client),
        response_format="json",
        reverse_envelope="",
        reverse_element="",
    )


@dataclass
class WorkerProcesses:
    """Processes that need tokens, and what they share: a table, a store, a clock, the token address.

    What stands in ``while_waiting`` happens while one waits, each in one of its pauses.
    """

    ledger_table: LedgerFixture
    ssm: "SSMClient"
    token_endpoint: TokenEndpointStub = field(default_factory=TokenEndpointStub)
    clock: Clock = field(default_factory=Clock)
    during_waits: list[Callable[[], object]] = field(default_factory=list)

    def start(self) -> AccessTokens:
        """Start a process."""
        settings = Settings(sites_secret="", access_tokens_path=PATH)
        table = Table(self.ledger_table.table_name)
        return AccessTokens(settings, table, self.ssm, cast(PoolManager, self.token_endpoint), self.clock)

    def get_access_token(
        self,
        process: AccessTokens | None = None,
        for_site: ResolvedSite | None = None,
        rejected_token: str | None = None,
        seconds: float = 7.0,
    ) -> str:
        """Return the token that a process finds: a new one, unless one is given."""
        deadline = Deadline.after(seconds, self.clock, self._sleep)
        rejected_secret = None if rejected_token is None else SecretStr(rejected_token)
        return (process or self.start()).get(for_site or site(), deadline, rejected_secret).get_secret_value()

    def _sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        if self.during_waits:
            self.during_waits.pop(0)()

    def parameter(self) -> "ParameterTypeDef":
        """Return what is stored."""
        return self.ssm.get_parameter(Name=f"{PATH}/{OAUTH_SITE}", WithDecryption=True)["Parameter"]

    def store(self, value: str) -> None:
        """Store something, as another process would."""
        name = f"{PATH}/{OAUTH_SITE}"
        self.ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)

    def leave_lease_acquired(self) -> None:
        """Ask the address in a process that ends before it has stored anything."""
        self.token_endpoint.during_request.insert(0, self._end_process)
        try:
            self.get_access_token()
        except ProcessEnded:
            self.token_endpoint.requests.pop()

    @staticmethod
    def _end_process() -> None:
        raise ProcessEnded


class ProcessEnded(BaseException):
    """A process ends here."""
