import pytest
from hypothesis import given
from hypothesis import strategies as st

from paynearme.protocol import signing as layer_signing
from paynearme.sites import site as layer_site
from sandbox.fake_paynearme.signing import is_signed, sign
from sandbox.fake_paynearme.sites import OAuthClient, Site

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
NAMES = st.one_of(st.sampled_from(sorted(layer_signing.UNSIGNED)), TEXTS)


@given(st.dictionaries(NAMES, TEXTS), TEXTS.filter(bool), st.sampled_from(["2.0", "3.0"]))
def test_fake_signature_equals_layer_signature(parameters: dict[str, str], secret: str, version: str) -> None:
    signature = sign(parameters, secret, version)

    assert signature == layer_signing.sign(parameters, secret, version)
    assert is_signed({**parameters, "signature": signature}, secret, version)


@pytest.mark.parametrize("signature", ["", "0" * 64, "é", "\ud800"])
@pytest.mark.parametrize("value", ["1", "\ud800"])
def test_fake_signature_other_value_is_invalid(signature: str, value: str) -> None:
    assert not is_signed({"a": value, "signature": signature}, "secret", "3.0")


def test_fake_site_defaults_equal_layer_defaults() -> None:
    for model, layer_model in ((Site, layer_site.Site), (OAuthClient, layer_site.OAuthClient)):
        layer_fields = layer_model.model_fields
        assert model.model_fields.keys() < layer_fields.keys()
        for name, field in model.model_fields.items():
            assert field.default == layer_fields[name].default, name
