import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

import pytest

from sandbox.clients import sample_messages
from sandbox.fake_paynearme import messages
from sandbox.stack.sites import OAUTH_SIGNED_SITE, OAUTH_SITE
from tests.support.fake_paynearme_driver import NOW, SITES, FakePayNearMeDriver, run_with_fake, signed

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

PLAIN_REQUEST = {**sample_messages.load("get_smart_token")["plain"], "timestamp": str(NOW)}
GRANT_REQUEST = {"grant_type": "client_credentials"}


def basic(site: str, **changes: str) -> dict[str, str]:
    """Return the header that authenticates the client of a site."""
    client = {**SITES[site]["oauth"], **changes}
    text = f"{quote_plus(client['client_id'])}:{quote_plus(client['client_secret'])}"
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def body_credentials(site: str) -> dict[str, str]:
    """Return the parameters that authenticate the client of a site."""
    return {name: SITES[site]["oauth"][name] for name in ("client_id", "client_secret")}


async def request_token(
    fake: FakePayNearMeDriver, form: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> tuple[int, Any, Mapping[str, str]]:
    """Return status, content and headers of the token endpoint's response."""
    async with fake.session.post("/oauth/token", data=form, headers=headers) as response:
        return response.status, await response.json(), response.headers


async def obtain_token(fake: FakePayNearMeDriver, site: str = OAUTH_SITE) -> str:
    """Return a new token of the site."""
    if site == OAUTH_SITE:
        _, content, _ = await request_token(fake, {**GRANT_REQUEST, "scope": "payments"}, basic(site))
    else:
        _, content, _ = await request_token(fake, {**GRANT_REQUEST, **body_credentials(site)})
    return str(content["access_token"])


async def call_with_token(
    fake: FakePayNearMeDriver, message: Mapping[str, str], token: str | None
) -> tuple[int, str | None]:
    """Return status and challenge of the response to a request with an access token."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with fake.session.post("/json-api/get_smart_token", json=message, headers=headers) as response:
        return response.status, response.headers.get("WWW-Authenticate")


def unsigned_request(site: str, **changes: str) -> dict[str, str]:
    return {**PLAIN_REQUEST, "site_identifier": site, **changes}


CHALLENGE = (401, 'Bearer error="invalid_token"')


@pytest.mark.parametrize(
    ("form", "headers", "scope"),
    [
        ({**GRANT_REQUEST, "scope": "payments"}, basic(OAUTH_SITE), "payments"),
        ({**GRANT_REQUEST, **body_credentials(OAUTH_SIGNED_SITE)}, None, None),
    ],
    ids=["basic", "body"],
)
def test_access_token_granted_to_authenticated_client(
    form: dict[str, str], headers: dict[str, str] | None, scope: str | None
) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[int, Any, Mapping[str, str], object]:
        return *await request_token(fake, form, headers), await fake.get("access-token-requests")

    status, content, response_headers, token_calls = run_with_fake(scenario)

    assert status == 200
    assert content.pop("access_token")
    expected = {"token_type": "Bearer", "expires_in": 3600}
    assert content == (expected if scope is None else {**expected, "scope": scope})
    assert (response_headers["Cache-Control"], response_headers["Pragma"]) == ("no-store", "no-cache")
    assert token_calls == {"count": 1, "granted": 1}


@pytest.mark.parametrize(
    ("form", "headers", "status", "error"),
    [
        (GRANT_REQUEST, basic(OAUTH_SITE, client_secret="x"), 401, "invalid_client"),
        (GRANT_REQUEST, basic(OAUTH_SIGNED_SITE), 401, "invalid_client"),
        ({**GRANT_REQUEST, **body_credentials(OAUTH_SITE)}, basic(OAUTH_SITE), 400, "invalid_request"),
        ({**GRANT_REQUEST, "scope": "all"}, basic(OAUTH_SITE), 400, "invalid_scope"),
        ({"grant_type": "password", "scope": "payments"}, basic(OAUTH_SITE), 400, "unsupported_grant_type"),
        ({"scope": "payments"}, basic(OAUTH_SITE), 400, "invalid_request"),
    ],
)
def test_access_token_invalid_request_returns_standard_error(
    form: dict[str, str], headers: dict[str, str] | None, status: int, error: str
) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[int, Any, Mapping[str, str], object]:
        return *await request_token(fake, form, headers), await fake.get("access-token-requests")

    response_status, content, response_headers, token_calls = run_with_fake(scenario)

    assert (response_status, content) == (status, {"error": error})
    assert response_headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in response_headers) == (status == 401)
    assert token_calls == {"count": 1, "granted": 0}


def test_oauth_request_needs_access_token_and_signature_of_site() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[tuple[int, str | None]]:
        token, other_token = await obtain_token(fake), await obtain_token(fake, OAUTH_SIGNED_SITE)
        signed_request = signed(PLAIN_REQUEST, site_identifier=OAUTH_SIGNED_SITE)
        by_other_key = messages.signed(signed_request, SITES[OAUTH_SIGNED_SITE]["secret"], timestamp=NOW)
        return [
            await call_with_token(fake, unsigned_request(OAUTH_SITE), token),
            await call_with_token(fake, signed(PLAIN_REQUEST, site_identifier=OAUTH_SITE), token),
            await call_with_token(fake, signed_request, other_token),
            await call_with_token(fake, unsigned_request(OAUTH_SIGNED_SITE), other_token),
            await call_with_token(fake, by_other_key, other_token),
            await call_with_token(fake, unsigned_request(OAUTH_SITE), other_token),
        ]

    assert run_with_fake(scenario) == [(200, None), (401, None), (200, None), (401, None), (401, None), CHALLENGE]


@pytest.mark.parametrize("command", ["expire", "revoke"])
def test_access_token_expired_or_revoked_rejected_new_accepted(command: str) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[tuple[int, str | None]]:
        token = await obtain_token(fake)
        await fake.command("access-tokens", {command: True})
        rejected = await call_with_token(fake, unsigned_request(OAUTH_SITE), token)
        return [rejected, await call_with_token(fake, unsigned_request(OAUTH_SITE), await obtain_token(fake))]

    assert run_with_fake(scenario) == [CHALLENGE, (200, None)]
