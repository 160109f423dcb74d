"""Sign and verify requests with PayNearMe's signature.

Version 3.x is HMAC-SHA256. Version 2.0 is MD5 over the text and the secret. Both are lowercase hex (PayNearMe docs,
get_smart_token and Using Authorization Callbacks).
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

from paynearme.errors import SignatureError

UNSIGNED = frozenset({"signature", "format", "call", "action", "fp", "print_buttons", "datafile"})
"""Names outside the signed text: the signature itself and parameters of the transport."""

VERSION_PATTERN = r"^(2\.0|3(\.[0-9]{1,2})?)$"
"""The versions with a known signature: ``2.0``, ``3`` and ``3.x``."""


def major_version(version: str) -> str | None:
    """Return ``"2"`` for version 2.0, ``"3"`` for versions 3 and 3.x, and ``None`` for any other value.

    Versions with the same major version have the same signature, so a key is valid for all of them.
    """
    if not isinstance(version, str) or not re.fullmatch(VERSION_PATTERN, version):
        return None
    return version[0]


def string_to_sign(params: Mapping[str, str]) -> str:
    """Return the signed text: names and values, sorted by name, without separators.

    ``params`` maps names to the decoded text on the wire, such as ``"504.99"`` and ``"true"``. Names in ``UNSIGNED``
    are omitted. Raises ``SignatureError`` if ``params`` is not such a mapping.
    """
    if not isinstance(params, Mapping):
        raise SignatureError("parameters are not a mapping")
    if not all(isinstance(name, str) and isinstance(value, str) for name, value in params.items()):
        raise SignatureError("a parameter is not text")
    # Python sorts text by code point, which is the order of its UTF-8 bytes.
    return "".join(name + params[name] for name in sorted(params) if name not in UNSIGNED)


def sign(params: Mapping[str, str], secret: str, version: str = "3.0") -> str:
    """Return the signature of ``params`` as lowercase hex: 64 digits for 3.x, 32 for 2.0.

    Raises ``SignatureError`` for an empty secret, another version, or text that UTF-8 cannot encode.
    """
    if not isinstance(secret, str) or not secret:
        raise SignatureError("no secret")
    try:
        text = string_to_sign(params).encode()
        key = secret.encode()
    except UnicodeEncodeError:
        raise SignatureError("text is not UTF-8") from None
    major = major_version(version)
    if major == "3":
        return hmac.digest(key, text, "sha256").hex()
    if major == "2":
        # PayNearMe's protocol requires MD5. The flag permits it in FIPS mode.
        return hashlib.md5(text + key, usedforsecurity=False).hexdigest()
    raise SignatureError("unknown version")


def verify(params: Mapping[str, str], signature: str, secrets: Sequence[str], version: str = "3.0") -> None:
    """Verify that ``signature`` is the signature of ``params`` with one of ``secrets``.

    Several secrets are valid during a key rotation. All of them are compared in constant time, so that the duration
    reveals neither the matching secret nor the number of correct digits. Raises ``SignatureError`` if no secret
    matches, if a secret is empty, or if an argument has another type.
    """
    try:
        # To Python, a single text is a sequence of secrets of one character.
        if isinstance(secrets, str | bytes) or not isinstance(secrets, Sequence) or not secrets:
            raise SignatureError("no secrets")
        if not isinstance(signature, str) or not signature.isascii():
            raise SignatureError("malformed signature")
        matches = [hmac.compare_digest(sign(params, secret, version), signature) for secret in secrets]
    except SignatureError:
        raise
    except Exception:
        # An object of another type can raise any exception, which must not cause HTTP 500.
        raise SignatureError("malformed") from None
    if not any(matches):
        raise SignatureError("wrong signature")
