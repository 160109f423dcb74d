"""What the OpenAPI document says can be answered: the measure of every answer of the backend API."""

from typing import Any, Protocol

from openapi_schema_validator import OAS31Validator

from operations.openapi import document

DOCUMENT = document()


class Answered(Protocol):
    """An answer, however it came."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def content_type(self) -> str:
        """The header's value."""

    @property
    def content(self) -> Any:
        """The body, read as JSON."""


def as_documented[A: Answered](route: str, method: str, answer: A) -> A:
    """Return ``answer``. Fails if the OpenAPI document does not say that it can come."""
    response = DOCUMENT["paths"][route][method.lower()]["responses"][str(answer.status)]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    schema = response["content"][answer.content_type.removesuffix("; charset=utf-8")]["schema"]
    whole = {**schema, "components": DOCUMENT["components"]}
    OAS31Validator(whole, format_checker=OAS31Validator.FORMAT_CHECKER).validate(answer.content)
    return answer
