"""Values with their unit, as people write them: ``90s``, ``1h30m``, ``3.4kW``."""

import re
from itertools import pairwise

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_CENTURY = 3_155_760_000
_PART = r"([0-9]{1,9}(?:\.[0-9]{1,12})?) ?(ms|s|m|h|d)"
_DURATION = rf"{_PART}(?: ?{_PART})*"
_WATTS = {"W": 1.0, "kW": 1e3, "MW": 1e6}
_POWER = r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(W|kW|MW)"


class UnitError(ValueError):
    """A text is not a number with a unit that fits."""


def parse_duration(value: object) -> float:
    """Return the seconds in ``value``: a number of seconds, or a text such as ``1h30m``.

    Units go from large to small (d, h, m, s, ms), each at most once; a text without a unit is
    refused, for nobody can tell seconds from minutes. Raises UnitError.
    """
    match value:
        case bool():
            pass
        case int() | float() if 0 <= value <= _CENTURY:
            return float(value)
        case str() if re.fullmatch(_DURATION, text := value.strip()):
            return _sum_of(re.findall(_PART, text), text)
    raise UnitError("a time has a unit, as in 250ms, 90s, 5m or 1h30m")


def _sum_of(parts: list[tuple[str, str]], text: str) -> float:
    units = [_MILLISECONDS[unit] for _, unit in parts]
    if any(left <= right for left, right in pairwise(units)):
        raise UnitError(f'"{text}": units go from large to small, each at most once')
    return sum(float(number) * _MILLISECONDS[unit] for number, unit in parts) / 1000


def parse_power(value: object) -> float:
    """Return the watts in a text such as ``1200W``, ``3.4kW`` or ``2MW``; raise UnitError."""
    if isinstance(value, str) and (found := re.fullmatch(_POWER, value.strip())):
        return float(found[1]) * _WATTS[found[2]]
    raise UnitError("a power has a unit, as in 1200W, 3.4kW or 2MW")
