import json

import pytest
from pydantic import ValidationError

from paynearme.sites.site import OAuthClient, ResolvedSite, Site
from paynearme.sites.sites_document import parse_sites

CLIENT = {"token_url": "https://login.example.com/oauth/token", "client_id": "us", "client_secret": "canary-7e2b"}
SITE = {"version": "3.0", "secret": "s3cret-of-callbacks"}
OAUTH = {"call_authentication": "oauth", "oauth": CLIENT}


def client(**changes: object) -> OAuthClient:
    return OAuthClient.model_validate({**CLIENT, **changes})


def site(**changes: object) -> Site:
    return Site.model_validate({**SITE, **changes})


def resolved_site(**changes: object) -> ResolvedSite:
    return parse_sites(json.dumps({"sites": {"S1": {**SITE, **changes}}})).resolve("S1", None)


@pytest.mark.parametrize("name", ["", "Reversal", "a b", "a:b", "1st", "_x", "é", "x" * 65])
@pytest.mark.parametrize("field", ["reverse_envelope", "reverse_element"])
def test_site_envelope_name_invalid(field: str, name: str) -> None:
    with pytest.raises(ValidationError):
        site(**{field: name})


def test_oauth_client_optional_fields_and_defaults() -> None:
    defaults = (None, "basic", False)
    assert (client().scope, client().client_authentication, client().send_signature) == defaults
    for name, value in (("scope", "payments orders"), ("client_authentication", "body"), ("send_signature", True)):
        assert getattr(client(**{name: value}), name) == value


@pytest.mark.parametrize(
    "invalid",
    [
        *({"client_id": ""}, {"client_secret": ""}, {"scope": ""}, {"client_authentication": "jwt"}),
        *({"client_id": None}, {"token_url": None}),
    ],
    ids=repr,
)
def test_oauth_client_invalid_error_omits_client_secret(invalid: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as exc_info:
        client(**invalid)
    assert CLIENT["client_secret"] not in str(exc_info.value)


@pytest.mark.parametrize(
    "url", ["https://login.example.com", "https://login.example.com:8443/a/b", "http://127.0.0.1:8080/oauth/token"]
)
def test_oauth_token_url_https_or_loopback_valid(url: str) -> None:
    assert client(token_url=url).token_url == url


@pytest.mark.parametrize(
    "url",
    [
        *("", "login.example.com/token", "https://", "https:///token", "ftp://login.example.com/", "https:/x/y"),
        *("http://login.example.com/token", "http://localhost:8080/token", "http://127.0.0.2:8080/"),
        *("http://127.0.0.1/token", "http://127.0.0.1:8080@evil.example/", "http://127.0.0.1:80.evil.example/"),
        *("https://us:canary-7e2b@login.example.com/token", "https://login.example.com/token?a=1"),
        *("https://login.example.com?a=1", "https://login.example.com/token#a", "http://127.0.0.1:8080/#"),
        "https://login.example.com/to ken",
    ],
)
def test_oauth_token_url_unsafe_invalid(url: str) -> None:
    with pytest.raises(ValidationError) as exc_info:
        client(token_url=url)
    assert "canary" not in str(exc_info.value)


@pytest.mark.parametrize(
    "changes",
    [
        *({"call_authentication": "oauth"}, {"call_authentication": "bearer", "oauth": CLIENT}),
        OAUTH | {"version": "2.0"},
    ],
    ids=lambda changes: str(sorted(changes)),
)
def test_site_invalid_error_omits_client_secret(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as exc_info:
        site(**changes)
    assert CLIENT["client_secret"] not in str(exc_info.value)


def test_resolved_site_oauth_client_only_with_oauth_calls() -> None:
    resolved = resolved_site(**OAUTH)
    assert resolved.oauth == client()
    # Callbacks have a signature in any case.
    assert [secret.get_secret_value() for secret in resolved.callback_secrets] == [SITE["secret"]]
    assert resolved.api_secret.get_secret_value() == SITE["secret"]
    for changes in ({}, {"oauth": CLIENT}, {"call_authentication": "hmac", "oauth": CLIENT}):
        assert resolved_site(**changes).oauth is None


def test_site_repr_omits_key_and_client_secret() -> None:
    models = [client(), site(**OAUTH), resolved_site(**OAUTH)]
    text = repr(models) + "".join(str(model) for model in models)
    assert CLIENT["client_secret"] not in text
    assert SITE["secret"] not in text
