"""Values inside a fault's text: times, whole numbers, names out of a list."""

from collections.abc import Iterable
from difflib import get_close_matches

from stratum_client.units import parse_duration


class FaultSpecError(ValueError):
    """A fault's text cannot be understood; the message says what would be."""


def seconds_of(text: str) -> float:
    """Return a time such as 2.5, 500ms, 10s or 1h30m in seconds; raises ValueError."""
    try:
        number = float(text)
    except ValueError:
        return parse_duration(text)
    if not 0 <= number < 1e9:
        raise ValueError(f"{text} is not a time")
    return number


def whole(text: str) -> int:
    """Return a number without sign or fraction, at most 18 digits; raises ValueError."""
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def one_of(names: Iterable[str], what: str, value: str) -> str:
    """Return ``value`` if it is one of ``names``; raises FaultSpecError that lists them."""
    known = [str(name) for name in names]
    if value not in known:
        raise FaultSpecError(f"{what} {value!r} is unknown{_nearest(value, known)}")
    return value


def _nearest(name: str, names: list[str]) -> str:
    near = get_close_matches(name, names, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(names)}"
