"""The local stack, a fake PayNearMe, fault injection, and a demo."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The project's folder."""
