"""The JSON Schemas of the events, made of the models that the events are made of."""

import json
from pathlib import Path

from paynearme.protocol.payment_events import EVENTS, PaymentEvent
from sandbox.stack.stack import ROOT

FOLDER = ROOT / "docs" / "events"


def version_of(event: type[PaymentEvent]) -> str:
    """Return the version of an event's schema, which each event names."""
    return str(event.model_fields["schema_version"].default)


def schemas() -> dict[Path, str]:
    """Return what each schema's file must hold, in ``FOLDER``."""
    return {FOLDER / f"{event.detail_type}.v{version_of(event)}.json": _schema(event) for event in EVENTS}


def _schema(event: type[PaymentEvent]) -> str:
    model_schema = event.model_json_schema(mode="serialization")
    name = f"{event.detail_type}.v{version_of(event)}"
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:paynearme:events:{name}"}
    # Whoever reads an event must not mind a field that is new to him.
    schema = head | model_schema | {"title": event.detail_type, "additionalProperties": True}
    return json.dumps(schema, indent=2) + "\n"
