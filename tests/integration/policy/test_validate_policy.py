import base64
import json

import pytest

from functions.validate_policy.app import handler
from paynearme.errors import PolicyInvalidError
from tests.support.policy_builders import valid_document


def validate(content: bytes | str) -> None:
    """Validate ``content`` with the event of AppConfig. Text is not encoded."""
    encoded = content if isinstance(content, str) else base64.b64encode(content).decode()
    handler({"configurationVersion": "7", "content": encoded, "uri": "hosted"}, None)


def test_validate_policy_valid_document_accepted() -> None:
    document = valid_document(texts={"accepted": {"receipt": "¡Gracias!"}})
    validate(json.dumps(document, ensure_ascii=False).encode())


def test_validate_policy_invalid_document_reports_all_errors() -> None:
    invalid_document = valid_document(unknown_order="perhaps", time_zone="Mars/Olympus")

    with pytest.raises(PolicyInvalidError, match=r"defaults\.unknown_order: .*; defaults\.time_zone: ") as raised:
        validate(json.dumps(invalid_document).encode())
    assert len(raised.value.errors) == 2


@pytest.mark.parametrize(
    "content", ["", "e30", "e30=e", "ä", b'{"defaults": "\xe4"}', b"[" * 100_000], ids=lambda content: repr(content)[:9]
)
def test_validate_policy_malformed_content_reports_errors(content: bytes | str) -> None:
    with pytest.raises(PolicyInvalidError) as raised:
        validate(content)
    assert raised.value.errors
