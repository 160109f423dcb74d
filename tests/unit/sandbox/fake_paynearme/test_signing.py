from hypothesis import given
from hypothesis import strategies as st

from paynearme.protocol import signing as layer_signing
from sandbox.fake_paynearme.signing import is_signed, sign

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
NAMES = st.one_of(st.sampled_from(sorted(layer_signing.UNSIGNED)), TEXTS)


@given(st.dictionaries(NAMES, TEXTS), TEXTS.filter(bool), st.sampled_from(["2.0", "3", "3.0", "3.1"]))
def test_fake_signature_equals_layer_signature(parameters: dict[str, str], secret: str, version: str) -> None:
    signature = sign(parameters, secret, version)

    assert signature == layer_signing.sign(parameters, secret, version)
    assert is_signed({**parameters, "signature": signature}, secret, version)
