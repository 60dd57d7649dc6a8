"""The telemetry micro of GekkoScience's Compac and Terminus, A1 and A2: its bytes. Sans-IO.

It has a UART of its own at 115200 baud. A request is two bytes, the second of which may be a number
of any value. `?v` is answered with one byte, the firmware's version; `M.`, from version 3 on, with
one byte that says what there is to be read; `G.` with up to seven raw bytes in a fixed order. The
rest is answered with one byte that says nothing. There is neither frame nor checksum: a reply is
known by what was asked, its length and the silence around it.

Source: kanoi/cgminer driver-gekko.c and driver-gekko.h (requests, conversions, versions).
"""

from dataclasses import dataclass
from enum import IntEnum

VERSION_REQUEST = b"?v"
MASK_REQUEST = b"M."
TELEMETRY_REQUEST = b"G."

MOST_BYTES = 7
"""The longest reply to `TELEMETRY_REQUEST`; firmware with less to tell sends fewer."""

MOST_VOLTS = 0.5
"""The highest core voltage that a request can name, per chip."""

_VOLTS_STEP = 0.005
_REFERENCE = 2.048  # V at 255
_FULL = 255.0
_HIGH_AMPS, _LOW_AMPS = 20.0, 3.125
_COLDEST, _CELSIUS_SPAN, _CELSIUS_STEPS = -50.0, 175.0, 218
_HOTTEST = 125.0
_RPM_STEP = 30.0
_KNOWN_VERSIONS = (1, 2, 3)
_HIGH_RANGE = 1 << 7


class Led(IntEnum):
    """What the LED does; the second byte of the request."""

    OFF = ord("-")
    HEARTBEAT = ord("H")
    WORK = ord("N")
    ON = ord("O")


class _Place(IntEnum):
    """Where a reading stands in the reply, and its bit in the mask."""

    INPUT_VOLTS = 0
    INPUT_AMPS = 1
    VOLTS = 2
    AMPS = 3
    TEMPERATURE = 4
    SECOND_TEMPERATURE = 5
    TACHOMETER = 6


_OF_VERSION_1 = {_Place.INPUT_VOLTS, _Place.VOLTS, _Place.TEMPERATURE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """Which firmware a micro has; ``mask`` is its answer to `MASK_REQUEST`, version 3 on."""

    major: int
    minor: int
    mask: int = 0

    @property
    def has_mask(self) -> bool:
        """Return whether it says by itself what it can tell."""
        return self.major >= 3

    def __str__(self) -> str:
        """Return the version as people write it."""
        return f"{self.major}.{self.minor}"

    def tells(self, place: int) -> bool:
        """Return whether the byte at ``place`` of its telemetry means anything."""
        if self.major == 1:
            return place in _OF_VERSION_1
        if self.major == 2:
            return place != (_Place.AMPS if self.minor == 1 else _Place.SECOND_TEMPERATURE)
        return bool(self.mask >> place & 1)

    @property
    def full_amps(self) -> float:
        """Return what multiplies the reference where a current is at its highest."""
        if self.major == 2:
            return _LOW_AMPS if self.minor == 1 else _HIGH_AMPS
        return _HIGH_AMPS if self.mask & _HIGH_RANGE else _LOW_AMPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """What a micro read: V, A, degrees Celsius, revolutions a minute; None where nothing was.

    ``volts`` is per chip. Of ``temperatures`` the second is there only with some firmware.
    """

    input_volts: float | None = None
    input_amps: float | None = None
    volts: float | None = None
    amps: float | None = None
    temperatures: tuple[float | None, float | None] = (None, None)
    rpm: float | None = None

    @property
    def watts(self) -> float | None:
        """Return the power at the input, None where one of its factors is unknown."""
        if self.input_volts is None or self.input_amps is None:
            return None
        return self.input_volts * self.input_amps


def voltage_request(volts: float) -> bytes:
    """Return what sets the core voltage, in steps of 5 mV; ValueError above `MOST_VOLTS`."""
    if not 0 <= volts <= MOST_VOLTS:
        raise ValueError(f"a core voltage is 0 to {MOST_VOLTS} V, not {volts}")
    return b"V" + bytes([round(volts / _VOLTS_STEP)])


def regulator_request(*, on: bool) -> bytes:
    """Return what switches the regulator."""
    return b"BO" if on else b"B-"


def led_request(led: Led) -> bytes:
    """Return what sets the LED."""
    return b"L" + bytes([led])


def fan_request(percent: float) -> bytes:
    """Return what sets the fan's duty; ValueError unless it is 0 to 100."""
    if not 0 <= percent <= 100:
        raise ValueError(f"a fan's duty is 0 to 100 percent, not {percent}")
    return b"F" + bytes([round(percent)])


def firmware_of(reply: bytes) -> Firmware | None:
    """Return the firmware that gives ``reply`` to `VERSION_REQUEST`; None for none we know.

    The high half of its first byte is the version, the low half the minor one.
    """
    if not reply or reply[0] >> 4 not in _KNOWN_VERSIONS:
        return None
    return Firmware(major=reply[0] >> 4, minor=reply[0] & 0xF)


def telemetry_of(reply: bytes, firmware: Firmware) -> Telemetry:
    """Return what ``reply`` says; a reading for which it is too short is None.

    Raises ValueError for a reply that is longer than any.
    """
    if len(reply) > MOST_BYTES:
        raise ValueError(f"telemetry is at most {MOST_BYTES} bytes, not {len(reply)}")

    def raw(place: _Place) -> int | None:
        return reply[place] if place < len(reply) and firmware.tells(place) else None

    high = 6.0 if firmware.major == 1 else _REFERENCE * 12
    return Telemetry(
        input_volts=_linear(raw(_Place.INPUT_VOLTS), high),
        input_amps=_linear(raw(_Place.INPUT_AMPS), _REFERENCE * firmware.full_amps),
        volts=_linear(raw(_Place.VOLTS), _REFERENCE / 2),  # it measures across two chips
        amps=_linear(raw(_Place.AMPS), _REFERENCE * firmware.full_amps),
        temperatures=(
            _celsius(raw(_Place.TEMPERATURE)),
            _celsius(raw(_Place.SECOND_TEMPERATURE)),
        ),
        rpm=_times(raw(_Place.TACHOMETER), _RPM_STEP),
    )


def _linear(raw: int | None, full: float) -> float | None:
    return _times(raw, full / _FULL)


def _times(raw: int | None, step: float) -> float | None:
    return None if raw is None else raw * step


def _celsius(raw: int | None) -> float | None:
    """Return a temperature; 0 says that there is no reading, above the scale it is its end."""
    if not raw:
        return None
    if raw > _CELSIUS_STEPS:
        return _HOTTEST
    return raw * _CELSIUS_SPAN / _CELSIUS_STEPS + _COLDEST
