"""The JSON Schemas of the events, generated from the event models."""

import json
from pathlib import Path

from operations import ROOT
from paynearme.protocol.payment_events import EVENTS, Event

FOLDER = ROOT / "docs" / "events"


def schemas() -> dict[Path, str]:
    """Return the content of each schema file in ``FOLDER``."""
    return {FOLDER / f"{_schema_name(event)}.json": _schema(event) for event in EVENTS}


def _schema_name(event: type[Event]) -> str:
    return f"{event.detail_type}.v{event.model_fields['schema_version'].default}"


def _schema(event: type[Event]) -> str:
    identifier = f"urn:paynearme:events:{_schema_name(event)}"
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": identifier}
    # A consumer of events must ignore unknown fields.
    overrides = {"title": event.detail_type, "additionalProperties": True}
    return json.dumps(head | event.model_json_schema(mode="serialization") | overrides, indent=2) + "\n"
