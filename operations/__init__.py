"""Commands for operators and maintainers: ``python -m operations``."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The root folder of the project."""
