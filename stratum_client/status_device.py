"""What the live view says of one device; pure."""

from collections.abc import Mapping

from drivers.api import DeviceState
from stratum_client.control.claims import Limit
from stratum_client.control.power import Source
from stratum_client.stats import Metered, NamedDevice
from stratum_client.units import counted, duration, scaled
from stratum_client.wire import printable

_AGED = 5.0
"""Seconds after which it is said how old a reading is."""

_LONGEST_DETAIL = 40

_UNTOLD = frozenset(
    {
        "baud_rate",
        "board",
        "chips_missing",
        "corrected",
        "degraded",
        "duplicates",
        "model",
        "nanoseconds_per_hash",
        "nonces",
        "power_source",
        "proven_hashrate",
        "stale",
        "starts",
        "ticket_difficulty",
        "timing",
        "timing_samples",
        "trip",
        "way",
        "work_division",
        "work_seconds",
    }
)
"""Details that are said elsewhere in the row, or help nobody at a glance; JSON has them all."""


def device_parts(device: NamedDevice) -> list[str]:
    """Return what there is to say of a device, the most important first."""
    stats = device.stats
    parts = [scaled(stats.claimed_hashrate, "H/s")]
    if stats.state is not DeviceState.MINING:
        parts = [f"{stats.state}{': ' if stats.reason else ''}{stats.reason}"]
    parts.append(counted(device.counts.solutions, "solution"))
    parts.append(counted(stats.hardware_errors, "error"))
    if stats.temperature is not None:
        parts.append(f"{stats.temperature:.0f} °C")
    if device.power:
        parts.append(metered(device.power))
    elif stats.power is not None:
        parts.append(f"{stats.power:.1f} W")
    if stats.frequency_mhz is not None:
        parts.append(f"{stats.frequency_mhz:.0f} MHz")
    parts += _details(stats.details)
    parts += _allowed(device.decision.limit)
    if device.tuning:
        parts.append(f"tuner {device.tuning.phase}: {device.tuning.text}")
    return parts


def metered(power: Metered) -> str:
    """Return watts with their source, where that is not the device itself, and their age."""
    words = "" if power.source is Source.DRIVER else f" ({power.source})"
    age = f", {duration(power.age)} ago" if power.age > _AGED else ""
    return f"{power.watts:.1f} W{words}{age}"


def _details(details: Mapping[str, object]) -> list[str]:
    """Return single values in short; no lists, and nothing that is zero or empty."""
    return [
        _detail(name, value)
        for name, value in details.items()
        if value and name not in _UNTOLD and not isinstance(value, dict | list | tuple)
    ]


def _detail(name: str, value: object) -> str:
    match name, value:
        case (("chips" | "threads"), int(count)):
            return counted(count, name.removesuffix("s"))
        case "voltage", int() | float():
            return f"{value:.4g} V"
        case "fan_percent", int() | float():
            return f"fan {value:.0f}%"
        case "duty", int() | float():
            return f"duty {value:g}%"
        case _, float():
            return f"{_words(name)} {scaled(value)}"
    return f"{_words(name)} {printable(value, _LONGEST_DETAIL)}"


def _words(name: str) -> str:
    return printable(name, _LONGEST_DETAIL).replace("_", " ")


def _allowed(limit: Limit) -> list[str]:
    """Return what a device that may run may take at most."""
    watts = [] if limit.watts is None else [f"at most {limit.watts:.1f} W"]
    mhz = [] if limit.mhz is None else [f"at most {limit.mhz:.0f} MHz"]
    return [*watts, *mhz] if limit.run else []
