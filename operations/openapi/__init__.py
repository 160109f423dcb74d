"""The OpenAPI document of the backend API, generated from the models of its requests and responses."""

from operations.openapi.command import FILE, openapi
from operations.openapi.document import document, text

__all__ = ["FILE", "document", "openapi", "text"]
