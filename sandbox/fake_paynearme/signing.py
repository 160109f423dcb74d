"""PayNearMe's signature: HMAC-SHA256 for versions 3.x, MD5 for version 2.0, as lowercase hexadecimal digits."""

import hashlib
import hmac
from collections.abc import Mapping

_UNSIGNED = {"signature", "format", "call", "action", "fp", "print_buttons", "datafile"}


def sign(parameters: Mapping[str, str], secret: str, version: str) -> str:
    """Return the signature of ``parameters``: their names and values, sorted by name, without separators.

    Raises ``ValueError`` for an empty secret and for another version than 2.0, 3 and 3.x.
    """
    if not secret or (version != "2.0" and version.partition(".")[0] != "3"):
        raise ValueError("the secret is empty, or the version is unknown")
    text = "".join(name + parameters[name] for name in sorted(parameters) if name not in _UNSIGNED)
    content, key = text.encode(errors="surrogatepass"), secret.encode()
    if version == "2.0":
        # The flag allows MD5 on a system in FIPS mode.
        return hashlib.md5(content + key, usedforsecurity=False).hexdigest()
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def is_signed(parameters: Mapping[str, str], secret: str, version: str) -> bool:
    """Return whether the parameter ``signature`` is the signature of ``parameters``. Raises ``ValueError`` as above."""
    signature = parameters.get("signature", "").encode(errors="surrogatepass")
    return hmac.compare_digest(sign(parameters, secret, version).encode(), signature)
