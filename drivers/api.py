"""The whole contract between the daemon and a driver; a driver author reads this one file.

A driver never sees a pool. It asks its `Miner` for `Work` when its chips need some, and hands
back every `Solution` they claim. `next_work`, `found`, `job_changed` and `apply` are plain calls
made on the event loop: they never block, never await, and never raise for what a peer did.

`Device` and `Driver` are all that is asked for. What stands behind them is optional: a device that
can be adjusted or pointed out, a driver that says what it is for or can switch a board off.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from drivers.brown_out import Supplies
from drivers.header import hash_value, pack_header

if TYPE_CHECKING:
    from random import Random

    from drivers.transports.tap import PortTap


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One header template to search.

    ``prev_hash`` and ``merkle_root`` are 32 bytes in header order; the rest are unsigned integers.
    ``version_mask`` holds the version bits a device may set; they are all 0 in ``version``, and
    a device never clears a bit of it. A hash at or below ``target`` is a share.
    """

    version: int
    version_mask: int
    prev_hash: bytes
    merkle_root: bytes
    ntime: int
    nbits: int
    target: int

    def header(self, nonce: int = 0) -> bytes:
        """Return the 80 header bytes with ``nonce``, no version bit rolled."""
        return pack_header(
            self.version, self.prev_hash, self.merkle_root, self.ntime, self.nbits, nonce
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """A header that a chip claims to have solved: ``work`` with these three fields put in."""

    work: Work
    nonce: int
    version: int
    ntime: int

    def header(self) -> bytes:
        """Return the 80 header bytes."""
        work = self.work
        return pack_header(
            self.version, work.prev_hash, work.merkle_root, self.ntime, work.nbits, self.nonce
        )

    def hash(self) -> int:
        """Return the double SHA-256 of the header, as the integer compared with a target."""
        return hash_value(self.header())


class DeviceState(StrEnum):
    """Where a device is in its life."""

    STARTING = "starting"
    MINING = "mining"
    WAITING = "waiting"  # ready, but there is no work
    IDLE = "idle"  # told to rest
    FAILED = "failed"  # between a failure and the next try
    ABSENT = "absent"  # not plugged in


AT_REST = frozenset({DeviceState.IDLE, DeviceState.FAILED, DeviceState.ABSENT})
"""The states in which a device has no work, and is off as far as its driver can switch it off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStats:
    """A snapshot of one device; None where a device has no such reading.

    ``claimed_hashrate`` (H/s) is what the device says of itself: from frequency and cores, or
    counted by its own software. What it has proven is counted by the miner, not here. ``power`` is
    measured, in watts of the whole device; ``modelled_power`` is what its model says it takes now,
    corrected by what was measured before, and known at rest too. ``error_ratio`` is the share of
    the nonces due that were hardware errors, of about the last five minutes at the present
    frequency and voltage, None before 20 nonces were due there.
    """

    state: DeviceState
    reason: str = ""
    claimed_hashrate: float = 0.0
    hardware_errors: int = 0
    temperature: float | None = None
    power: float | None = None
    modelled_power: float | None = None
    error_ratio: float | None = None
    frequency_mhz: float | None = None
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setpoint:
    """What a device should do, and why; remembered at once, reached at the board's own ramp.

    ``watts`` and ``mhz`` are limits. ``ramp`` is how many seconds it should take from rest to full
    speed at least, None for the device's own; falling is never slowed down.
    """

    run: bool
    reason: str = ""
    watts: float | None = None
    mhz: float | None = None
    ramp: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortInfo:
    """Where a device is plugged in; empty strings and 0 where unknown.

    ``paths`` are the device nodes, the data port first (``/dev/ttyACM0``, ``/dev/ttyACM1``), and
    last the place of a USB bridge (``usb:1-1.2``), which may be all there is; or one word such as
    ``emulated:compac-f``. A driver without a port (``cpu``) gets none.
    """

    paths: tuple[str, ...] = ()
    vid: int = 0
    pid: int = 0
    serial: str = ""
    manufacturer: str = ""
    product: str = ""

    @property
    def name(self) -> str:
        """Return what to call the port in messages."""
        return "+".join(self.paths) or self.serial or self.product or "no port"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """One speed that a device can hold, and what it takes and gives there.

    ``watts`` of the whole device, by its model, corrected by what it measures; ``hashrate`` in H/s;
    ``volts`` of the core, None where a board's voltage stays as it is.
    """

    mhz: float
    watts: float
    hashrate: float
    volts: float | None = None


class Miner(Protocol):
    """What a device may ask of the daemon."""

    def next_work(self) -> Work | None:
        """Return fresh work that no other device has, or None when there is nothing to do."""
        ...

    def found(self, solution: Solution) -> float:
        """Check a claimed solution, submit it if it is a share; return its true difficulty."""
        ...


class Clock(Protocol):
    """Time, injected so that tests can own it."""

    def wall(self) -> float:
        """Return seconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start, never going backwards."""
        ...


class Log(Protocol):
    """The part of a structlog logger that drivers use: a constant event, then fields."""

    def debug(self, event: str, **fields: object) -> object:
        """Log bytes, single nonces."""

    def info(self, event: str, **fields: object) -> object:
        """Log a change of state."""

    def warning(self, event: str, **fields: object) -> object:
        """Log what recovers by itself."""

    def error(self, event: str, **fields: object) -> object:
        """Log what a human must act on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """All that is injected into a device.

    A driver passes its ports through `drivers.transports.tap.tapped`: a ``tap`` may listen there.
    ``supplies`` is what devices remember of sticks and sockets; it outlives each of them.
    """

    name: str
    miner: Miner
    clock: Clock
    random: "Random"
    log: Log
    tap: "PortTap | None" = None
    supplies: Supplies = field(default_factory=Supplies)


class Device(Protocol):
    """One miner on one port; what the daemon runs and supervises."""

    async def run(self) -> None:
        """Bring the device up and mine until cancelled; raise DriverError when it fails.

        It may be called again after it raised.
        """
        ...

    def job_changed(self, *, clean: bool) -> None:
        """Fetch new work soon; ``clean`` means every older solution is worthless: now."""
        ...

    def apply(self, setpoint: Setpoint) -> None:
        """Remember what the device should do from now on."""
        ...

    def stats(self) -> DeviceStats:
        """Return a snapshot."""
        ...


class Driver(Protocol):
    """Makes devices of one family; stateless, found by name."""

    name: str

    def match(self, port: PortInfo) -> int:
        """Return 0 if ``port`` is none of ours, else a number that grows with certainty."""
        ...

    def open(self, port: PortInfo, settings: Mapping[str, object], context: Context) -> Device:
        """Return a device, not yet running; raise SettingError for a setting it cannot take."""
        ...


# --- optional ---


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatGoals:
    """What a user wants of all boards with sensors, in degrees Celsius; None leaves a board's own.

    ``target``: what fans hold. ``throttle``: slow down from here on. ``trip``: switched off.
    """

    target: float | None = None
    throttle: float | None = None
    trip: float | None = None


@runtime_checkable
class Cooled(Protocol):
    """A driver of boards that have temperature sensors."""

    def with_heat(self, settings: Mapping[str, object], goals: HeatGoals) -> Mapping[str, object]:
        """Return ``settings`` with ``goals`` in them, none of which is above the board's limits.

        Where both say how hot a board may become the lower holds; a target of its own stays.
        """
        ...


@runtime_checkable
class Adjustable(Protocol):
    """A device with settings that may change while it runs."""

    def adjust(self, settings: Mapping[str, object]) -> None:
        """Take new values of settings that `Driver.open` knows; reached at the board's own ramp.

        A plain call like `Device.apply`; all of ``settings`` or none. Raises SettingError for one
        that is unknown, out of range, or cannot change by now.
        """
        ...


@runtime_checkable
class Modelled(Protocol):
    """A device that knows what each speed takes and gives."""

    def operating_points(self) -> Sequence[OperatingPoint]:
        """Return the points it can be held at, the slowest first; none while it is unknown.

        The last is its full speed. Told a limit in watts (`Setpoint.watts`) it takes the fastest
        point within it, and rests where even the slowest takes more.
        """
        ...


@runtime_checkable
class Identifiable(Protocol):
    """A device that a person can be pointed to."""

    def identify(self) -> None:
        """Blink for some seconds; a plain call like `Device.apply`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What a driver is for: a bare chain of one chip model, a board, or software.

    ``chips`` is for people ("4 x BM1366"), ``ports`` the number of device nodes that `Driver.open`
    needs, ``family`` who drives it.
    """

    kind: Literal["chip", "board", "software"]
    chips: str = ""
    ports: int = 0
    family: str = ""


@runtime_checkable
class Described(Protocol):
    """A driver that says what it is for, for lists."""

    @property
    def product(self) -> Product:
        """Return what the driver is for."""
        ...


@runtime_checkable
class SafeOff(Protocol):
    """A driver that can put a board to rest which nobody runs: after a crash, by hand."""

    async def safe_off(
        self, port: PortInfo, settings: Mapping[str, object], context: Context
    ) -> tuple[str, ...]:
        """Open ``port``, switch the board's power off or hold its chips in reset, let go.

        Leaves fans running; harmless when the board is off. Returns in words what was seen; raises
        DriverError if the board was not seen to be off. Bounded: some seconds.
        """
        ...
