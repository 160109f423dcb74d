"""The backend API as an OpenAPI document, made from the models that read its calls and tell its answers."""

from operations.openapi.command import FILE, openapi
from operations.openapi.document import document, text

__all__ = ["FILE", "document", "openapi", "text"]
