"""Validation of responses of the backend API against the OpenAPI document."""

from typing import Any

from openapi_schema_validator import OAS31Validator

from operations.openapi import document

DOCUMENT = document()


def assert_documented[R: Any](route: str, method: str, response: R) -> R:
    """Return ``response``, of a function or over HTTP. Fails if it does not match the OpenAPI document."""
    documented_response = DOCUMENT["paths"][route][method.lower()]["responses"][str(response.status)]
    if "$ref" in documented_response:
        documented_response = DOCUMENT["components"]["responses"][documented_response["$ref"].rpartition("/")[2]]
    schema = documented_response["content"][response.content_type.removesuffix("; charset=utf-8")]["schema"]
    full_schema = {**schema, "components": DOCUMENT["components"]}
    OAS31Validator(full_schema, format_checker=OAS31Validator.FORMAT_CHECKER).validate(response.content)
    return response
