"""The OpenAPI document: paths from the routes, schemas from their models."""

import inspect
import json
import tomllib
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from operations import ROOT
from operations.openapi import problems
from operations.openapi.routes import ROUTES, Route

_SCHEMAS = "#/components/schemas/"


class _Schemas(GenerateJsonSchema):
    """Schemas without field titles, which repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False for every field."""
        return False


def text() -> str:
    """Return the document as the content of its file."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the backend API."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    error_responses = problems.Responses({route.name: route.problems for route in ROUTES})
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = _operation(route, error_responses)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "PayNearMe backend API",
            "version": project["version"],
            "description": "The API for a merchant's backend. It requests Smart Tokens, creates orders and submits "
            "payments at PayNearMe. It stores orders and customers, and returns them with their payments. Amounts are "
            "US dollars as text. In a request body, null has the same meaning as a missing field.",
            "license": {"name": "Apache 2.0", "identifier": project["license"]},
        },
        "servers": [
            {
                "url": "https://{api}.execute-api.{region}.amazonaws.com/{stage}",
                "description": "The stack's output BackendUrl.",
                "variables": {
                    "api": {"default": "api", "description": "The stack's output BackendApiId."},
                    "region": {"default": "us-east-1"},
                    "stage": {"default": "dev", "enum": ["dev", "prod"]},
                },
            }
        ],
        "security": [{"sigv4": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "responses": error_responses.components(),
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey",
                    "name": "Authorization",
                    "in": "header",
                    "description": "AWS Signature Version 4 for the service execute-api, by an identity "
                    "with the policy in the stack's output BackendCallerPolicyArn.",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                }
            },
        },
    }


def _operation(route: Route, error_responses: problems.Responses) -> dict[str, Any]:
    response_content = {"schema": {"$ref": _SCHEMAS + route.response.__name__}, "example": route.response_example}
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "description": route.description,
        "parameters": _parameters(route),
        "responses": {
            "200": {
                "description": _to_markdown(route.response.__doc__),
                "content": {"application/json": response_content},
            },
            **error_responses.build(route.name, route.error_descriptions),
        },
    }
    if route.body_example is not None:
        body = {"schema": {"$ref": _SCHEMAS + route.request.__name__}, "example": route.body_example}
        operation["requestBody"] = {"required": True, "content": {"application/json": body}}
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    properties = route.request.model_json_schema(schema_generator=_Schemas)["properties"]
    in_query = [] if route.body_example else [name for name in properties if name not in route.non_body_fields]
    locations = {"path": route.in_path, "header": route.request.header_fields, "query": in_query}
    return [
        {
            "name": name,
            "in": location,
            "required": location != "query",
            "description": properties[name]["description"],
            "schema": {key: value for key, value in properties[name].items() if key != "description"},
            **({"example": route.header_examples[name]} if location == "header" else {}),
        }
        for location, names in locations.items()
        for name in names
    ]


def _schemas() -> dict[str, Any]:
    with_body = {route.request: route for route in ROUTES if route.body_example}
    models: dict[type[BaseModel], JsonSchemaMode] = {
        **dict.fromkeys((*with_body, *problems.MODELS), "validation"),
        **dict.fromkeys((route.response for route in ROUTES), "serialization"),
    }
    _, generated = models_json_schema(
        list(models.items()), ref_template=f"{_SCHEMAS}{{model}}", schema_generator=_Schemas
    )
    schemas: dict[str, Any] = generated["$defs"]
    for model, route in with_body.items():
        _remove_properties(schemas[model.__name__], route.non_body_fields)
    for schema in schemas.values():
        schema["description"] = _to_markdown(schema["description"])
    return dict(sorted(schemas.items()))


def _remove_properties(schema: dict[str, Any], names: list[str]) -> None:
    """Remove from a body's schema the parameters of path and headers."""
    for name in names:
        del schema["properties"][name]
    required = [name for name in schema.pop("required", []) if name not in names]
    if required:
        schema["required"] = required


def _to_markdown(docstring: str | None) -> str:
    """Return a docstring as CommonMark, with one line per paragraph."""
    paragraphs = inspect.cleandoc(docstring or "").replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in paragraphs)
