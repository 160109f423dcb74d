import json
from typing import Any, cast

import pytest
from pydantic import ValidationError

from paynearme.platform.settings import Settings
from paynearme.sites.site import OAuthClient, ResolvedSite, Site
from paynearme.sites.site_provider import SiteProvider
from tests.support.fake_clock import Clock

CLIENT = {"token_url": "https://login.example.com/oauth/token", "client_id": "us", "client_secret": "canary-7e2b"}
SITE = {"version": "3.0", "secret": "s3cret-of-callbacks"}


def client(**changes: object) -> OAuthClient:
    return OAuthClient.model_validate({**CLIENT, **changes})


def site(**changes: object) -> Site:
    return Site.model_validate({**SITE, **changes})


class SecretsManagerStub:
    """Replace Secrets Manager with one version of the secret."""

    def __init__(self, **sites: dict[str, Any]) -> None:
        self._text = json.dumps({"sites": sites})

    def get_secret_value(self, **_: str) -> dict[str, str]:
        return {"SecretString": self._text}


def resolved_site(**changes: object) -> ResolvedSite:
    client_stub = SecretsManagerStub(S1={**SITE, **changes})
    sites = SiteProvider(Settings(sites_secret="sites"), cast(Any, client_stub), Clock())
    return sites.get("S1", Clock().deadline(6.5))


def test_site_call_authentication_default_hmac() -> None:
    assert (site().call_authentication, site().oauth) == ("hmac", None)
    assert resolved_site().oauth is None


def test_oauth_client_defaults() -> None:
    oauth_client = client()
    assert (oauth_client.scope, oauth_client.client_authentication, oauth_client.send_signature) == (
        None,
        "basic",
        False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scope", "payments orders"),
        ("client_authentication", "basic"),
        ("client_authentication", "body"),
        ("send_signature", True),
    ],
)
def test_oauth_client_optional_field_valid(name: str, value: object) -> None:
    assert getattr(client(**{name: value}), name) == value


@pytest.mark.parametrize(
    "invalid",
    [
        *({"client_id": ""}, {"client_secret": ""}, {"scope": ""}, {"client_authentication": "jwt"}),
        *({"client_id": None}, {"client_secret": None}, {"token_url": None}, {"password": "x"}),
    ],
    ids=repr,
)
def test_oauth_client_invalid_error_omits_client_secret(invalid: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as exc_info:
        client(**invalid)
    assert CLIENT["client_secret"] not in str(exc_info.value)


@pytest.mark.parametrize(
    "url",
    [
        *("https://login.example.com", "https://login.example.com/", "https://login.example.com:8443/a/b"),
        *("http://127.0.0.1:8080", "http://127.0.0.1:8080/oauth/token"),
    ],
)
def test_oauth_token_url_https_or_loopback_valid(url: str) -> None:
    assert client(token_url=url).token_url == url


@pytest.mark.parametrize(
    "url",
    [
        *("", "login.example.com/token", "https://", "https:///token", "ftp://login.example.com/", "https:/x/y"),
        *("http://login.example.com/token", "http://localhost:8080/token", "http://[::1]:8080/"),
        *("http://127.0.0.1/token", "http://127.0.0.1:8080@evil.example/", "http://127.0.0.1:80.evil.example/"),
        *("http://127.0.0.2:8080/", "http://127.0.0.1:/", "http://0.0.0.0:8080/"),
        *("https://us:canary-7e2b@login.example.com/token", "https://us@login.example.com/", "https://@x.example/"),
        *("https://login.example.com/token?a=1", "https://login.example.com?a=1", "https://login.example.com/?"),
        *("https://login.example.com/token#a", "https://login.example.com#a", "http://127.0.0.1:8080/#"),
        *("https://login.example.com/to ken", "https://login.example.com/token\n", " https://login.example.com/"),
    ],
)
def test_oauth_token_url_unsafe_invalid(url: str) -> None:
    with pytest.raises(ValidationError) as exc_info:
        client(token_url=url)
    assert "canary" not in str(exc_info.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"call_authentication": "oauth"},
        {"call_authentication": "oauth", "oauth": None},
        {"call_authentication": "oauth", "oauth": CLIENT, "version": "2.0"},
        {"call_authentication": "bearer", "oauth": CLIENT},
        {"call_authentication": None},
    ],
    ids=lambda changes: str(sorted(changes)),
)
def test_site_oauth_without_client_or_version_3_invalid(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as exc_info:
        site(**changes)
    assert CLIENT["client_secret"] not in str(exc_info.value)


def test_site_oauth_valid() -> None:
    assert site(call_authentication="oauth", oauth=CLIENT).oauth == client()


def test_resolved_site_oauth_client_only_with_oauth_calls() -> None:
    assert resolved_site(call_authentication="oauth", oauth=CLIENT).oauth == client()
    assert resolved_site(call_authentication="hmac", oauth=CLIENT).oauth is None
    assert resolved_site(oauth=CLIENT).oauth is None


def test_resolved_site_oauth_keeps_callback_keys() -> None:
    resolved = resolved_site(call_authentication="oauth", oauth=CLIENT)
    assert [secret.get_secret_value() for secret in resolved.callback_secrets] == [SITE["secret"]]
    assert resolved.api_secret.get_secret_value() == SITE["secret"]


def test_site_repr_omits_key_and_client_secret() -> None:
    models = [client(), site(call_authentication="oauth", oauth=CLIENT)]
    text = "".join([repr(models), str(models), repr(resolved_site(call_authentication="oauth", oauth=CLIENT))])
    assert CLIENT["client_secret"] not in text
    assert SITE["secret"] not in text
