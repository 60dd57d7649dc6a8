"""A chain of emulated chips, sans-IO: bytes in, bytes out, and what is to be hashed for real.

It stands for the other end of the wire and knows nothing of the driver: it decodes, encodes and
computes by its own code, from the descriptions of the chips alone. `emulated_port` runs it on an
event loop, `emulated_boards` puts it on a board with a control port.

No machine hashes like a chip, so a chain has a ``scale``: its hash rate and its ticket difficulty
are that many times what its registers say. Registers, counters included, say what a real chip's
would. What a job gives the chips to try is as much as ever, so it lasts that much longer.

A strict chain takes a job only after a complete set-up, takes addresses only when it was made
inactive, and stops at a PLL setting that a real one would not lock to. A lenient one works as far
as its registers allow: the shortest start ever seen on a wire is enough for it.

Source: see the modules it is made of, `emulated_models`, `emulated_chip`, `emulated_orders`,
`emulated_jobs`, `emulated_replies`, `emulated_space`.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from drivers.bm13xx.emulated_chip import EmulatedChip, Surroundings
from drivers.bm13xx.emulated_jobs import EmulatedJob
from drivers.bm13xx.emulated_models import ChipModel
from drivers.bm13xx.emulated_orders import Inactive, Order, OrderReader, Read, SetAddress, Write
from drivers.bm13xx.emulated_plan import Assignment, Plan
from drivers.bm13xx.emulated_replies import nonce_frame, register_frame
from drivers.bm13xx.emulated_search import Hit, Search
from drivers.bm13xx.emulated_table import known_nonces
from drivers.peripherals.emulated_faults import NO_FAULTS, Faults
from drivers.peripherals.emulated_silicon import Silicon
from drivers.transports.noise import RandomNoise

if TYPE_CHECKING:
    from random import Random

DEFAULT_SCALE = 2.0**-18
MAX_CHIPS = 256

_BAUD_TOLERANCE = 0.05  # 1 Mbaud is told to chips at 1.0417 M, and that works
_PAUSE = 0.1  # s; a frame begun and not gone on with for so long is forgotten
_CATCH_UP = 0.25  # s; hashes that this machine is later with are never done
_ALIVE_VOLTS = 0.1
_MOST_LATE = 1100  # bytes


class EmulatedChain:
    """``count`` chips of one model that answer as the real ones do.

    ``faults``, ``host_baud`` and ``silicon`` (which makes chips that are too fast err) may be
    changed at any time. ``refusals`` holds the newest reasons
    why a real chip would not have done as it was told. ``nonces`` counts responses, and ``missed``
    the hashes that were due but that this machine was too slow for.
    """

    def __init__(
        self,
        model: ChipModel,
        count: int = 1,
        *,
        random: "Random",
        scale: float = DEFAULT_SCALE,
        strict: bool = True,
        faults: Faults = NO_FAULTS,
    ) -> None:
        if not 1 <= count <= MAX_CHIPS:
            raise ValueError(f"a chain has 1 to {MAX_CHIPS} chips, not {count}")
        if not 0 < scale <= 1:
            raise ValueError(f"scale must be above 0 and at most 1, not {scale}")
        self.model = model
        self.scale = scale
        self.faults = faults
        self.host_baud: int | None = None
        self.silicon: Silicon | None = None
        self.surroundings = Surroundings(temperature=45.0, volts=1.2)
        self.refusals: deque[str] = deque(maxlen=100)
        self.nonces = 0
        self.missed = 0.0
        self.chips = tuple(EmulatedChip(model, index, strict=strict) for index in range(count))
        self._strict = strict
        self._random = random
        self._in_reset = False
        self._now: float | None = None
        self._heard_at: float | None = None
        self._job_number = 0
        self._start_over()

    # -- the wire

    def receive_data(self, data: bytes) -> bytes:
        """Return the chips' answer to ``data``; what they do not understand is met with silence."""
        if self.dead:
            return b""
        self._heard_at = None
        answer = b"".join(self._obey(order) for order in self._reader.feed(self._heard(data)))
        return self._noise(answer)

    def hold_reset(self, *, low: bool) -> None:
        """Set the level of the reset line; while it is low the chips are dead."""
        if low and not self._in_reset:
            self._start_over()
        self._in_reset = low

    def set_volts(self, volts: float) -> None:
        """Set the core voltage of a chip; without it the chips are dead and forget everything."""
        if volts < _ALIVE_VOLTS <= self.surroundings.volts:
            self._start_over()
        if volts != self.surroundings.volts:
            self.surroundings = Surroundings(temperature=self.surroundings.temperature, volts=volts)

    def set_temperature(self, temperature: float) -> None:
        """Set what a chip's own thermometer would read, in degrees Celsius."""
        if temperature != self.surroundings.temperature:
            self.surroundings = Surroundings(temperature=temperature, volts=self.surroundings.volts)

    @property
    def dead(self) -> bool:
        """Return whether the chips are in reset or without power."""
        return self._in_reset or self.surroundings.volts < _ALIVE_VOLTS

    # -- the hashing

    def search(self, now: float) -> Search | None:
        """Return what must be hashed now to keep the chain's rate, None when nothing is due.

        ``now`` is in seconds and never decreases. Give the hits to `responses` before the next
        call, or drop them.
        """
        elapsed = 0.0 if self._now is None else max(0.0, now - self._now)
        self._now = now
        self._notice_pause(now)
        plan = self._current_plan()
        if plan is None:
            self._owed = 0.0
            return None
        for chip, speed in plan.speeds:
            chip.hashes += speed * elapsed
        self._owed += plan.rate * elapsed
        most = plan.rate * _CATCH_UP + plan.dearest
        self.missed += max(0.0, self._owed - most)
        search, done = plan.search(min(self._owed, most))
        self._owed = min(self._owed, most) - done
        return search

    def responses(self, search: Search, hits: Sequence[Hit]) -> bytes:
        """Return the nonce responses that the ``hits`` of ``search`` earn.

        Empty when another job came meanwhile, or for hits that no chip would have looked at.
        """
        plan, job = self._current_plan(), self._assignment
        if plan is None or job is None or search.job_number != job.number:
            return b""
        return self._noise(b"".join(self._found(plan, job.job, hit) for hit in hits))

    @property
    def hashrate(self) -> float:
        """Return the hashes per second being done: nominal times scale; 0 without a job."""
        plan = self._current_plan()
        return plan.rate if plan else 0.0

    @property
    def activity(self) -> float:
        """Return the mean MHz of the chips as far as it costs power: a third of it when idle."""
        if self.dead:
            return 0.0
        mhz = [chip.mhz if chip.has_job and chip.mhz else chip.clock_mhz / 3 for chip in self.chips]
        return sum(mhz) / len(mhz)

    # -- inside

    def _start_over(self) -> None:
        for chip in self.chips:
            chip.reset()
        self._reader = OrderReader(self.model.form)
        self._assignment: Assignment | None = None
        self._plan: Plan | None = None
        self._owed = 0.0
        self._late = b""

    def _obey(self, order: Order) -> bytes:
        match order:
            case Read(address, register):
                return self._answer(address, register)
            case EmulatedJob():
                return self._take_job(order)
            case SetAddress(address):
                self._assign(address)
            case Inactive():
                for chip in list(self._reached()):
                    chip.deactivate()
            case Write(target, register, value):
                for chip in self._reached(target):
                    self._refuse(chip, chip.write(register, value))
        self._plan = None
        return b""

    def _reached(self, address: int | None = None) -> Iterator[EmulatedChip]:
        """Yield the chips an order gets to: all of them up to one that does not relay."""
        for chip in self.chips:
            if self._understands(chip) and address in {None, chip.address}:
                yield chip
            if not chip.relaying:
                return

    def _assign(self, address: int) -> None:
        for chip in self._reached():
            if chip.address is None or not (self._strict or chip.assigned):
                chip.assign(address)
                return
        self.refusals.append(f"address {address:02x}: no chip is without one")

    def _answer(self, address: int | None, register: int) -> bytes:
        return b"".join(
            register_frame(
                self.model,
                address=chip.address or 0,
                register=register,
                value=chip.read(register, self.surroundings),
                wide=chip.rolls_versions,
            )
            for chip in self._reached(address)
            if chip.index not in self.faults.mute
        )

    def _take_job(self, job: EmulatedJob) -> bytes:
        self._plan, late, self._late = None, self._late, b""
        self._job_number += 1
        self._assignment = Assignment(job, self._job_number, self._random)
        for chip in self.chips:
            chip.has_job = False
        reached = list(self._reached())
        known = known_nonces(job, reached[0].cores_opened) if reached else ()
        for chip in reached:
            chip.cores_opened += job.opens_cores
            missing = chip.missing_setup() if self._strict else ""
            chip.has_job = not missing and not job.opens_cores
            self._refuse(chip, missing and f"a job before it has {missing}")
        frames = [
            nonce_frame(
                self.model, nonce=nonce, job_byte=job.job_byte, part=0, excess=0, rolled=None
            )
            for nonce in known
        ]
        return late + b"".join(frames)

    def _current_plan(self) -> Plan | None:
        if self._plan is None and self._assignment and not self.dead:
            hashing = [chip for chip in self.chips if chip.has_job and chip.mhz]
            if hashing:
                self._plan = Plan(self.model, hashing, self._assignment, self.scale)
        return self._plan

    def _found(self, plan: Plan, job: EmulatedJob, hit: Hit) -> bytes:
        frames = b""
        for walk in plan.owners(hit.nonce):
            chip = self.chips[walk.chip]
            extra = max(0, chip.ticket_bits - plan.ticket_bits)
            beaten = walk.share < 1 and self._random.random() >= walk.share
            if beaten or hit.excess < extra or chip.index in self.faults.mute:
                continue
            frames += self._sent(chip, self._nonce_frame(plan, chip, job, hit, extra))
        return frames

    def _nonce_frame(
        self, plan: Plan, chip: EmulatedChip, job: EmulatedJob, hit: Hit, extra: int
    ) -> bytes:
        part, rolled, nonce = hit.label, None, hit.nonce
        if job.head:
            sub_core = plan.sub_core(hit.label)
            part = self._random.randrange(self.model.sub_cores) if sub_core is None else sub_core
            part ^= 4 * (self._random.random() < self.model.sub_core_slips)
            rolled = hit.label if chip.rolls_versions else None
        if self._random.random() < max(self.faults.wrong_nonce, self._error_ratio(chip)):
            nonce ^= self._random.randrange(1, 1 << 16)
        return nonce_frame(
            self.model,
            nonce=nonce,
            job_byte=job.job_byte,
            part=part,
            excess=hit.excess - extra,
            rolled=rolled,
        )

    def _error_ratio(self, chip: EmulatedChip) -> float:
        around = self.surroundings
        if self.silicon is None:
            return 0.0
        return self.silicon.error_ratio(chip.mhz, around.volts, around.temperature, chip.index)

    def _sent(self, chip: EmulatedChip, frame: bytes) -> bytes:
        """Return what a chip puts on the line for one nonce: usually just the frame."""
        self.nonces += 1
        chance = self._random.random
        if not self._understands(chip):
            return self._random.randbytes(len(frame))
        if chance() < self.faults.bad_crc:
            frame = frame[:-1] + bytes([frame[-1] ^ self._random.randrange(1, 32)])
        if chance() < self.faults.late:
            self._late = (self._late + frame)[-_MOST_LATE:]
            return b""
        return frame * 2 if chance() < self.faults.duplicate else frame

    def _understands(self, chip: EmulatedChip) -> bool:
        rate = self.host_baud
        return rate is None or abs(rate - chip.baud) <= _BAUD_TOLERANCE * chip.baud

    def _heard(self, data: bytes) -> bytes:
        if any(self._understands(chip) for chip in self.chips):
            return self._noise(data)
        return self._random.randbytes(len(data))

    def _noise(self, data: bytes) -> bytes:
        faults = self.faults
        if not (data and (faults.drop or faults.flip or faults.insert)):
            return data
        return RandomNoise(
            random=self._random, drop=faults.drop, flip=faults.flip, insert=faults.insert
        )(data)

    def _notice_pause(self, now: float) -> None:
        if self._heard_at is None:
            self._heard_at = now
        elif now - self._heard_at >= _PAUSE:
            self._reader.forget()

    def _refuse(self, chip: EmulatedChip, reason: str) -> None:
        if reason:
            self.refusals.append(f"chip {chip.index}: {reason}")
