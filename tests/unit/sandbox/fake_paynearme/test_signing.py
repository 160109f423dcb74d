import pytest
from hypothesis import given
from hypothesis import strategies as st

from paynearme.protocol import signing as layer_signing
from sandbox.fake_paynearme.signing import is_signed, sign

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
NAMES = st.one_of(st.sampled_from(sorted(layer_signing.UNSIGNED)), TEXTS)


@given(st.dictionaries(NAMES, TEXTS), TEXTS.filter(bool), st.sampled_from(["2.0", "3.0"]))
def test_the_signature_is_that_of_the_layer(parameters: dict[str, str], secret: str, version: str) -> None:
    signature = sign(parameters, secret, version)

    assert signature == layer_signing.sign(parameters, secret, version)
    assert is_signed({**parameters, "signature": signature}, secret, version)


@pytest.mark.parametrize("signature", ["", "0" * 64, "é", "\ud800"])
@pytest.mark.parametrize("value", ["1", "\ud800"])
def test_another_signature_is_not_valid(signature: str, value: str) -> None:
    assert not is_signed({"a": value, "signature": signature}, "secret", "3.0")


@pytest.mark.parametrize(("secret", "version"), [("", "3.0"), ("secret", "1.0"), ("secret", "")])
def test_an_empty_secret_and_an_unknown_version_are_errors(secret: str, version: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        sign({}, secret, version)
