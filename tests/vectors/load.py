"""Verified bytes as data; each file names the source of every vector."""

import json
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@cache
def vectors(file: str, name: str) -> list[dict[str, Any]]:
    """Return the list ``name`` of ``file``.json."""
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{file}.json").read_text())[name]
    assert found, f"no vectors called {name}"
    return found


def stratum(name: str) -> list[dict[str, Any]]:
    """Return a list of the Stratum v1 vectors."""
    return vectors("stratum-v1", name)


def named(vector: dict[str, Any]) -> str:
    """Return a vector's name, for pytest's ids."""
    return str(vector["id"])


@cache
def document(file: str) -> dict[str, Any]:
    """Return all of ``file``.json."""
    found: dict[str, Any] = json.loads((FOLDER / f"{file}.json").read_text())
    return found
