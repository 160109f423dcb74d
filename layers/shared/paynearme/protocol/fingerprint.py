"""Identify a callback by its signed text, so that a retry is recognized and a moved boundary changes nothing."""

import hashlib
import re
from collections.abc import Set
from functools import lru_cache

# A retry can have another timestamp and another version. Any other time, such as ``risk_timestamp``, identifies a
# message, so the name must not follow an underscore. A name starts with a lowercase letter, so a timestamp ends there.
_TIMESTAMP = re.compile(r"(?<!_)timestamp[0-9](?:[^a-z]|t(?=[0-9])|e(?=[-+]?[0-9])|z)*")
# A timestamp without a digit at its start ends at the next documented name. Only the last one is the parameter.
_OTHER_TIMESTAMP = re.compile(
    r"(?<!_)timestamp(?!.*(?<!_)timestamp).*?(?=user_(?:agent_string|device|environment)|version[23]|$)", re.DOTALL
)
_VERSION = re.compile(r"(?<!_)version(?:2\.0|3(?:\.[0-9]+)?)")


def callback_fingerprint(signed_text: str, field_names: Set[str]) -> str:
    """Return 64 hex digits that are equal for retries of one callback and differ between callbacks.

    It is the SHA-256 of the signed text without timestamp and version. Documented names (``field_names``) without a
    value are also removed, because a sender can sign a null as a bare name or not at all. All removals depend only on
    the text, not on the boundaries of the received parameters.
    """
    text, count = _TIMESTAMP.subn("", _empty_fields(frozenset(field_names)).sub("", signed_text))
    if not count:
        text = _OTHER_TIMESTAMP.sub("", text)
    return hashlib.sha256(_VERSION.sub("", text).encode()).hexdigest()


@lru_cache(maxsize=4)
def _empty_fields(names: frozenset[str]) -> re.Pattern[str]:
    """Return a pattern for a documented name that another one, or the end of the text, follows directly."""
    alternatives = "|".join(sorted(names, key=len, reverse=True))
    return re.compile(rf"(?:{alternatives})(?=(?:{alternatives})|$)")
