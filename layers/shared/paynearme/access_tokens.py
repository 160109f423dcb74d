"""Access tokens for calls to PayNearMe by OAuth 2.0 (client credentials grant, RFC 6749, section 4.4).

A token is kept in the process until shortly before it expires, and shared between processes through an
encrypted parameter (SSM SecureString). Only who holds a lease, an item of the table that holds no token,
asks the token address; the others wait for what it stores. So however many processes start, or meet a
token that was revoked, the address is asked once; and while it fails, once for each lease.
"""

import hashlib
import json
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from functools import cached_property, partial
from threading import Lock
from typing import TYPE_CHECKING, TypeGuard

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from cachetools import TLRUCache, TTLCache
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from urllib3 import PoolManager

from paynearme.aws import CLIENT_CONFIG, LONGEST_ATTEMPT_SECONDS, is_transient
from paynearme.deadline import Deadline
from paynearme.errors import (
    AccessTokenUnavailableError,
    CredentialsRejectedError,
    LedgerUnavailableError,
    UpstreamTimeoutError,
)
from paynearme.settings import KnownSite, OAuthClient, Settings
from paynearme.table import Key, Table, Update
from paynearme.token_address import ask

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

LEASE_SECONDS = 5
"""For how long one process alone may ask the token address: while it fails, it is asked so often."""

BACK_OFF_SECONDS = 30
"""For how long a process asks for no other token where the last one it asked for was refused as well."""

EXPIRES_EARLY_SECONDS = 30
"""How long before its end a token is not used any more. One that lives shorter is used for half its life."""

# Each look of a process that waits is a read of the store, which the whole account shares.
_LEAST_WAIT_SECONDS = 0.4
_FREE = "attribute_not_exists(lease_expires_at) OR lease_expires_at < :now"


class _TokenPendingError(Exception):
    """Another process is about to store a token."""


class _Token(BaseModel):
    """A token, until when it is used (Unix seconds), and for which client it was given."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    access_token: SecretStr
    expires_at: float
    client: str

    def to_text(self) -> str:
        return json.dumps(self.model_dump() | {"access_token": self.access_token.get_secret_value()})


class AccessTokens:
    """The tokens of this deployment's sites. Threads may share it."""

    def __init__(
        self,
        settings: Settings,
        table: Table,
        store: "SSMClient | None" = None,
        http: PoolManager | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take where tokens are stored and the table of the leases; connect to nothing yet."""
        self._path = settings.access_tokens_path
        self._table = table
        self._given_store = store
        self._http = http or PoolManager()
        self._clock = clock
        self._kept: TLRUCache[str, _Token] = TLRUCache(64, lambda _, token, __: token.expires_at, clock)
        # What replaced a refused token, until PayNearMe has taken it once.
        self._on_trial: TTLCache[str, SecretStr] = TTLCache(64, BACK_OFF_SECONDS, clock)
        self._one_at_a_time = Lock()

    @cached_property
    def _store(self) -> "SSMClient":
        # Made when it is first needed: most sites sign.
        return self._given_store or boto3.client("ssm", config=CLIENT_CONFIG)

    def find(self, site: KnownSite, deadline: Deadline, refused: SecretStr | None = None) -> SecretStr:
        """Return a token for calls of ``site``, which must have OAuth: another one than ``refused``.

        Raises ``CredentialsRejectedError``, ``RequestNotAcceptedError`` and ``UpstreamError`` where the token
        address gives none, ``UpstreamTimeoutError`` where there is none in time, and ``UnavailableError``
        where the store or the table fails.
        """
        if refused is not None and refused == self._on_trial.get(site.identifier):
            raise CredentialsRejectedError("a new token was refused")
        if not self._one_at_a_time.acquire(timeout=max(deadline.remaining, 0)):
            raise UpstreamTimeoutError
        try:
            kept = self._kept.get(site.identifier)
            if self._is_good(kept, site, refused):
                return kept.access_token
            token, is_new = self._shared(site, refused, deadline)
            self._kept[site.identifier] = token
            if is_new and refused is not None:
                self._on_trial[site.identifier] = token.access_token
            return token.access_token
        finally:
            self._one_at_a_time.release()

    def accept(self, site: KnownSite) -> None:
        """Learn that PayNearMe takes the token that this process has."""
        self._on_trial.pop(site.identifier, None)

    def _is_good(self, token: _Token | None, site: KnownSite, refused: SecretStr | None) -> TypeGuard[_Token]:
        """Return whether a token can be used: it is this client's, still holds, and was not refused."""
        if token is None or token.access_token == refused:
            return False
        return token.expires_at > self._clock() and token.client == _known_as(_client_of(site))

    def _shared(self, site: KnownSite, refused: SecretStr | None, deadline: Deadline) -> tuple[_Token, bool]:
        """Return what is stored, or what the address gives to this process (True), or soon to another."""

        def look() -> tuple[_Token, bool]:
            stored = self._stored(site, deadline)
            if self._is_good(stored, site, refused):
                return stored, False
            lease_owner = self._lease(site, deadline)
            if lease_owner is None:
                raise _TokenPendingError
            # Another may have stored one and given the lease back since the first look.
            stored = self._stored(site, deadline)
            if self._is_good(stored, site, refused):
                self._give_back(site, lease_owner, deadline)
                return stored, False
            token = self._given(_client_of(site), deadline)
            self._store_for_others(site, token, lease_owner, deadline)
            return token, True

        try:
            found: tuple[_Token, bool] = deadline.retrying(
                _is_soon_there, LONGEST_ATTEMPT_SECONDS, _LEAST_WAIT_SECONDS
            )(look)
        except _TokenPendingError:
            raise UpstreamTimeoutError from None
        return found

    def _lease(self, site: KnownSite, deadline: Deadline) -> str | None:
        """Return who holds the lease, if this process alone may ask the token address now; else None."""
        now, lease_owner = Decimal(int(self._clock())), str(uuid.uuid4())
        values = {"lease_expires_at": now + LEASE_SECONDS, "holder": lease_owner}
        change = Update(*_lease_key(site), values, condition=_FREE, condition_values={"now": now})
        held = self._table.update(change, deadline)
        # It is ours where only the answer to our write was lost.
        return lease_owner if held is None or held.get("holder") == lease_owner else None

    def _given(self, client: OAuthClient, deadline: Deadline) -> _Token:
        asked_at = self._clock()
        granted = ask(client, self._http, deadline)
        used_for = max(granted.seconds - EXPIRES_EARLY_SECONDS, granted.seconds / 2)
        return _Token(
            access_token=granted.access_token, expires_at=asked_at + used_for, client=_known_as(client)
        )

    def _name(self, site: KnownSite) -> str:
        return f"{self._path}/{site.identifier}"

    def _stored(self, site: KnownSite, deadline: Deadline) -> _Token | None:
        read = partial(self._store.get_parameter, Name=self._name(site), WithDecryption=True)
        try:
            answer = deadline.retrying(is_transient, LONGEST_ATTEMPT_SECONDS)(deadline.bound, read)
            return _Token.model_validate_json(answer["Parameter"]["Value"])
        except ValidationError:
            return None
        except ClientError as error:
            if error.response["Error"]["Code"] == "ParameterNotFound":
                return None
            raise AccessTokenUnavailableError from error
        except (BotoCoreError, TimeoutError) as error:
            raise AccessTokenUnavailableError from error

    def _store_for_others(self, site: KnownSite, token: _Token, lease_owner: str, deadline: Deadline) -> None:
        """Store the token and give the lease back. If that fails, the token is good for this process."""
        write = partial(
            self._store.put_parameter,
            Name=self._name(site),
            Value=token.to_text(),
            Type="SecureString",
            Tier="Intelligent-Tiering",
            Overwrite=True,
        )
        with suppress(ClientError, BotoCoreError, TimeoutError):
            deadline.retrying(is_transient, LONGEST_ATTEMPT_SECONDS)(deadline.bound, write)
            self._give_back(site, lease_owner, deadline)

    def _give_back(self, site: KnownSite, lease_owner: str, deadline: Deadline) -> None:
        """Let others have the lease. If that fails, it ends by itself."""
        ours = {"holder": lease_owner}
        key = _lease_key(site)
        change = Update(*key, removes=["lease_expires_at"], condition="holder = :holder", condition_values=ours)
        with suppress(LedgerUnavailableError):
            self._table.update(change, deadline)


def _is_soon_there(error: BaseException) -> bool:
    return isinstance(error, _TokenPendingError)


def _lease_key(site: KnownSite) -> Key:
    return (f"ACCESS_TOKEN#{site.identifier}", "LEASE")


def _client_of(site: KnownSite) -> OAuthClient:
    if site.oauth is None:
        raise ValueError("the site signs its calls")
    return site.oauth


def _known_as(client: OAuthClient) -> str:
    """Return what is equal for tokens that are as good as each other."""
    text = json.dumps([client.token_url, client.client_id, client.scope])
    return hashlib.sha256(text.encode()).hexdigest()
