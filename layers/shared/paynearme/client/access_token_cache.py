"""OAuth 2.0 access tokens for calls to PayNearMe (client credentials grant, RFC 6749, section 4.4).

A process caches a token until shortly before it expires. Processes share tokens through an encrypted SSM parameter
(SecureString). A process must own a lease, a table item without the token, to request a token. The other processes
poll SSM. Therefore a cold-start burst or a revocation causes one token request. An outage of the token endpoint
causes one token request for each lease period.
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

from botocore.exceptions import BotoCoreError, ClientError
from cachetools import TLRUCache, TTLCache
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from urllib3 import PoolManager

from paynearme.errors import (
    AccessTokenUnavailableError,
    CredentialsRejectedError,
    LedgerUnavailableError,
    UpstreamTimeoutError,
)
from paynearme.platform.aws_clients import create_client, is_retryable
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS, Deadline
from paynearme.platform.dynamodb import Key, Table, Update
from paynearme.platform.settings import Settings
from paynearme.sites.site import OAuthClient, ResolvedSite

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

LEASE_SECONDS = 5
"""The lifetime of a lease, which is the interval of token requests while the token endpoint fails."""

REJECTION_BACKOFF_SECONDS = 30
"""The time without a token request after PayNearMe rejected a newly requested token."""

EXPIRY_MARGIN_SECONDS = 30
"""The time before the expiry of a token at which its use ends. A token is used for at least half of its lifetime."""

# Each poll reads from SSM, and the whole account shares SSM's request quota.
_MIN_POLL_SECONDS = 0.4
_LEASE_AVAILABLE = "attribute_not_exists(lease_expires_at) OR lease_expires_at < :now"


class _TokenPendingError(Exception):
    """Another process owns the lease and has not stored a token yet."""


class _Token(BaseModel):
    """A token, the end of its use (Unix seconds), and the fingerprint of its client."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    access_token: SecretStr
    expires_at: float
    client_fingerprint: str

    def to_json(self) -> str:
        return json.dumps(self.model_dump() | {"access_token": self.access_token.get_secret_value()})


class AccessTokens:
    """Provide the access tokens of this deployment's sites. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        table: Table,
        store: "SSMClient | None" = None,
        http: PoolManager | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Use the SSM path of ``settings`` and the table of the leases. Sends no request.

        ``clock`` returns Unix seconds.
        """
        self._path = settings.access_tokens_path
        self._table = table
        self._injected_store = store
        self._http = http or PoolManager()
        self._clock = clock
        self._cached: TLRUCache[str, _Token] = TLRUCache(64, lambda _, token, __: token.expires_at, clock)
        # New tokens that replaced a rejected token and that PayNearMe has not accepted yet.
        self._unproven: TTLCache[str, SecretStr] = TTLCache(64, REJECTION_BACKOFF_SECONDS, clock)
        self._lock = Lock()

    @cached_property
    def _store(self) -> "SSMClient":
        # Created on first use, because most sites sign their requests.
        store: SSMClient = self._injected_store or create_client("ssm")
        return store

    def get(self, site: ResolvedSite, deadline: Deadline, rejected_token: SecretStr | None = None) -> SecretStr:
        """Return a token of a site with OAuth, but not ``rejected_token``. Costs no request if a token is cached.

        Raises ``CredentialsRejectedError``, ``RequestNotAcceptedError`` or ``UpstreamError`` if the token endpoint
        returns no token. Raises ``UpstreamTimeoutError`` if no token is available before the deadline, and
        ``UnavailableError`` if SSM or the table fails.
        """
        if rejected_token is not None and rejected_token == self._unproven.get(site.identifier):
            raise CredentialsRejectedError("a new token was rejected")
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
        """Record that PayNearMe accepted the site's cached token."""
        self._unproven.pop(site.identifier, None)

    def _is_usable(
        self, token: _Token | None, site: ResolvedSite, rejected_token: SecretStr | None
    ) -> TypeGuard[_Token]:
        """Return whether a token belongs to the site's client, has not expired, and was not rejected."""
        if token is None or token.access_token == rejected_token:
            return False
        return token.expires_at > self._clock() and token.client_fingerprint == _client_fingerprint(_oauth_client(site))

    def _load_or_request(
        self, site: ResolvedSite, rejected_token: SecretStr | None, deadline: Deadline
    ) -> tuple[_Token, bool]:
        """Return a stored token, or a new one and ``True``. Waits while another process requests the token."""

        def attempt() -> tuple[_Token, bool]:
            stored = self._read_stored(site, deadline)
            if self._is_usable(stored, site, rejected_token):
                return stored, False
            lease_owner = self._acquire_lease(site, deadline)
            if lease_owner is None:
                raise _TokenPendingError
            # Between the read and the lease, another process can store a token and release the lease.
            stored = self._read_stored(site, deadline)
            if self._is_usable(stored, site, rejected_token):
                self._release_lease(site, lease_owner, deadline)
                return stored, False
            token = self._request_token(_oauth_client(site), deadline)
            self._publish(site, token, lease_owner, deadline)
            return token, True

        def is_pending(error: BaseException) -> bool:
            return isinstance(error, _TokenPendingError)

        try:
            return deadline.retry(attempt, is_pending, MAX_ATTEMPT_SECONDS, _MIN_POLL_SECONDS)
        except _TokenPendingError:
            raise UpstreamTimeoutError from None

    def _acquire_lease(self, site: ResolvedSite, deadline: Deadline) -> str | None:
        """Return the identifier of the acquired lease, or ``None`` if another process owns the lease."""
        now, lease_owner = Decimal(int(self._clock())), str(uuid.uuid4())
        values = {"lease_expires_at": now + LEASE_SECONDS, "lease_owner": lease_owner}
        change = Update(*_lease_key(site), values, condition=_LEASE_AVAILABLE, condition_values={"now": now})
        conflict = self._table.update(change, deadline)
        # The stored owner is this process if only the response to its write was lost.
        return lease_owner if conflict is None or conflict.get("lease_owner") == lease_owner else None

    def _request_token(self, client: OAuthClient, deadline: Deadline) -> _Token:
        requested_at = self._clock()
        # Imported here, because it imports oauthlib, and most sites sign their requests.
        from paynearme.client.token_endpoint import request_token

        grant = request_token(client, self._http, deadline)
        lifetime = max(grant.expires_in - EXPIRY_MARGIN_SECONDS, grant.expires_in / 2)
        return _Token(
            access_token=grant.access_token,
            expires_at=requested_at + lifetime,
            client_fingerprint=_client_fingerprint(client),
        )

    def _name(self, site: ResolvedSite) -> str:
        # The path starts with a literal word, because SSM reserves names that start with aws.
        return f"{self._path}/{site.identifier}"

    def _read_stored(self, site: ResolvedSite, deadline: Deadline) -> _Token | None:
        read = partial(self._store.get_parameter, Name=self._name(site), WithDecryption=True)
        try:
            response = deadline.call(read, is_retryable, allow_short_attempt=True)
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
        """Store the token for other processes, and release the lease. If that fails, only this process has it."""
        write = partial(
            self._store.put_parameter,
            Name=self._name(site),
            Value=token.to_json(),
            Type="SecureString",
            Tier="Intelligent-Tiering",
            Overwrite=True,
        )
        with suppress(ClientError, BotoCoreError, TimeoutError):
            deadline.call(write, is_retryable, allow_short_attempt=True)
            self._release_lease(site, lease_owner, deadline)

    def _release_lease(self, site: ResolvedSite, lease_owner: str, deadline: Deadline) -> None:
        """Release the lease. If that fails, it expires."""
        change = Update(
            *_lease_key(site),
            removes=["lease_expires_at"],
            condition="lease_owner = :lease_owner",
            condition_values={"lease_owner": lease_owner},
        )
        with suppress(LedgerUnavailableError):
            self._table.update(change, deadline)


def _lease_key(site: ResolvedSite) -> Key:
    return (f"ACCESS_TOKEN#{site.identifier}", "LEASE")


def _oauth_client(site: ResolvedSite) -> OAuthClient:
    if site.oauth is None:
        raise ValueError("the site has no OAuth client")
    return site.oauth


def _client_fingerprint(client: OAuthClient) -> str:
    """Return a hash of the client. A token is valid for every client with the same hash."""
    text = json.dumps([client.token_url, client.client_id, client.scope])
    return hashlib.sha256(text.encode()).hexdigest()
