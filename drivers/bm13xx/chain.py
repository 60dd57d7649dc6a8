"""A chain of BM13xx chips: work in, bytes out; bytes in, solutions out. Sans-IO.

The chain keeps the job slots, follows the pool's difficulty and version mask with the chips'
registers, finds the work behind each nonce, and counts what every chip proves. It does not hash:
who does tells it the result through `Chain.record`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from drivers.api import Solution, Work
from drivers.bm13xx.bring_up import ROLLABLE, Action, ChainSetup
from drivers.bm13xx.chip import ChipSpec
from drivers.bm13xx.counters import ChipCounter, ChipReport, Exposure
from drivers.bm13xx.frames import NonceFound, RegisterReply, ResponseReader
from drivers.bm13xx.jobs import JobRequest, MidstateOf
from drivers.bm13xx.slots import Slots, SlotUse
from drivers.bm13xx.ticket import HASHES_PER_DIFFICULTY, passes_ticket, ticket_difficulty
from drivers.header import midstate

LONGEST_WORK = 2.0
"""Seconds after which chips get new work even if theirs would last: its time stamp grows old."""

_IDLE_AFTER = 2 * LONGEST_WORK  # by then a device that has work would have sent it


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipSolution:
    """A solution as a chip claims it; ``ticket`` is the difficulty it should have at least."""

    solution: Solution
    chip: int
    core: int | None
    ticket: float


@dataclass(slots=True, kw_only=True)
class Dropped:
    """Answers that were of no use, by why; none of them is a chip's error."""

    stale: int = 0
    duplicate: int = 0
    unknown_slot: int = 0
    outside_mask: int = 0


class Chain:
    """``chips`` chips of one model on one wire.

    ``scale`` is below 1 for emulated chips: their hash rate and their ticket are that part of
    what their registers say. ``midstate_of`` may name something faster than `header.midstate`.
    """

    def __init__(
        self,
        spec: ChipSpec,
        *,
        chips: int,
        name: str = "",
        baud_rate: int | None = None,
        scale: float = 1.0,
        nonces_per_second: float = 1.0,
        midstate_of: MidstateOf = midstate,
    ) -> None:
        if not 1 <= chips <= spec.most_chips:
            raise ValueError(f"a chain has 1 to {spec.most_chips} {spec.name}, not {chips}")
        self.spec = spec
        self.dropped = Dropped()
        self.reader = ResponseReader(spec.responses)
        self._setup = ChainSetup(
            spec,
            self.reader,
            name=name,
            chips=chips,
            baud_rate=spec.baud_rate if baud_rate is None else baud_rate,
        )
        self._scale = scale
        self._nonces_per_second = nonces_per_second
        self._midstate_of = midstate_of
        self._slots = Slots(spec.slots)
        self._counters: list[ChipCounter] = []
        self._jobs_sent = 0
        self._exposure = Exposure()
        self._versions = 1
        self._missed_settings = False

    # Bring-up and registers

    def bring_up(self, mhz: float) -> Iterator[Action]:
        """Yield what to do to bring the chips from any state to ``mhz``, ready for work.

        Hand on what they answer meanwhile to `receive_data`. Raises ChipCountError if no chip
        answers, BringUpError if another model does; fewer chips than expected are `missing`.
        """
        self._check(mhz)
        self._slots.clear()
        self._exposure.end()
        self._jobs_sent = 0
        yield from self._setup.bring_up(mhz)
        if len(self._counters) != self.chips:
            self._counters = []

    def verify(self) -> Iterator[Action]:
        """Yield what to do to ask each chip at its address; `unheard` tells who did not answer.

        To be performed after `bring_up`, before there is work.
        """
        return self._setup.verify()

    def fit_port(self, can: Callable[[int], bool]) -> int:
        """Leave out the baud rates that the host's port cannot do; return that to work at."""
        return self._setup.fit_port(can)

    def change_frequency(self, mhz: float) -> Iterator[Action]:
        """Yield what to do to bring the running chips to ``mhz`` in small steps."""
        self._check(mhz)
        return self._setup.change_frequency(mhz)

    def read(self, register: int, chip: int | None = None) -> bytes:
        """Return the frame that asks one chip, or every chip, for a register."""
        return self._setup.read(register, chip)

    def write(self, register: int, value: int, chip: int | None = None) -> bytes:
        """Return the frame that sets a register of one chip, or of every chip."""
        return self._setup.write(register, value, chip)

    # Work

    def assign(self, work: Work, now: float) -> bytes:
        """Return the frames that put every chip to ``work``, settings that changed included."""
        settings = self._follow(work)
        versions = self.spec.jobs.versions(work)
        setup = self._setup
        slot = self._slots.use(SlotUse(work=work, versions=versions, ticket=setup.ticket))
        job = self.spec.jobs.encode(
            JobRequest(
                work=work,
                slot=slot,
                versions=versions,
                ticket_difficulty=setup.ticket,
                chips=setup.found,
                midstate_of=self._midstate_of,
            )
        )
        offsets = b"" if self._jobs_sent else setup.nonce_offsets()
        self._jobs_sent += 1
        self._versions = len(versions) << setup.version_mask.bit_count()
        self._begin(now)
        return settings + job + offsets

    def forget_work(self) -> None:
        """Drop whatever the chips still find in older work: it has become worthless."""
        self._slots.forget_work()
        self._exposure.end()

    @property
    def work_seconds(self) -> float:
        """Return after how many seconds the chips need new work, as far as the last one lasts."""
        return min(self._lasts, LONGEST_WORK)

    # Answers

    def receive_data(self, data: bytes) -> list[ChipSolution | RegisterReply]:
        """Return what the chips say in ``data``, in order; never raise for what they send."""
        events: list[ChipSolution | RegisterReply] = []
        for response in self.reader.feed(data):
            match response:
                case NonceFound():
                    found = self._solution(response)
                    if found is not None:
                        events.append(found)
                case RegisterReply():
                    self._setup.replied(response)
                    events.append(response)
        return events

    def record(self, found: ChipSolution, difficulty: float, now: float) -> bool:
        """Count ``found`` for or against its chip, ``difficulty`` being what its hash really has.

        Return False if the hash misses the chip's ticket: a hardware error.
        """
        counter = self._counters_since(now)[found.chip]
        counter.heard_at = self._exposure.at(now)
        if not passes_ticket(difficulty, found.ticket):
            counter.erred(found.core)
            # So good by chance once in 4 billion times: the chip's ticket is an older one.
            self._missed_settings |= passes_ticket(difficulty, self._scale)
            return False
        counter.found(found.ticket * HASHES_PER_DIFFICULTY, found.core, now)
        return True

    # What is known

    @property
    def chips(self) -> int:
        """Return how many chips answered; before the first bring-up, how many are expected."""
        return self._setup.found

    @property
    def missing(self) -> int:
        """Return how many chips fewer than expected answered."""
        return max(self._setup.expected - self._setup.found, 0)

    @property
    def unheard(self) -> int | None:
        """Return the first chip that did not answer when `verify` was performed; None: all did."""
        return self._setup.unheard

    @property
    def mhz(self) -> float:
        """Return the frequency that the chips are set to; 0 before the first bring-up."""
        return self._setup.mhz

    @property
    def nominal_hashrate(self) -> float:
        """Return the H/s that all chips should do at their frequency."""
        return self.chips * self._chip_hashrate

    @property
    def ticket_difficulty(self) -> float:
        """Return the difficulty that a nonce must have for a chip to report it."""
        return self._setup.ticket * self._scale

    @property
    def nonces(self) -> int:
        """Return how many nonces met their ticket."""
        return sum(counter.nonces for counter in self._counters)

    @property
    def hardware_errors(self) -> int:
        """Return how many nonces missed their ticket."""
        return sum(counter.errors for counter in self._counters)

    def chip_at(self, address: int) -> int:
        """Return which chip answers for ``address``, counted from the host."""
        return self._setup.index_of(address)

    def silent_chips(self, now: float) -> tuple[int, ...]:
        """Return the chips that have worked for long, but said nothing."""
        exposure = self._exposure.at(now)
        return tuple(
            chip for chip, counter in enumerate(self._counters) if counter.is_silent(exposure)
        )

    def reports(self, now: float) -> tuple[ChipReport, ...]:
        """Return one report for each chip, in the order of the wire."""
        silent = self.silent_chips(now)
        return tuple(
            ChipReport(
                chip=chip,
                address=chip * self.spec.address_interval(self.chips),
                nonces=counter.nonces,
                errors=counter.errors,
                hashes=counter.hashes,
                proven=counter.rate.at(now),
                nominal=self._chip_hashrate,
                silent=chip in silent,
                cores_seen=sum(core.nonces > 0 for core in counter.cores.values()),
                core_errors={n: core.errors for n, core in counter.cores.items() if core.errors},
            )
            for chip, counter in enumerate(self._counters)
        )

    @property
    def _chip_hashrate(self) -> float:
        return self.spec.hashrate(self.mhz) * self._scale

    @property
    def _lasts(self) -> float:
        """Return for how many seconds the chips find something new in the last work."""
        if not self.mhz:
            return _IDLE_AFTER
        lasts = self.spec.search_seconds(self.mhz, self.chips, self._versions) / self._scale
        return min(self.spec.work_part * lasts, _IDLE_AFTER)

    def _check(self, mhz: float) -> None:
        limits = self.spec.frequency
        if not limits.lowest <= mhz <= limits.highest:
            raise ValueError(f"{self.spec.name} takes {limits.lowest:g} to {limits.highest:g} MHz")

    def _follow(self, work: Work) -> bytes:
        """Return the frames that fit the chips to ``work``.

        Once in a round of slots they go out unchanged, and when an answer shows that they were
        missed: a frame that was lost must not do harm for long.
        """
        setup = self._setup
        again = self._missed_settings or self._jobs_sent % len(self._slots) == 0
        self._missed_settings = False
        ticket = ticket_difficulty(
            work.target,
            self.spec.hashrate(self.mhz),
            self._nonces_per_second,
            scale=self._scale,
            limit=self.spec.ticket_limit,
        )
        ticket_changed = ticket != setup.ticket
        if ticket_changed:
            setup.ticket = ticket
            self._slots.ticket_changed(ticket)
        mask = work.version_mask & ROLLABLE if self.spec.version_register is not None else 0
        mask_changed, setup.version_mask = mask != setup.version_mask, mask
        frames = setup.ticket_frame() if ticket_changed or again else b""
        return frames + (setup.version_frame() if mask_changed or again else b"")

    def _solution(self, answer: NonceFound) -> ChipSolution | None:
        use = self._slots.find(answer.slot)
        if use is None or answer.midstate >= len(use.versions):
            # Before the first job chips answer the jobs of nothing that open their cores.
            self.dropped.unknown_slot += self._jobs_sent > 0
            return None
        if not use.current:
            self.dropped.stale += 1
            return None
        version = use.versions[answer.midstate] | answer.version_bits
        if answer.version_bits & ~use.work.version_mask:
            self.dropped.outside_mask += 1
            self._missed_settings = True
            return None
        if use.is_repeated(answer.nonce, version):
            self.dropped.duplicate += 1
            return None
        solution = Solution(
            work=use.work, nonce=answer.nonce, version=version, ntime=use.work.ntime
        )
        return ChipSolution(
            solution=solution,
            chip=self._setup.chip_of(answer.nonce),
            core=self._setup.core_of(answer.nonce),
            ticket=use.ticket * self._scale,
        )

    def _begin(self, now: float) -> None:
        """Expect nonces from now on, and take a time without work out of every chip's past."""
        pace = self._chip_hashrate / (self.ticket_difficulty * HASHES_PER_DIFFICULTY)
        idle = self._exposure.begin(now, nonces_per_second=pace, seconds=self._lasts)
        for counter in self._counters_since(now):
            counter.rate.skip(idle)

    def _counters_since(self, now: float) -> list[ChipCounter]:
        if not self._counters:
            heard_at = self._exposure.at(now)
            self._counters = [ChipCounter(start=now, heard_at=heard_at) for _ in range(self.chips)]
        return self._counters
