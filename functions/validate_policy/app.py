"""Validate a policy before AppConfig deploys it, with the model that the other functions use."""

import base64
from typing import Any

from paynearme.errors import PolicyInvalidError
from paynearme.policy import read_policy


def handler(event: dict[str, Any], context: object) -> None:
    """Validate the document. Raises ``PolicyInvalidError``. AppConfig shows its text to the operator."""
    try:
        text = base64.b64decode(event["content"], validate=True).decode()
    except ValueError:
        raise PolicyInvalidError(["not readable as UTF-8 in Base64"]) from None
    read_policy(text)
