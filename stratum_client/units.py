"""Values with their unit, as people write them (``1h30m``, ``3.4kW``) and as they are shown."""

import re
from itertools import pairwise

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_CENTURY = 3_155_760_000
_PART = r"([0-9]{1,9}(?:\.[0-9]{1,12})?) ?(ms|s|m|h|d)"
_DURATION = rf"{_PART}(?: ?{_PART})*"
_WATTS = {"W": 1.0, "kW": 1e3, "MW": 1e6}
_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z")
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


def parse_power(value: object) -> float:
    """Return the watts in a text such as ``1200W``, ``3.4kW`` or ``2MW``; raise UnitError."""
    if isinstance(value, str) and (found := re.fullmatch(_POWER, value.strip())):
        return float(found[1]) * _WATTS[found[2]]
    raise UnitError("a power has a unit, as in 1200W, 3.4kW or 2MW")


def scaled(value: float, unit: str = "") -> str:
    """Return a number with three digits and an SI prefix: ``1.17 TH/s``, ``12.3k``."""
    power = 0
    while abs(value) >= 999.5 and power < len(_PREFIXES) - 1:
        value, power = value / 1000, power + 1
    if power == 0 and 0 < abs(value) < 1:
        number = f"{value:.2g}" if abs(value) >= 1e-4 else f"{value:.1e}"
    else:
        whole = 99.95 <= abs(value) < 999.5 or value == 0
        number = f"{value:.0f}" if whole else f"{value:.3g}"
    return f"{number}{' ' if unit else ''}{_PREFIXES[power]}{unit}"


def duration(seconds: float) -> str:
    """Return a time in its two largest units: ``4.2 s``, ``2m05s``, ``3h12m``, ``12d4h``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole // 60 % 60:02d}m"
    days = whole // 86_400
    return f"{days}d{whole // 3600 % 24}h" if days < 3650 else f"{scaled(days / 365)} years"


def plain(value: float) -> str:
    """Return a number with four digits, a large one whole: ``0.2041``, ``15.02``, ``8043120``."""
    return f"{value:.0f}" if abs(value) >= 9999.5 else f"{value:.4g}"


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number of things: ``1 share``, ``2 shares``."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def _sum_of(parts: list[tuple[str, str]], text: str) -> float:
    units = [_MILLISECONDS[unit] for _, unit in parts]
    if any(left <= right for left, right in pairwise(units)):
        raise UnitError(f'"{text}": units go from large to small, each at most once')
    return sum(float(number) * _MILLISECONDS[unit] for number, unit in parts) / 1000
