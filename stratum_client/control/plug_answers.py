"""What a smart plug says of its power, found in JSON from an untrusted device; pure.

Source: https://tasmota.github.io/docs/JSON-Status-Responses/ (StatusSNS.ENERGY.Power over HTTP,
ENERGY.Power in tele/TOPIC/SENSOR; an array where the plug measures several lines) and
https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Switch (apower).
"""

import json
import math
from collections.abc import Iterable

KNOWN_PLACES = ("StatusSNS.ENERGY.Power", "ENERGY.Power", "apower")
"""Where plugs that need no path have their watts: Tasmota by HTTP and MQTT, Shelly by both."""

LARGEST = 65_536
"""Bytes of an answer; real ones have some hundred."""

_SHOWN = 60
_LOCKED = "Need user"
_SET_PASSWORD = "set user and password_file of this meter, or mend them"


class PlugError(Exception):
    """A plug did not say what it measures; ``problem`` tells why, without any secret."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def watts_in(data: bytes, path: str = "") -> float:
    """Return the watts in a JSON text, at ``path`` or where well-known plugs have them.

    A path is keys and numbers of array items with dots between them; the numbers of an array are
    added up. A text that is a number by itself needs no path. Raises PlugError.
    """
    document = _document(data)
    if isinstance(document, dict) and str(document.get("WARNING")).startswith(_LOCKED):
        said = _shown(str(document["WARNING"]).encode())
        raise PlugError(f"it wants a user and a password ({said}): {_SET_PASSWORD}")
    if not path and _is_number(document):
        return _watts(document, "the answer")
    for place in (path,) if path else KNOWN_PLACES:
        found = _at(document, place.split("."))
        if found is not None:
            return _watts(found, place)
    if path:
        raise PlugError(f"there is no {path} in what it says{_words_of(document)}")
    raise PlugError(f"it says nothing of power that is known here: set a path{_words_of(document)}")


def _document(data: bytes) -> object:
    if len(data) > LARGEST:
        raise PlugError(f"its answer has more than {LARGEST} bytes")
    try:
        found: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise PlugError(f"its answer is no JSON: {_shown(data)}") from error
    return found


def _at(document: object, keys: Iterable[str]) -> object:
    """Return what stands at ``keys``, None if nothing does."""
    found = document
    for key in keys:
        if isinstance(found, dict):
            found = found.get(key)
        elif isinstance(found, list) and key.isdecimal() and int(key[:9]) < len(found):
            found = found[int(key[:9])]
        else:
            return None
    return found


def _watts(value: object, place: str) -> float:
    if isinstance(value, list) and value and all(_is_number(one) for one in value):
        return _finite(math.fsum(_finite(one, place) for one in value), place)
    if not _is_number(value):
        raise PlugError(f"{place} is no number of watts")
    return _finite(value, place)


def _finite(value: object, place: str) -> float:
    assert isinstance(value, int | float)
    try:
        watts = float(value)
    except OverflowError:
        watts = math.inf
    if not math.isfinite(watts):
        raise PlugError(f"{place} is no finite number")
    return watts


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _words_of(document: object) -> str:
    """Return what a plug complains of instead, as Tasmota does without its password."""
    said = document.get("WARNING") if isinstance(document, dict) else None
    return f": {_shown(said.encode())}" if isinstance(said, str) else ""


def _shown(data: bytes) -> str:
    text = data[:_SHOWN].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "?" for c in text) or "(nothing)"
