"""The captured and derived bytes that pin the Icarus wire; each names its own source."""

import json
from pathlib import Path
from typing import Any

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "icarus.json").read_text()
)


def rows(section: str) -> list[Any]:
    """Return the rows of a section."""
    found = VECTORS[section]
    listed: list[Any] = found["cases"] if isinstance(found, dict) else found
    assert listed
    return listed


def name_of(row: Any) -> str:
    """Return what to call a row in a test's name."""
    keys = ("name", "device", "mhz", "requested_mhz", "millivolt", "data", "reply", "bytes")
    return next((str(row[key]) for key in keys if key in row), "case")
