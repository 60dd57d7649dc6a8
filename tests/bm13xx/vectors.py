"""The captured and derived bytes that pin the BM13xx wire; each names its own source."""

import json
from pathlib import Path
from typing import Any

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "bm13xx.json").read_text()
)


def rows(section: str, chip: str = "") -> list[Any]:
    """Return the rows of a section, or those of one chip in it."""
    return [row for row in VECTORS[section] if not chip or row.get("chip") == chip]


def name_of(row: Any) -> str:
    """Return what to call a row in a test's name."""
    return str(row.get("id") or row.get("hex") or row)
