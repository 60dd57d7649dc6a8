"""What an Icarus-class device is, as data: its wire, speed, limits, and how it is recognized."""

from dataclasses import dataclass

from drivers.api import PortInfo
from drivers.icarus.frames import Form
from drivers.icarus.pll import Clocks


@dataclass(frozen=True, slots=True, kw_only=True)
class UsbIdentity:
    """How a device shows itself on USB.

    ``words`` must all be in the product string, in any case. Without words the ids alone are
    known: they are those of a bridge chip that is in anything, so they claim nothing.
    """

    vid: int
    pid: int
    words: tuple[str, ...] = ()
    score: int = 0

    def has_ids_of(self, port: PortInfo) -> bool:
        """Return whether ``port`` has these ids."""
        return (port.vid, port.pid) == (self.vid, self.pid)

    def match(self, port: PortInfo) -> int:
        """Return the score if ids and words fit, else 0."""
        product = port.product.casefold()
        fits = self.words and all(word.casefold() in product for word in self.words)
        return self.score if fits and self.has_ids_of(port) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VoltageRange:
    """What core voltage may be set."""

    lowest: float
    default: float
    highest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One device.

    ``seconds_per_hash``: of the whole device, what its work is timed by before it is measured;
    times the MHz if ``rate_follows_clock``. ``hashes_per_clock`` is what it claims, where that
    differs. ``fixed_mhz``: of a device whose frequency is known but cannot be set. ``wait`` and
    ``first_work``: coarseness of its timing, and how long its first works last when it is timed,
    in seconds. ``lanes``: chips that take work of their own, which they ask for; then
    ``task_seconds`` is how long without such a word they are given work unasked.
    ``stops_after_nonce``: it is idle once it has found one. ``corrections``: what to add to a
    nonce that is not right. ``most_degrees``: limit of its temperature, None if it has no sensor.
    ``is_bus_powered``: USB feeds its chips, and their frequency says how much they take.
    """

    name: str
    title: str
    chips: str
    form: Form
    seconds_per_hash: float
    rate_follows_clock: bool = False
    hashes_per_clock: float | None = None
    fixed_mhz: float | None = None
    identities: tuple[UsbIdentity, ...] = ()
    baud_rates: tuple[int, ...] = (115200,)
    clocks: Clocks | None = None
    voltage: VoltageRange | None = None
    divisions: tuple[int, ...] = (1,)
    work_division: int = 1
    stops_after_nonce: bool = False
    can_be_timed: bool = True
    can_flash: bool = False
    wait: float = 0.1
    first_work: float = 5.0
    lanes: int = 1
    task_seconds: float | None = None
    corrections: tuple[int, ...] = (0,)
    most_degrees: float | None = None
    is_bus_powered: bool = False

    def match(self, port: PortInfo) -> int:
        """Return how surely ``port`` is one of these, 0 unless its strings say so."""
        return max((identity.match(port) for identity in self.identities), default=0)

    def may_be(self, port: PortInfo) -> bool:
        """Return whether ``port`` has ids that such a device can have."""
        return any(identity.has_ids_of(port) for identity in self.identities)

    def expected_seconds_per_hash(self, mhz: float | None) -> float:
        """Return what to time works by at ``mhz``."""
        return self.seconds_per_hash / (mhz if self.rate_follows_clock and mhz else 1.0)

    def nominal_hashrate(self, mhz: float | None) -> float:
        """Return hashes per second at ``mhz``."""
        if self.hashes_per_clock is not None and mhz:
            return self.hashes_per_clock * mhz * 1e6
        return 1.0 / self.expected_seconds_per_hash(mhz)
