"""Reads tests/vectors/bitaxe-raw.json, whose entries name their sources."""

import json
from pathlib import Path
from typing import Any

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "bitaxe-raw.json").read_text()
)
