"""What is known of the watts that a rig takes, each number with its source; pure values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Source(StrEnum):
    """Where a number of watts comes from."""

    DRIVER = "driver"  # the device's own telemetry
    PLUG = "plug"  # a meter in the mains line
    MODEL = "model"  # from frequency and voltage, never measured
    MIXED = "mixed"  # a sum of several


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Watts as one source says; ``at`` on the monotonic clock.

    ``note`` says what is wrong where this source is not the one that was wanted.
    """

    watts: float
    source: Source
    at: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RigPower:
    """One look at the whole rig: the total that is believed, and the part of each device.

    ``wall`` is the wall time (seconds since 1970), ``at`` the same moment on the monotonic clock.
    """

    wall: float
    at: float
    total: Reading
    devices: Mapping[str, Reading] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapHeld:
    """The lowest cap on the whole rig in watts, and in words by what it is held."""

    watts: float
    by: str
