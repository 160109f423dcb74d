"""The token address in the place of its connections, and a site whose calls carry its tokens."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import parse_qs

from pydantic import SecretStr
from urllib3 import HTTPResponse, PoolManager

from paynearme.access_tokens import AccessTokens
from paynearme.deadline import Deadline
from paynearme.settings import KnownSite, OAuthClient, Settings
from paynearme.table import Table
from tests.clock import Clock
from tests.connections import arrived
from tests.integration.observed import Stored

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


class TokenAddress:
    """Gives ``zq7token-1``, ``zq7token-2`` and so on, or ``answer``, and keeps what was asked.

    What stands in ``meanwhile`` happens while it works, each for one request. Takes the place of
    ``PoolManager``.
    """

    def __init__(self) -> None:
        self.answer: HTTPResponse | Exception | None = None
        self.lives: object = 3600
        self.meanwhile: list[Callable[[], object]] = []
        self.asked: list[dict[str, Any]] = []

    def __call__(self) -> Self:
        return self

    def request(
        self, method: str, url: str, *, body: Iterable[bytes], headers: dict[str, str], **_: Any
    ) -> HTTPResponse:
        named = {name.lower(): value for name, value in headers.items()}
        form = parse_qs(arrived(body, self.answer).decode())
        self.asked.append({"to": f"{method} {url}", "headers": named, "form": form})
        if self.meanwhile:
            self.meanwhile.pop(0)()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or self.giving(access_token=f"{TOKEN}-{len(self.asked)}", expires_in=self.lives)

    @staticmethod
    def giving(**changes: object) -> HTTPResponse:
        """Return a good answer with changes; None leaves a member out."""
        usual: dict[str, object] = {"access_token": f"{TOKEN}-0", "token_type": "Bearer", "expires_in": 3600}
        content = {name: value for name, value in (usual | changes).items() if value is not None}
        return HTTPResponse(body=json.dumps(content).encode(), status=200)


def site(**changes: object) -> KnownSite:
    """Return ``OAUTH_SITE`` as it is known, with changes to its client; None leaves one out."""
    client = {name: value for name, value in (CLIENT | changes).items() if value is not None}
    return KnownSite(
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
class Processes:
    """Processes that need tokens, and what they share: a table, a store, a clock, the token address.

    What stands in ``while_waiting`` happens while one waits, each in one of its pauses.
    """

    stored: Stored
    ssm: "SSMClient"
    address: TokenAddress = field(default_factory=TokenAddress)
    clock: Clock = field(default_factory=Clock)
    while_waiting: list[Callable[[], object]] = field(default_factory=list)

    def start(self) -> AccessTokens:
        """Start a process."""
        settings = Settings(sites_secret="", access_tokens_path=PATH)
        table = Table(self.stored.table_name)
        return AccessTokens(settings, table, self.ssm, cast(PoolManager, self.address), self.clock)

    def find(
        self,
        process: AccessTokens | None = None,
        of: KnownSite | None = None,
        refused: str | None = None,
        seconds: float = 7.0,
    ) -> str:
        """Return the token that a process finds: a new one, unless one is given."""
        deadline = Deadline.after(seconds, self.clock, self._sleep)
        given = None if refused is None else SecretStr(refused)
        return (process or self.start()).find(of or site(), deadline, given).get_secret_value()

    def _sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        if self.while_waiting:
            self.while_waiting.pop(0)()

    def parameter(self) -> "ParameterTypeDef":
        """Return what is stored."""
        return self.ssm.get_parameter(Name=f"{PATH}/{OAUTH_SITE}", WithDecryption=True)["Parameter"]

    def store(self, value: str) -> None:
        """Store something, as another process would."""
        name = f"{PATH}/{OAUTH_SITE}"
        self.ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)

    def hold_the_lease(self) -> None:
        """Ask the address in a process that ends before it has stored anything."""
        self.address.meanwhile.insert(0, self._end)
        try:
            self.find()
        except Ended:
            self.address.asked.pop()

    @staticmethod
    def _end() -> None:
        raise Ended


class Ended(BaseException):
    """A process ends here."""
