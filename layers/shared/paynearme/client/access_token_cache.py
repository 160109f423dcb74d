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

from paynearme.client.token_endpoint import request_token
from paynearme.errors import (
    AccessTokenUnavailableError,
    CredentialsRejectedError,
    LedgerUnavailableError,
    UpstreamTimeoutError,
)
from paynearme.platform.aws_clients import CLIENT_CONFIG, is_retryable
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS, Deadline
from paynearme.platform.dynamodb import Key, Table, Update
from paynearme.platform.settings import Settings
from paynearme.sites.site import OAuthClient, ResolvedSite

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

LEASE_SECONDS = 5
"""For how long one process alone may ask the token address: while it fails, it is asked so often."""

REFUSAL_BACKOFF_SECONDS = 30
"""For how long a process asks for no other token where the last one it asked for was refused as well."""

EXPIRY_MARGIN_SECONDS = 30
"""How long before its end a token is not used any more. One that lives shorter is used for half its life."""

# Each look of a process that waits is a read of the store, which the whole account shares.
_MIN_POLL_SECONDS = 0.4
_LEASE_AVAILABLE = "attribute_not_exists(lease_expires_at) OR lease_expires_at < :now"


class _TokenPendingError(Exception):
    """Another process is about to store a token."""


class _Token(BaseModel):
    """A token, until when it is used (Unix seconds), and for which client it was given."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    access_token: SecretStr
    expires_at: float
    client_fingerprint: str

    def to_json(self) -> str:
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
        self._injected_store = store
        self._http = http or PoolManager()
        self._clock = clock
        self._cached: TLRUCache[str, _Token] = TLRUCache(64, lambda _, token, __: token.expires_at, clock)
        # What replaced a refused token, until PayNearMe has taken it once.
        self._unproven: TTLCache[str, SecretStr] = TTLCache(64, REFUSAL_BACKOFF_SECONDS, clock)
        self._lock = Lock()

    @cached_property
    def _store(self) -> "SSMClient":
        # Made when it is first needed: most sites sign.
        return self._injected_store or boto3.client("ssm", config=CLIENT_CONFIG)

    def get(self, site: ResolvedSite, deadline: Deadline, rejected_token: SecretStr | None = None) -> SecretStr:
        """Return a token for calls of ``site``, which must have OAuth: another one than ``refused``.

        Raises ``CredentialsRejectedError``, ``RequestNotAcceptedError`` and ``UpstreamError`` where the token
        address gives none, ``UpstreamTimeoutError`` where there is none in time, and ``UnavailableError``
        where the store or the table fails.
        """
        if rejected_token is not None and rejected_token == self._unproven.get(site.identifier):
            raise CredentialsRejectedError("a new token was refused")
        if not self._lock.acquire(timeout=max(deadline.remaining, 0)):
            raise UpstreamTimeoutError
        try:
            cached = self._cached.get(site.identifier)
            if self._is_usable(cached, site, rejected_token):
                return cached.access_token
            token, is_new = self._load_or_request(site, rejected_token, deadline)
            self._cached[site.identifier] = token
            if is_new and rejected_token is not None:
                self._unproven[site.identifier] = token.access_token
            return token.access_token
        finally:
            self._lock.release()

    def mark_accepted(self, site: ResolvedSite) -> None:
        """Learn that PayNearMe takes the token that this process has."""
        self._unproven.pop(site.identifier, None)

    def _is_usable(
        self, token: _Token | None, site: ResolvedSite, rejected_token: SecretStr | None
    ) -> TypeGuard[_Token]:
        """Return whether a token can be used: it is this client's, still holds, and was not refused."""
        if token is None or token.access_token == rejected_token:
            return False
        return token.expires_at > self._clock() and token.client_fingerprint == _client_fingerprint(_oauth_client(site))

    def _load_or_request(
        self, site: ResolvedSite, rejected_token: SecretStr | None, deadline: Deadline
    ) -> tuple[_Token, bool]:
        """Return what is stored, or what the address gives to this process (True), or soon to another."""

        def attempt() -> tuple[_Token, bool]:
            stored = self._read_stored(site, deadline)
            if self._is_usable(stored, site, rejected_token):
                return stored, False
            lease_owner = self._acquire_lease(site, deadline)
            if lease_owner is None:
                raise _TokenPendingError
            # Another may have stored one and given the lease back since the first look.
            stored = self._read_stored(site, deadline)
            if self._is_usable(stored, site, rejected_token):
                self._release_lease(site, lease_owner, deadline)
                return stored, False
            token = self._request_token(_oauth_client(site), deadline)
            self._publish(site, token, lease_owner, deadline)
            return token, True

        try:
            result: tuple[_Token, bool] = deadline.retrying(_is_pending, MAX_ATTEMPT_SECONDS, _MIN_POLL_SECONDS)(
                attempt
            )
        except _TokenPendingError:
            raise UpstreamTimeoutError from None
        return result

    def _acquire_lease(self, site: ResolvedSite, deadline: Deadline) -> str | None:
        """Return who holds the lease, if this process alone may ask the token address now; else None."""
        now, lease_owner = Decimal(int(self._clock())), str(uuid.uuid4())
        values = {"lease_expires_at": now + LEASE_SECONDS, "lease_owner": lease_owner}
        change = Update(*_lease_key(site), values, condition=_LEASE_AVAILABLE, condition_values={"now": now})
        conflict = self._table.update(change, deadline)
        # It is ours where only the answer to our write was lost.
        return lease_owner if conflict is None or conflict.get("lease_owner") == lease_owner else None

    def _request_token(self, client: OAuthClient, deadline: Deadline) -> _Token:
        requested_at = self._clock()
        grant = request_token(client, self._http, deadline)
        lifetime = max(grant.expires_in - EXPIRY_MARGIN_SECONDS, grant.expires_in / 2)
        return _Token(
            access_token=grant.access_token,
            expires_at=requested_at + lifetime,
            client_fingerprint=_client_fingerprint(client),
        )

    def _name(self, site: ResolvedSite) -> str:
        return f"{self._path}/{site.identifier}"

    def _read_stored(self, site: ResolvedSite, deadline: Deadline) -> _Token | None:
        read = partial(self._store.get_parameter, Name=self._name(site), WithDecryption=True)
        try:
            response = _call(read, deadline)
            return _Token.model_validate_json(response["Parameter"]["Value"])
        except ValidationError:
            return None
        except ClientError as error:
            if error.response["Error"]["Code"] == "ParameterNotFound":
                return None
            raise AccessTokenUnavailableError from error
        except (BotoCoreError, TimeoutError) as error:
            raise AccessTokenUnavailableError from error

    def _publish(self, site: ResolvedSite, token: _Token, lease_owner: str, deadline: Deadline) -> None:
        """Store the token and give the lease back. If that fails, the token is good for this process."""
        write = partial(
            self._store.put_parameter,
            Name=self._name(site),
            Value=token.to_json(),
            Type="SecureString",
            Tier="Intelligent-Tiering",
            Overwrite=True,
        )
        with suppress(ClientError, BotoCoreError, TimeoutError):
            _call(write, deadline)
            self._release_lease(site, lease_owner, deadline)

    def _release_lease(self, site: ResolvedSite, lease_owner: str, deadline: Deadline) -> None:
        """Let others have the lease. If that fails, it ends by itself."""
        condition_values = {"lease_owner": lease_owner}
        key = _lease_key(site)
        change = Update(
            *key,
            removes=["lease_expires_at"],
            condition="lease_owner = :lease_owner",
            condition_values=condition_values,
        )
        with suppress(LedgerUnavailableError):
            self._table.update(change, deadline)


def _call[T](function: Callable[[], T], deadline: Deadline) -> T:
    return deadline.call(function, is_retryable, allow_short_attempt=True)


def _is_pending(error: BaseException) -> bool:
    return isinstance(error, _TokenPendingError)


def _lease_key(site: ResolvedSite) -> Key:
    return (f"ACCESS_TOKEN#{site.identifier}", "LEASE")


def _oauth_client(site: ResolvedSite) -> OAuthClient:
    if site.oauth is None:
        raise ValueError("the site signs its calls")
    return site.oauth


def _client_fingerprint(client: OAuthClient) -> str:
    """Return what is equal for tokens that are as good as each other."""
    text = json.dumps([client.token_url, client.client_id, client.scope])
    return hashlib.sha256(text.encode()).hexdigest()
