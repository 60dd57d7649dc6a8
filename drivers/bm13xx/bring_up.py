"""From chips after a reset to a chain ready for work: counting, addresses, registers, frequency.

Sans-IO: the caller performs one `Action` after the other and hands register replies to
`ChainSetup.replied`. The steps themselves are data of the chip model.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from drivers.bm13xx.chip import (
    CHIP_ID_REGISTER,
    RESET_BAUD_RATE,
    ROLLING_ON,
    ChipSpec,
    Do,
    EachChip,
    FirstChip,
    OpenCores,
    Pause,
    Step,
)
from drivers.bm13xx.frames import (
    ChainInactive,
    ReadRegister,
    RegisterReply,
    RegisterWrite,
    ResponseReader,
    SetAddress,
    WriteRegister,
)
from drivers.bm13xx.pll import frequency_ramp
from drivers.bm13xx.ticket import ticket_register
from drivers.errors import BringUpError, ChipCountError

ROLLABLE = 0x1FFFE000
"""The header version bits that chips can roll by themselves: 28 to 13."""

_PACE = 0.01  # between writes; what factory firmware and kanoi's driver leave
_COUNT_SILENCE = 0.5
_COUNTS = 3
_FIRST_TICKET = 256
_ASKED = 3  # times, before a chip counts as one that does not answer
_ANSWER_WITHIN = 25  # paces


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Write ``data``, then let ``pause`` seconds pass."""

    data: bytes
    pause: float = _PACE


@dataclass(frozen=True, slots=True)
class AwaitSilence:
    """Wait until nothing has come from the chain for ``seconds``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class SwitchBaud:
    """Let all bytes written go out, set the host's port to ``rate``, drop what it received."""

    rate: int


Action = Send | AwaitSilence | SwitchBaud


class WrongChipError(BringUpError):
    """The chips are of another model than expected; ``found`` are the ids they gave."""

    def __init__(self, port: str, *, expected: str, found: Iterable[int]) -> None:
        self.found = tuple(sorted(set(found)))
        names = ", ".join(f"{number:04x}" for number in self.found)
        super().__init__(port, f"expected {expected}, but the chips give their id as {names}")
        self.expected = expected


class ChainSetup:
    """A chain of ``chips`` chips of one model, what they were told, and how to tell them.

    ``name`` is the port as errors should call it. ``found`` is the number of chips that
    answered, ``mhz`` the frequency they are set to (0 before the first bring-up). ``unheard`` is
    the first chip that did not answer when `verify` was performed, None if all did.
    """

    def __init__(
        self, spec: ChipSpec, reader: ResponseReader, *, name: str, chips: int, baud_rate: int
    ) -> None:
        self.spec = spec
        self.expected = chips
        self.found = chips
        self.mhz = 0.0
        self.ticket = min(_FIRST_TICKET, spec.ticket_limit)
        self.version_mask = ROLLABLE if spec.version_register is not None else 0
        self._name = name
        self._reader = reader
        self._baud = spec.baud(baud_rate)
        self._baud_now = RESET_BAUD_RATE
        self._rates = _known_rates(spec)
        self._ids: list[int] | None = None
        self._heard = 0
        self._asked: int | None = None
        self.unheard: int | None = None

    def bring_up(self, mhz: float) -> Iterator[Action]:
        """Yield what to do to bring the chips from any state to ``mhz``, ready for work.

        Chips that kept a fast baud rate, having no reset line, are sought at that rate too.
        Raises ChipCountError if none answers, BringUpError if another model does.
        """
        self.mhz = self.spec.frequency.ramp_from
        self._reader.rolling = False
        self._reader.reset()
        steps = self.spec.bring_up
        counted = steps.index(Do.COUNT_CHIPS) + 1
        for rate in self._rates:
            yield self._switch(rate)
            yield from self._perform(steps[:counted], mhz)
            if self._heard:
                break
        else:
            raise ChipCountError(self._name, expected=self.expected, found=0)
        yield from self._perform(steps[counted:], mhz)

    def verify(self) -> Iterator[Action]:
        """Yield what to do to ask each chip for its id at its own address; see `unheard`.

        A chip that missed its address or its baud rate does not answer.
        """
        self.unheard = None
        for chip in range(self.found):
            for _ in range(_ASKED):
                yield from self._ask(chip)
                if self._heard:
                    break
            else:
                self.unheard = chip
                return

    def fit_port(self, can: Callable[[int], bool]) -> int:
        """Leave out the baud rates that the host's port cannot do; return that to work at.

        It is the wanted one or else the next below it; the one after a reset is never left out.
        """
        self._rates = [rate for rate in self._rates if rate == RESET_BAUD_RATE or can(rate)]
        self._baud = self.spec.baud(max(rate for rate in self._rates if rate <= self._baud.rate))
        return self._baud.rate

    def change_frequency(self, mhz: float) -> Iterator[Action]:
        """Yield what to do to bring the running chips to ``mhz`` in small steps."""
        if mhz > self.mhz:  # tell them first to sweep for a shorter time, else they overlap
            yield from self._hash_count(mhz)
            yield from self._ramp(mhz)
        else:
            yield from self._ramp(mhz)
            yield from self._hash_count(mhz)

    def replied(self, reply: RegisterReply) -> None:
        """Take note of a register's value, if chips are being counted or asked."""
        if self._asked is not None and reply.address not in (None, self._asked):
            return
        if self._ids is not None and reply.register in (None, CHIP_ID_REGISTER):
            self._ids.append(reply.value >> 16)

    def read(self, register: int, chip: int | None = None) -> bytes:
        """Return the frame that asks one chip, or every chip, for a register."""
        return self.spec.commands.encode(
            ReadRegister(register=register, address=self._address(chip))
        )

    def write(self, register: int, value: int, chip: int | None = None) -> bytes:
        """Return the frame that sets a register of one chip, or of every chip."""
        if register == self.spec.version_register:
            self._reader.rolling = bool(value >> 31)
        return self.spec.commands.encode(
            WriteRegister(register=register, value=value, address=self._address(chip))
        )

    def ticket_frame(self) -> bytes:
        """Return the frame that sets the ticket; empty if it travels otherwise or never changes."""
        register = self.spec.ticket_register
        return b"" if register is None else self.write(register, ticket_register(self.ticket))

    def version_frame(self) -> bytes:
        """Return the frame that sets the version bits to roll; empty if the host rolls them."""
        register = self.spec.version_register
        if register is None:
            return b""
        return self.write(register, ROLLING_ON | self.version_mask >> 13)

    def nonce_offsets(self) -> bytes:
        """Return the frames that tell each chip where to begin; empty if addresses do that."""
        register = self.spec.nonce_offset_register
        if register is None or self.found < 2:
            return b""
        starts = [-(-(chip << 16) // self.found) for chip in range(self.found)]
        return b"".join(
            self.write(register, 1 << 31 | start, chip) for chip, start in enumerate(starts)
        )

    def chip_of(self, nonce: int) -> int:
        """Return the index of the chip that searches ``nonce``."""
        fields = self.spec.nonce
        value = int.from_bytes(nonce.to_bytes(4, "little"), "big")
        if fields.offset_shift is not None and self.found > 1:
            return (value >> fields.offset_shift & 0xFFFF) * self.found >> 16
        address = value >> fields.address_shift & fields.address_mask
        return self.index_of(address)

    def core_of(self, nonce: int) -> int | None:
        """Return the number of the core that searches ``nonce``, or None if that is unknown."""
        shift = self.spec.nonce.core_shift
        value = int.from_bytes(nonce.to_bytes(4, "little"), "big")
        return None if shift is None else value >> shift

    def index_of(self, address: int) -> int:
        """Return which chip has ``address``, or has it within its share."""
        return min(address // self.spec.address_interval(self.found), self.found - 1)

    def _address(self, chip: int | None) -> int | None:
        return None if chip is None else chip * self.spec.address_interval(self.found)

    def _perform(self, steps: Sequence[Step], mhz: float) -> Iterator[Action]:
        for step in steps:
            match step:
                case Do():
                    yield from self._do(step, mhz)
                case EachChip(writes=writes):
                    for chip in range(self.found):
                        yield self._block(writes, chip)
                case FirstChip(writes=writes):
                    yield self._block(writes, 0)
                case Pause(seconds=seconds):
                    yield Send(data=b"", pause=seconds)
                case OpenCores(jobs=jobs, encode=encode, pause=pause):
                    slots = self.spec.slots
                    for number in range(jobs):
                        yield Send(data=encode(slots[number % len(slots)]), pause=pause)
                case (register, value):
                    yield Send(data=self.write(register, value))

    def _do(self, step: Do, mhz: float) -> Iterator[Action]:
        match step:
            case Do.COUNT_CHIPS:
                yield from self._count()
            case Do.FORGET_ADDRESSES:
                yield Send(data=self.spec.commands.encode(ChainInactive()))
            case Do.SET_ADDRESSES:
                yield from self._set_addresses(self.found)
            case Do.SET_TICKET:
                yield Send(data=self.ticket_frame())
            case Do.SET_VERSIONS:
                yield Send(data=self.version_frame())
            case Do.RAMP:  # chips without a reset line may still run at what was set before
                yield from self._ramp(mhz) if mhz != self.mhz else self._set_clock(mhz)
            case Do.SET_HASH_COUNT:
                yield from self._hash_count(mhz)
            case Do.SWITCH_BAUD:
                yield from self._switch_baud()

    def _count(self) -> Iterator[Action]:
        """Count the chips, again if some are missing: a lost answer must not cost a chip.

        Those behind one that has lost its address hear nothing, so all get addresses before, and
        hear once more what came before the count.
        """
        steps = self.spec.bring_up
        before = steps[: steps.index(Do.COUNT_CHIPS)]
        self._heard, wanted = 0, max(self.expected, self.found)
        for _ in range(_COUNTS):
            yield from self._count_once()
            if not 0 < self._heard < wanted:
                break
            yield Send(data=self.spec.commands.encode(ChainInactive()))
            yield from self._set_addresses(wanted)
            yield from self._perform(before, self.mhz)
        self.found = self._heard or self.found

    def _count_once(self) -> Iterator[Action]:
        self._ids, self._asked = [], None  # whoever was being asked when a verification ended
        self._reader.reset()  # what was begun before a silence is never gone on with
        yield Send(data=self.read(CHIP_ID_REGISTER), pause=0.0)
        yield AwaitSilence(_COUNT_SILENCE)
        ids, self._ids = self._ids, None
        heard = min(ids.count(self.spec.chip_id), self.spec.most_chips)
        self._heard = max(self._heard, heard)
        if ids and not self._heard:
            raise WrongChipError(self._name, expected=self.spec.name, found=ids)

    def _ask(self, chip: int) -> Iterator[Action]:
        self._ids, self._asked = [], self._address(chip)
        self._reader.reset()
        yield Send(data=self.read(CHIP_ID_REGISTER, chip))
        for _ in range(_ANSWER_WITHIN):
            self._heard = self._ids.count(self.spec.chip_id)
            if self._heard:
                break
            yield Send(data=b"")
        self._ids = self._asked = None

    def _set_addresses(self, chips: int) -> Iterator[Action]:
        interval = self.spec.address_interval(chips)
        for chip in range(chips):
            yield Send(data=self.spec.commands.encode(SetAddress(address=chip * interval)))

    def _block(self, writes: Iterable[RegisterWrite], chip: int) -> Send:
        return Send(data=b"".join(self.write(*write, chip) for write in writes))

    def _ramp(self, mhz: float) -> Iterator[Action]:
        for step in frequency_ramp(self.mhz, mhz, self.spec.frequency.ramp_step):
            yield from self._set_clock(step)

    def _set_clock(self, mhz: float) -> Iterator[Action]:
        setting = self.spec.pll.nearest(mhz)
        *first, last = (self.write(*write) for write in setting.writes)
        for frame in first:
            yield Send(data=frame)
        self.mhz = setting.mhz
        yield Send(data=last, pause=self.spec.frequency.ramp_pause)

    def _hash_count(self, mhz: float) -> Iterator[Action]:
        if self.spec.hash_count is not None:
            reached = self.spec.pll.nearest(mhz).mhz
            value = self.spec.hash_count_at(reached, self.found)
            yield Send(data=self.write(self.spec.hash_count.register, value))

    def _switch_baud(self) -> Iterator[Action]:
        for write in self._baud.before:
            yield Send(data=self.write(*write))
        if self._baud.rate != self._baud_now:
            yield self._switch(self._baud.rate)
        for write in self._baud.after:
            yield Send(data=self.write(*write))

    def _switch(self, rate: int) -> SwitchBaud:
        self._baud_now = rate
        return SwitchBaud(rate)


def _known_rates(spec: ChipSpec) -> list[int]:
    """Return the rate after a reset, then those that chips may have kept."""
    kept = {baud.rate for baud in spec.baud_rates} - {RESET_BAUD_RATE}
    return [RESET_BAUD_RATE, *sorted(kept)]
