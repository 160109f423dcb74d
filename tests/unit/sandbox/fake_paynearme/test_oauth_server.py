import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

import pytest

from sandbox.clients import sample_messages
from sandbox.fake_paynearme import messages
from sandbox.stack.sites import OAUTH_SIGNED_SITE, OAUTH_SITE
from tests.support.fake_clock import Clock
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


def body_credentials(site: str, **changes: str) -> dict[str, str]:
    """Return the parameters that authenticate the client of a site."""
    client = {**SITES[site]["oauth"], **changes}
    return {name: client[name] for name in ("client_id", "client_secret")}


async def request_token(
    fake: FakePayNearMeDriver, form: Mapping[str, str] | bytes, headers: Mapping[str, str] | None = None
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
def test_a_client_that_proves_itself_in_its_site_s_manner_is_granted_a_token(
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
        (GRANT_REQUEST, None, 401, "invalid_client"),
        (GRANT_REQUEST, basic(OAUTH_SITE, client_secret="x"), 401, "invalid_client"),
        (GRANT_REQUEST, basic(OAUTH_SITE, client_id="x"), 401, "invalid_client"),
        (GRANT_REQUEST, {"Authorization": "Basic x"}, 401, "invalid_client"),
        (GRANT_REQUEST, {"Authorization": "Bearer x"}, 401, "invalid_client"),
        ({**GRANT_REQUEST, **body_credentials(OAUTH_SITE), "scope": "payments"}, None, 401, "invalid_client"),
        (GRANT_REQUEST, basic(OAUTH_SIGNED_SITE), 401, "invalid_client"),
        ({**GRANT_REQUEST, **body_credentials(OAUTH_SIGNED_SITE, client_secret="x")}, None, 401, "invalid_client"),
        ({**GRANT_REQUEST, **body_credentials(OAUTH_SITE)}, basic(OAUTH_SITE), 400, "invalid_request"),
        (GRANT_REQUEST, basic(OAUTH_SITE), 400, "invalid_scope"),
        ({**GRANT_REQUEST, "scope": "all"}, basic(OAUTH_SITE), 400, "invalid_scope"),
        ({**GRANT_REQUEST, **body_credentials(OAUTH_SIGNED_SITE), "scope": "a"}, None, 400, "invalid_scope"),
        ({"grant_type": "password", "scope": "payments"}, basic(OAUTH_SITE), 400, "unsupported_grant_type"),
        ({"scope": "payments"}, basic(OAUTH_SITE), 400, "invalid_request"),
        (b"grant_type=a&grant_type=a", basic(OAUTH_SITE), 400, "invalid_request"),
        (b"\xff", basic(OAUTH_SITE), 400, "invalid_request"),
    ],
)
def test_what_earns_no_token_is_refused_in_the_standard_s_words(
    form: dict[str, str] | bytes, headers: dict[str, str] | None, status: int, error: str
) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[int, Any, Mapping[str, str], object]:
        request_headers = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return *await request_token(fake, form, request_headers), await fake.get("access-token-requests")

    response_status, content, response_headers, token_calls = run_with_fake(scenario)

    assert (response_status, content) == (status, {"error": error})
    assert response_headers["Cache-Control"] == "no-store"
    expects_challenge = status == 401 and headers is not None
    assert ("WWW-Authenticate" in response_headers) == expects_challenge
    assert token_calls == {"count": 1, "granted": 0}


def test_a_request_that_is_no_form_is_refused() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[int, Any, Mapping[str, str]]:
        headers = {**basic(OAUTH_SITE), "Content-Type": "application/json"}
        return await request_token(fake, b"grant_type=client_credentials&scope=payments", headers)

    assert run_with_fake(scenario)[:2] == (400, {"error": "invalid_request"})


def test_a_call_carries_its_token_and_a_signature_only_where_the_site_sends_one() -> None:
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
        ]

    assert run_with_fake(scenario) == [(200, None), (401, None), (200, None), (401, None), (401, None)]


def test_only_a_token_of_exactly_that_site_holds() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[tuple[int, str | None]]:
        await obtain_token(fake)
        other_token = await obtain_token(fake, OAUTH_SIGNED_SITE)
        return [
            await call_with_token(fake, unsigned_request(OAUTH_SITE), token)
            for token in (None, "", "made-up", other_token)
        ]

    assert run_with_fake(scenario) == [CHALLENGE] * 4


def test_another_scheme_is_no_bearer_token() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[int, object]:
        token = await obtain_token(fake)
        return await fake.send("get_smart_token", unsigned_request(OAUTH_SITE), {"Authorization": f"Token {token}"})

    assert run_with_fake(scenario)[0] == 401


@pytest.mark.parametrize("changes", [{"timestamp": str(NOW - 301)}, {"version": "2.0"}, {"site_identifier": "S0"}])
def test_a_token_does_not_make_up_for_the_rest(changes: dict[str, str]) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[int, str | None]:
        return await call_with_token(fake, unsigned_request(OAUTH_SITE, **changes), await obtain_token(fake))

    assert run_with_fake(scenario) == (401, None)


@pytest.mark.parametrize("command", [{"expire": True}, {"revoke": True}])
def test_a_token_that_expired_or_was_revoked_is_refused_and_a_new_one_holds(command: object) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[tuple[int, str | None]]:
        token = await obtain_token(fake)
        assert await fake.command("access-tokens", command) == 204
        rejected = await call_with_token(fake, unsigned_request(OAUTH_SITE), token)
        return [rejected, await call_with_token(fake, unsigned_request(OAUTH_SITE), await obtain_token(fake))]

    assert run_with_fake(scenario) == [CHALLENGE, (200, None)]


def test_a_token_lives_as_long_as_it_was_told() -> None:
    clock = Clock(NOW)

    async def scenario(fake: FakePayNearMeDriver) -> list[int]:
        await fake.command("access-tokens", {"seconds": 60})
        token = await obtain_token(fake)
        statuses = []
        for now in (NOW + 59, NOW + 60):
            clock.now = now
            statuses.append((await call_with_token(fake, unsigned_request(OAUTH_SITE), token))[0])
        return statuses

    assert run_with_fake(scenario, clock) == [200, 401]


def test_a_reset_forgets_the_count_and_not_the_tokens() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[object, object]:
        token = await obtain_token(fake)
        await fake.command("reset")
        return await fake.get("access-token-requests"), await call_with_token(fake, unsigned_request(OAUTH_SITE), token)

    assert run_with_fake(scenario) == ({"count": 0, "granted": 0}, (200, None))


def test_a_token_that_was_granted_before_a_fault_is_counted() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> object:
        await fake.command("behaviour", {"mode": "status", "operation": "access_token", "times": 1})
        assert (await request_token(fake, {**GRANT_REQUEST, "scope": "payments"}, basic(OAUTH_SITE)))[0] == 500
        await fake.command(
            "behaviour", {"mode": "status", "operation": "access_token", "times": 1, "process_first": True}
        )
        assert (await request_token(fake, {**GRANT_REQUEST, "scope": "payments"}, basic(OAUTH_SITE)))[0] == 500
        return await fake.get("access-token-requests")

    assert run_with_fake(scenario) == {"count": 2, "granted": 1}
