"""PayNearMe's request signature: what is signed, how, and how it is checked.

Version 3.0 is HMAC-SHA256, version 2.0 is MD5 over the text followed by the secret; both as
lowercase hex (seed ``get_smart_token``, "signature"; seed ``authorization_callbacks``, "signature").
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from paynearme.errors import SignatureError

UNSIGNED = frozenset({"signature", "format", "call", "action", "fp", "print_buttons", "datafile"})
"""Names that never take part: the signature itself and artefacts of the transport."""


def string_to_sign(params: Mapping[str, str]) -> str:
    """Return the text that a signature covers: names and values, sorted by name, without separators.

    ``params`` maps names to the text that was on the wire (``"504.99"``, ``"true"``), decoded but
    otherwise as spelled. Names in ``UNSIGNED`` are left out.

    Raises ``SignatureError`` when ``params`` is not such a mapping.
    """
    if not isinstance(params, Mapping):
        raise SignatureError("parameters are not a mapping")
    if not all(isinstance(name, str) and isinstance(value, str) for name, value in params.items()):
        raise SignatureError("a parameter is not text")
    # Python orders text by code point, which is the order of its UTF-8 bytes.
    return "".join(name + params[name] for name in sorted(params) if name not in UNSIGNED)


def sign(params: Mapping[str, str], secret: str, version: str = "3.0") -> str:
    """Return the signature of ``params`` as lowercase hex: 64 digits for 3.0, 32 for 2.0.

    Raises ``SignatureError`` for an empty secret, another version, and text that UTF-8 cannot encode.
    """
    if not isinstance(secret, str) or not secret:
        raise SignatureError("no secret")
    try:
        text = string_to_sign(params).encode()
        key = secret.encode()
    except UnicodeEncodeError:
        raise SignatureError("text is not UTF-8") from None
    if version == "3.0":
        return hmac.new(key, text, hashlib.sha256).hexdigest()
    if version == "2.0":
        # The protocol's choice, not ours; the flag lets it run where FIPS forbids MD5.
        return hashlib.md5(text + key, usedforsecurity=False).hexdigest()
    raise SignatureError("unknown version")


def verify(params: Mapping[str, str], signature: str, secrets: Sequence[str], version: str = "3.0") -> None:
    """Return if one of ``secrets`` made ``signature`` over ``params``; raise ``SignatureError`` if none did.

    Several secrets can hold while keys rotate. All of them are tried and compared in constant time,
    so that the time taken does not tell which one, or how many digits, were right. An empty secret
    among them is refused outright, and so is whatever is not of the types above.
    """
    try:
        # A lone text is a sequence of one-letter secrets to Python; to us it is a mistake.
        if isinstance(secrets, str | bytes) or not isinstance(secrets, Sequence) or not secrets:
            raise SignatureError("no secrets")
        if not isinstance(signature, str) or not signature.isascii():
            raise SignatureError("malformed signature")
        matches = [hmac.compare_digest(sign(params, secret, version), signature) for secret in secrets]
    except SignatureError:
        raise
    except Exception:
        # Objects can raise anything when they are looked at, and none of it may become a 500.
        raise SignatureError("malformed") from None
    if not any(matches):
        raise SignatureError("wrong signature")
