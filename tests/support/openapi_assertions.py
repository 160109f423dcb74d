"""What the OpenAPI document says can be answered: the measure of every answer of the backend API."""

from typing import Any, Protocol

from openapi_schema_validator import OAS31Validator

from operations.openapi import document

DOCUMENT = document()


class ResponseLike(Protocol):
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


def assert_documented[A: ResponseLike](route: str, method: str, response: A) -> A:
    """Return ``answer``. Fails if the OpenAPI document does not say that it can come."""
    documented_response = DOCUMENT["paths"][route][method.lower()]["responses"][str(response.status)]
    if "$ref" in documented_response:
        documented_response = DOCUMENT["components"]["responses"][documented_response["$ref"].rpartition("/")[2]]
    schema = documented_response["content"][response.content_type.removesuffix("; charset=utf-8")]["schema"]
    full_schema = {**schema, "components": DOCUMENT["components"]}
    OAS31Validator(full_schema, format_checker=OAS31Validator.FORMAT_CHECKER).validate(response.content)
    return response
