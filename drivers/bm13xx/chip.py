"""What a BM13xx chip model is, as data: everything a board or a device needs to run a chain of it.

Not here: how a chain uses it, which is in `chain` and `bring_up`, and the models, in `chips`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from drivers.bm13xx.frames import CommandFormat, RegisterWrite, ResponseLayout
from drivers.bm13xx.jobs import JobFormat
from drivers.bm13xx.pll import Pll
from drivers.bm13xx.power_model import PowerModel

RESET_BAUD_RATE = 115_200
CHIP_ID_REGISTER = 0x00
ROLLING_ON = 0x90000000
"""Value of the version register without its mask: what every known host writes."""


class Do(Enum):
    """A step of the bring-up whose bytes depend on the chain."""

    COUNT_CHIPS = auto()
    """Read the chip id of every chip and count the answers."""
    FORGET_ADDRESSES = auto()
    SET_ADDRESSES = auto()
    SET_TICKET = auto()
    SET_VERSIONS = auto()
    """Tell the chips which version bits to roll."""
    RAMP = auto()
    """Bring the frequency up in small steps."""
    SET_HASH_COUNT = auto()
    """Set how many nonces a core tries with one batch of versions, for the frequency reached."""
    SWITCH_BAUD = auto()


@dataclass(frozen=True, slots=True)
class EachChip:
    """Write these registers of one chip after the other, by address."""

    writes: tuple[RegisterWrite, ...]


@dataclass(frozen=True, slots=True)
class FirstChip:
    """Write these registers of the chip next to the host."""

    writes: tuple[RegisterWrite, ...]


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait: the chips need the time."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCores:
    """Send ``jobs`` jobs of nothing, each of which wakes one core of every chip.

    ``encode`` makes such a job for a slot.
    """

    jobs: int
    encode: Callable[[int], bytes]
    pause: float = 0.01


Step = RegisterWrite | Do | EachChip | FirstChip | Pause | OpenCores
"""A plain register and value is written to every chip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaudRate:
    """A rate for the host's port and the writes that bring the chips close to it.

    ``before`` goes out at the old rate, ``after`` at the new one.
    """

    rate: int
    before: tuple[RegisterWrite, ...] = ()
    after: tuple[RegisterWrite, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FrequencyRange:
    """What the hash clock may be set to, in MHz; a board may allow less.

    ``ramp_from`` is the frequency after a reset, where a ramp begins.
    """

    lowest: float
    default: float
    highest: float
    ramp_from: float = 50.0
    ramp_step: float = 6.25
    ramp_pause: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceFields:
    """Where a nonce, read as a big-endian number, says which chip and which core found it.

    The chip is found by its address, or, where the chain tells every chip at which nonce to
    begin, by that. ``core_shift`` is None if the place of the core is unknown.
    """

    core_shift: int | None
    address_shift: int
    address_mask: int = 0xFF
    offset_shift: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HashCount:
    """How long a core tries nonces before it takes up the next batch of versions.

    In ticks of the crystal; all nonces that are a core's share need nonces * 12.5 / MHz of them.
    The chip is told ``part`` of that less ``margin``, to keep out of its neighbour's share.
    """

    register: int = 0x10
    part: float = 1.0
    margin: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipSpec:
    """One chip model.

    ``sub_cores`` is how many versions a core hashes at a time; ``hashes_per_clock`` is what one
    whole chip does. ``slots`` are the job bytes in the order of their use. ``baud_rates`` are the
    known ones besides that after a reset, ``baud_rate`` the usual one. ``work_part`` is the part
    of the search space after which new work should come. ``power`` is that of one chip, None where
    nobody has written it down. A register that is None is one the model lacks.
    """

    name: str
    chip_id: int
    cores: int
    sub_cores: int
    hashes_per_clock: int
    commands: CommandFormat
    responses: ResponseLayout
    jobs: JobFormat
    slots: tuple[int, ...]
    nonce: NonceFields
    pll: Pll
    frequency: FrequencyRange
    bring_up: tuple[Step, ...]
    baud_rates: tuple[BaudRate, ...] = ()
    baud_rate: int = RESET_BAUD_RATE
    even_addresses: bool = True
    ticket_register: int | None = 0x14
    ticket_limit: int = 1 << 32
    version_register: int | None = 0xA4
    hash_count: HashCount | None = HashCount()
    nonce_offset_register: int | None = None
    hash_counter_register: int | None = None
    work_part: float = 0.45
    power: PowerModel | None = None

    @property
    def most_chips(self) -> int:
        """Return how many chips the addresses suffice for."""
        return 128 if self.even_addresses else 256

    def baud(self, rate: int) -> BaudRate:
        """Return how to get to a baud rate; raise ValueError if the model is not known to do it."""
        known = {RESET_BAUD_RATE: BaudRate(rate=RESET_BAUD_RATE)}
        known |= {baud.rate: baud for baud in self.baud_rates}
        if rate not in known:
            raise ValueError(
                f"{self.name} knows no baud rate {rate}, only {', '.join(map(str, sorted(known)))}"
            )
        return known[rate]

    def address_interval(self, chips: int) -> int:
        """Return the distance between the addresses of neighbours in a chain of ``chips``."""
        interval = 256 // chips
        return interval & ~1 if self.even_addresses else interval

    def hashrate(self, mhz: float) -> float:
        """Return the nominal hashes per second of one chip."""
        return self.hashes_per_clock * mhz * 1e6

    def nonces_per_core(self, chips: int) -> float:
        """Return how many nonces are one core's share in a chain of ``chips``."""
        return float((1 << 32) // (power_of_two(self.cores) * power_of_two(chips)))

    def search_seconds(self, mhz: float, chips: int, versions: int) -> float:
        """Return how long ``versions`` versions of one header last a chain of ``chips``.

        Chips that roll versions need no less time for fewer versions than sub-cores; the others
        split the nonces between the sub-cores.
        """
        batches = versions / self.sub_cores
        if self.version_register is not None:
            batches = max(batches, 1.0)
        return batches * self.nonces_per_core(chips) / (mhz * 1e6)

    def hash_count_at(self, mhz: float, chips: int) -> int:
        """Return the value of the hash counting register; 0 if the model has none."""
        if self.hash_count is None:
            return 0
        ticks = self.nonces_per_core(chips) * 12.5 / mhz * self.hash_count.part
        return max(int(ticks - self.hash_count.margin), 1)


def power_of_two(number: int) -> int:
    """Return the smallest power of two that is at least ``number``."""
    return 1 << (number - 1).bit_length()
