import pytest
from pydantic import ValidationError

from paynearme.sites import site as layer_site
from sandbox.fake_paynearme.sites import OAuthClient, Site, read_sites

CLIENT = {"client_id": "c", "client_secret": "client-secret", "token_url": "https://a.test/token"}


def test_a_default_is_that_of_the_layer() -> None:
    for model, layer_model in ((Site, layer_site.Site), (OAuthClient, layer_site.OAuthClient)):
        layer_fields = layer_model.model_fields
        assert model.model_fields.keys() < layer_fields.keys()
        for name, field in model.model_fields.items():
            assert field.default == layer_fields[name].default, name


@pytest.mark.parametrize("entry", [{"version": "3.0", "secret": ""}, {"version": "3.0"}, {"secret": "s"}, None])
def test_an_entry_without_version_or_key_is_invalid(entry: object) -> None:
    with pytest.raises(ValidationError):
        read_sites({"S1": entry})


@pytest.mark.parametrize("authentication", ["hmac", "oauth"])
def test_only_a_site_that_uses_oauth_has_a_client(authentication: str) -> None:
    entry = {"version": "3.0", "secret": "s", "oauth": CLIENT, "call_authentication": authentication}

    site = read_sites({"S1": entry})["S1"]

    assert (site.client is not None) == (authentication == "oauth")


def test_a_representation_contains_no_secret() -> None:
    entry = {"version": "3.0", "secret": "callback-key", "api_secret": "request-key", "oauth": CLIENT}

    text = repr(read_sites({"S1": entry}))

    assert not [secret for secret in ("callback-key", "request-key", "client-secret") if secret in text]
