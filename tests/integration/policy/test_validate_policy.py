import base64
import json
from typing import Any

import pytest

from functions.validate_policy.app import handler
from paynearme.errors import PolicyInvalidError
from tests.support.policy_builders import full_document, valid_document


def event(content: str) -> dict[str, Any]:
    """Return the event of AppConfig for its validator."""
    return {
        "applicationId": "app1234",
        "configurationProfileId": "pro1234",
        "configurationVersion": "7",
        "content": content,
        "uri": "hosted",
    }


def encoded(document: Any) -> str:
    return base64.b64encode(json.dumps(document, ensure_ascii=False).encode()).decode()


@pytest.mark.parametrize(
    "document",
    [valid_document(), full_document(), valid_document(texts={"accepted": {"receipt": "Pagado: ¡gracias, señor!"}})],
)
def test_validate_policy_valid_document_accepted(document: dict[str, Any]) -> None:
    handler(event(encoded(document)), None)


def test_validate_policy_invalid_document_reports_all_errors() -> None:
    invalid_document = valid_document(unknown_order="perhaps", time_zone="Mars/Olympus")

    with pytest.raises(PolicyInvalidError, match=r"defaults\.unknown_order: .*defaults\.time_zone: ") as raised:
        handler(event(encoded(invalid_document)), None)
    assert len(raised.value.errors) == 2


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "e30",
        "e30=e",
        "ä",
        base64.b64encode(b'{"defaults": "\xe4"}').decode(),
        base64.b64encode("{}".encode("utf-16")).decode(),
        base64.b64encode(b"\x00" * 1000).decode(),
        base64.b64encode(b"[" * 100_000).decode(),
    ],
    ids=lambda content: content[:8] or "empty",
)
def test_validate_policy_malformed_content_reports_errors(content: str) -> None:
    with pytest.raises(PolicyInvalidError) as raised:
        handler(event(content), None)
    assert raised.value.errors
