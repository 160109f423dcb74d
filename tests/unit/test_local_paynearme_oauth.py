import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

import pytest

from local import events
from local.sites import OAUTH_SIGNED_SITE, OAUTH_SITE
from tests.clock import Clock
from tests.unit.paynearme_side import NOW, SITES, Side, signed, talking

# The fixture beside the mark, because it is set up after the one that refuses sockets.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

PLAIN = {**events.load("get_smart_token")["plain"], "timestamp": str(NOW)}
GRANT = {"grant_type": "client_credentials"}


def basic(site: str, **changes: str) -> dict[str, str]:
    """Return the header by which a site's client proves itself."""
    client = {**SITES[site]["oauth"], **changes}
    text = f"{quote_plus(client['client_id'])}:{quote_plus(client['client_secret'])}"
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def in_body(site: str, **changes: str) -> dict[str, str]:
    """Return the parameters by which a site's client proves itself."""
    client = {**SITES[site]["oauth"], **changes}
    return {name: client[name] for name in ("client_id", "client_secret")}


async def asked(
    side: Side, form: Mapping[str, str] | bytes, headers: Mapping[str, str] | None = None
) -> tuple[int, Any, Mapping[str, str]]:
    """Return status, content and headers of the token address's answer."""
    async with side.session.post("/oauth/token", data=form, headers=headers) as answer:
        return answer.status, await answer.json(), answer.headers


async def granted(side: Side, site: str = OAUTH_SITE) -> str:
    """Return a new token of the site."""
    if site == OAUTH_SITE:
        _, content, _ = await asked(side, {**GRANT, "scope": "payments"}, basic(site))
    else:
        _, content, _ = await asked(side, {**GRANT, **in_body(site)})
    return str(content["access_token"])


async def called(side: Side, message: Mapping[str, str], token: str | None) -> tuple[int, str | None]:
    """Return status and challenge of the answer to a call with a bearer token."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with side.session.post("/json-api/get_smart_token", json=message, headers=headers) as answer:
        return answer.status, answer.headers.get("WWW-Authenticate")


def unsigned(site: str, **changes: str) -> dict[str, str]:
    return {**PLAIN, "site_identifier": site, **changes}


CHALLENGED = (401, 'Bearer error="invalid_token"')


@pytest.mark.parametrize(
    ("form", "headers", "scope"),
    [
        ({**GRANT, "scope": "payments"}, basic(OAUTH_SITE), "payments"),
        ({**GRANT, **in_body(OAUTH_SIGNED_SITE)}, None, None),
    ],
    ids=["basic", "body"],
)
def test_a_client_that_proves_itself_in_its_site_s_manner_is_granted_a_token(
    form: dict[str, str], headers: dict[str, str] | None, scope: str | None
) -> None:
    async def talk(side: Side) -> tuple[int, Any, Mapping[str, str], object]:
        return *await asked(side, form, headers), await side.ask("access-token-requests")

    status, content, answered, counted = talking(talk)

    assert status == 200
    assert content.pop("access_token")
    expected = {"token_type": "Bearer", "expires_in": 3600}
    assert content == (expected if scope is None else {**expected, "scope": scope})
    assert (answered["Cache-Control"], answered["Pragma"]) == ("no-store", "no-cache")
    assert counted == {"count": 1, "granted": 1}


@pytest.mark.parametrize(
    ("form", "headers", "status", "error"),
    [
        (GRANT, None, 401, "invalid_client"),
        (GRANT, basic(OAUTH_SITE, client_secret="x"), 401, "invalid_client"),
        (GRANT, basic(OAUTH_SITE, client_id="x"), 401, "invalid_client"),
        (GRANT, {"Authorization": "Basic x"}, 401, "invalid_client"),
        (GRANT, {"Authorization": "Bearer x"}, 401, "invalid_client"),
        ({**GRANT, **in_body(OAUTH_SITE), "scope": "payments"}, None, 401, "invalid_client"),
        (GRANT, basic(OAUTH_SIGNED_SITE), 401, "invalid_client"),
        ({**GRANT, **in_body(OAUTH_SIGNED_SITE, client_secret="x")}, None, 401, "invalid_client"),
        ({**GRANT, **in_body(OAUTH_SITE)}, basic(OAUTH_SITE), 400, "invalid_request"),
        (GRANT, basic(OAUTH_SITE), 400, "invalid_scope"),
        ({**GRANT, "scope": "all"}, basic(OAUTH_SITE), 400, "invalid_scope"),
        ({**GRANT, **in_body(OAUTH_SIGNED_SITE), "scope": "a"}, None, 400, "invalid_scope"),
        ({"grant_type": "password", "scope": "payments"}, basic(OAUTH_SITE), 400, "unsupported_grant_type"),
        ({"scope": "payments"}, basic(OAUTH_SITE), 400, "invalid_request"),
        (b"grant_type=a&grant_type=a", basic(OAUTH_SITE), 400, "invalid_request"),
        (b"\xff", basic(OAUTH_SITE), 400, "invalid_request"),
    ],
)
def test_what_earns_no_token_is_refused_in_the_standard_s_words(
    form: dict[str, str] | bytes, headers: dict[str, str] | None, status: int, error: str
) -> None:
    async def talk(side: Side) -> tuple[int, Any, Mapping[str, str], object]:
        sent = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return *await asked(side, form, sent), await side.ask("access-token-requests")

    answered, content, answered_headers, counted = talking(talk)

    assert (answered, content) == (status, {"error": error})
    assert answered_headers["Cache-Control"] == "no-store"
    challenged = status == 401 and headers is not None
    assert ("WWW-Authenticate" in answered_headers) == challenged
    assert counted == {"count": 1, "granted": 0}


def test_a_request_that_is_no_form_is_refused() -> None:
    async def talk(side: Side) -> tuple[int, Any, Mapping[str, str]]:
        headers = {**basic(OAUTH_SITE), "Content-Type": "application/json"}
        return await asked(side, b"grant_type=client_credentials&scope=payments", headers)

    assert talking(talk)[:2] == (400, {"error": "invalid_request"})


def test_a_call_carries_its_token_and_a_signature_only_where_the_site_sends_one() -> None:
    async def talk(side: Side) -> list[tuple[int, str | None]]:
        token, other = await granted(side), await granted(side, OAUTH_SIGNED_SITE)
        right = signed(PLAIN, site_identifier=OAUTH_SIGNED_SITE)
        by_other_key = events.signed(right, SITES[OAUTH_SIGNED_SITE]["secret"], timestamp=NOW)
        return [
            await called(side, unsigned(OAUTH_SITE), token),
            await called(side, signed(PLAIN, site_identifier=OAUTH_SITE), token),
            await called(side, right, other),
            await called(side, unsigned(OAUTH_SIGNED_SITE), other),
            await called(side, by_other_key, other),
        ]

    assert talking(talk) == [(200, None), (401, None), (200, None), (401, None), (401, None)]


def test_only_a_token_of_exactly_that_site_holds() -> None:
    async def talk(side: Side) -> list[tuple[int, str | None]]:
        await granted(side)
        other = await granted(side, OAUTH_SIGNED_SITE)
        return [await called(side, unsigned(OAUTH_SITE), token) for token in (None, "", "made-up", other)]

    assert talking(talk) == [CHALLENGED] * 4


def test_another_scheme_is_no_bearer_token() -> None:
    async def talk(side: Side) -> tuple[int, object]:
        token = await granted(side)
        return await side.told("get_smart_token", unsigned(OAUTH_SITE), {"Authorization": f"Token {token}"})

    assert talking(talk)[0] == 401


@pytest.mark.parametrize(
    "changes", [{"timestamp": str(NOW - 301)}, {"version": "2.0"}, {"site_identifier": "S0"}]
)
def test_a_token_does_not_make_up_for_the_rest(changes: dict[str, str]) -> None:
    async def talk(side: Side) -> tuple[int, str | None]:
        return await called(side, unsigned(OAUTH_SITE, **changes), await granted(side))

    assert talking(talk) == (401, None)


@pytest.mark.parametrize("command", [{"expire": True}, {"revoke": True}])
def test_a_token_that_expired_or_was_revoked_is_refused_and_a_new_one_holds(command: object) -> None:
    async def talk(side: Side) -> list[tuple[int, str | None]]:
        token = await granted(side)
        assert await side.command("access-tokens", command) == 204
        refused = await called(side, unsigned(OAUTH_SITE), token)
        return [refused, await called(side, unsigned(OAUTH_SITE), await granted(side))]

    assert talking(talk) == [CHALLENGED, (200, None)]


def test_a_token_lives_as_long_as_it_was_told() -> None:
    clock = Clock(NOW)

    async def talk(side: Side) -> list[int]:
        await side.command("access-tokens", {"seconds": 60})
        token = await granted(side)
        statuses = []
        for moment in (NOW + 59, NOW + 60):
            clock.now = moment
            statuses.append((await called(side, unsigned(OAUTH_SITE), token))[0])
        return statuses

    assert talking(talk, clock) == [200, 401]


def test_a_reset_forgets_the_count_and_not_the_tokens() -> None:
    async def talk(side: Side) -> tuple[object, object]:
        token = await granted(side)
        await side.command("reset")
        return await side.ask("access-token-requests"), await called(side, unsigned(OAUTH_SITE), token)

    assert talking(talk) == ({"count": 0, "granted": 0}, (200, None))


def test_a_token_that_was_granted_before_a_fault_is_counted() -> None:
    async def talk(side: Side) -> object:
        await side.command("behaviour", {"mode": "status", "operation": "token", "times": 1})
        assert (await asked(side, {**GRANT, "scope": "payments"}, basic(OAUTH_SITE)))[0] == 500
        await side.command("behaviour", {"mode": "status", "operation": "token", "times": 1, "taken": True})
        assert (await asked(side, {**GRANT, "scope": "payments"}, basic(OAUTH_SITE)))[0] == 500
        return await side.ask("access-token-requests")

    assert talking(talk) == {"count": 2, "granted": 1}
