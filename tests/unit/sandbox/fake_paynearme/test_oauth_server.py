import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

import pytest

from sandbox.clients import sample_messages
from sandbox.fake_paynearme import messages
from sandbox.stack.sites import OAUTH_SIGNED_SITE, OAUTH_SITE
from tests.support.fake_paynearme_driver import NOW, SITES, FakePayNearMeDriver, run_with_fake, signed
from tests.support.http_server_fixture import SOCKET_MARKS

pytestmark = SOCKET_MARKS

PLAIN_REQUEST = sample_messages.load("get_smart_token")["plain"]
UNSIGNED_REQUEST = {**PLAIN_REQUEST, "timestamp": str(NOW), "site_identifier": OAUTH_SITE}
GRANT = {"grant_type": "client_credentials"}
SCOPED_GRANT = {**GRANT, "scope": "payments"}
INVALID_TOKEN = (401, 'Bearer error="invalid_token"')


def basic(site: str, **changes: str) -> dict[str, str]:
    """Return the header that authenticates the client of a site."""
    client = {**SITES[site]["oauth"], **changes}
    text = f"{quote_plus(client['client_id'])}:{quote_plus(client['client_secret'])}"
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def body_grant(site: str) -> dict[str, str]:
    """Return the parameters of a grant that authenticate the client of a site."""
    return {**GRANT, **{name: SITES[site]["oauth"][name] for name in ("client_id", "client_secret")}}


async def request_token(
    fake: FakePayNearMeDriver, form: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> tuple[int, Any, Mapping[str, str]]:
    """Return status, content and headers of the token endpoint's response."""
    async with fake.session.post("/oauth/token", data=form, headers=headers) as response:
        return response.status, await response.json(), response.headers


async def obtain_token(fake: FakePayNearMeDriver) -> str:
    return str((await request_token(fake, SCOPED_GRANT, basic(OAUTH_SITE)))[1]["access_token"])


async def call_with_token(fake: FakePayNearMeDriver, message: Mapping[str, str], token: str) -> tuple[int, str | None]:
    """Return status and challenge of the response to a request with an access token."""
    headers = {"Authorization": f"Bearer {token}"}
    async with fake.session.post("/json-api/get_smart_token", json=message, headers=headers) as response:
        return response.status, response.headers.get("WWW-Authenticate")


@pytest.mark.parametrize(
    ("form", "headers", "status", "expected"),
    [
        (SCOPED_GRANT, basic(OAUTH_SITE), 200, {"token_type": "Bearer", "expires_in": 3600, "scope": "payments"}),
        (body_grant(OAUTH_SIGNED_SITE), None, 200, {"token_type": "Bearer", "expires_in": 3600}),
        (SCOPED_GRANT, basic(OAUTH_SITE, client_secret="x"), 401, {"error": "invalid_client"}),
        (GRANT, basic(OAUTH_SIGNED_SITE), 401, {"error": "invalid_client"}),
        (body_grant(OAUTH_SITE), basic(OAUTH_SITE), 400, {"error": "invalid_request"}),
        ({**GRANT, "scope": "all"}, basic(OAUTH_SITE), 400, {"error": "invalid_scope"}),
        ({**SCOPED_GRANT, "grant_type": "password"}, basic(OAUTH_SITE), 400, {"error": "unsupported_grant_type"}),
        ({"scope": "payments"}, basic(OAUTH_SITE), 400, {"error": "invalid_request"}),
    ],
)
def test_token_request_returns_token_or_standard_error(
    form: dict[str, str], headers: dict[str, str] | None, status: int, expected: dict[str, object]
) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[int, Any, Mapping[str, str], object]:
        return *await request_token(fake, form, headers), await fake.get("access-token-requests")

    response_status, content, response_headers, counts = run_with_fake(scenario)

    is_granted = status == 200
    assert bool(content.pop("access_token", "")) == is_granted
    assert (response_status, content) == (status, expected)
    assert (response_headers["Cache-Control"], response_headers["Pragma"]) == ("no-store", "no-cache")
    assert ("WWW-Authenticate" in response_headers) == (status == 401)
    assert counts == {"count": 1, "granted": int(is_granted)}


def test_oauth_request_needs_access_token_and_signature_of_site() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[tuple[int, str | None]]:
        token = await obtain_token(fake)
        other_token = (await request_token(fake, body_grant(OAUTH_SIGNED_SITE)))[1]["access_token"]
        signed_request = signed(PLAIN_REQUEST, site_identifier=OAUTH_SIGNED_SITE)
        by_other_key = messages.signed(signed_request, SITES[OAUTH_SIGNED_SITE]["secret"], timestamp=NOW)
        return [
            await call_with_token(fake, UNSIGNED_REQUEST, token),
            await call_with_token(fake, signed(UNSIGNED_REQUEST), token),
            await call_with_token(fake, signed_request, other_token),
            await call_with_token(fake, {**UNSIGNED_REQUEST, "site_identifier": OAUTH_SIGNED_SITE}, other_token),
            await call_with_token(fake, by_other_key, other_token),
            await call_with_token(fake, UNSIGNED_REQUEST, other_token),
        ]

    assert run_with_fake(scenario) == [(200, None), (401, None), (200, None), (401, None), (401, None), INVALID_TOKEN]
