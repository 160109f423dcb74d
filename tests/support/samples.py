"""The unsigned sample messages in ``events/``."""

import json
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).parents[2] / "events"


def load_sample(kind: str, name: str) -> dict[str, Any]:
    """Return the content of ``events/<kind>/<name>.json``."""
    content: dict[str, Any] = json.loads((EVENTS / kind / f"{name}.json").read_text(encoding="utf-8"))
    return content


def sample_names(kind: str) -> list[str]:
    """Return the names of all messages in ``events/<kind>/``, sorted."""
    return sorted(path.stem for path in (EVENTS / kind).glob("*.json"))
