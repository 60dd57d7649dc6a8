"""An emulated Icarus-class device, sans-IO: bytes in, bytes out, and what is to be hashed for real.

It stands for the other end of the wire and knows nothing of the driver: it decodes, encodes and
computes by its own code. `emulated_port` runs it on an event loop.

No machine hashes like such a device, so it has a ``scale``: of the nonces of each work it tries
only that share, in the time in which the real thing tries them all. A work lasts as long as ever,
and a nonce tells as much about the time as ever; the hash rate is ``scale`` times the real one.
It tells hashes from difficulty ``ticket`` on, where a real one would from 1; by default that is
no more than ``scale``, so that it finds at least as many nonces as the real thing.

Source: see `emulated_models`. Assumed, as nobody has written it down: what a Rockminer does with a
task that it did not ask for, which is to begin with it at once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.icarus.emulated_models import EmulatedModel, Talk
from drivers.icarus.emulated_orders import Frequency, Job, Order, OrderReader, Voltage
from drivers.icarus.emulated_sweep import Search, Sweep, told_target
from drivers.icarus.emulated_table import known_nonces
from drivers.peripherals.emulated_faults import NO_FAULTS, Faults, due
from drivers.transports.noise import RandomNoise

if TYPE_CHECKING:
    from random import Random

BAUD_RATE = 115200

BROWN_OUT_SECONDS = 0.5
"""How long a device without enough power stays away; assumed."""

_BAUD_TOLERANCE = 0.05
_NONCES = 1 << 32
_NONCE, _TASK_DONE, _TASK_WANTED = 0, 1, 2
_DEGREES = 52


@dataclass(slots=True)
class _Lane:
    """A chip, or the whole device: what it works on, and for a Rockminer's chip what is next.

    ``wanted`` is the number of the task that was asked for and has not come yet.
    """

    sweep: Sweep | None = None
    job: Job | None = None
    task: int = 0
    wanted: int | None = None
    waiting: Job | None = None


class EmulatedIcarus:
    """One device, as its port shows it; ``now`` is in seconds and never decreases.

    ``faults`` and ``host_baud`` (None: any is right) may be changed at any time. ``nonces`` counts
    what was told, ``works`` what was taken, ``missed`` nonces that this machine was too slow for,
    and ``brown_outs`` how often the supply was too weak.
    """

    def __init__(
        self,
        model: EmulatedModel,
        *,
        random: "Random",
        scale: float | None = None,
        ticket: float | None = None,
        baud_rate: int = BAUD_RATE,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self.model = model
        self.name = model.name
        self.scale = model.usual_scale if scale is None else scale
        self.ticket = model.usual_ticket(self.scale) if ticket is None else ticket
        if not (0 < self.scale <= 1 and 0 < self.ticket <= 1):
            raise ValueError(f"scale {scale} and ticket {ticket} must be above 0 and at most 1")
        self.faults = faults
        self.host_baud: int | None = None
        self.nonces = 0
        self.works = 0
        self.missed = 0
        self.mhz = model.mhz
        self.volts: float | None = None
        self._random = random
        self._baud_rate = baud_rate
        self._target = told_target(self.ticket)
        self.brown_outs = 0
        self._began: float | None = None
        self._starved_until = -math.inf
        self.plugged_in()

    # -- the wire

    def receive_data(self, data: bytes, now: float) -> bytes:
        """Return what is said by the time ``now``, at which the host has sent ``data``."""
        answer = self.due(now)
        heard = self._noise(data) if self._understood else self._random.randbytes(len(data))
        said = b"".join(self._obey(order, now) for order in self._reader.feed(heard, now))
        return answer + self._spoken(said)

    def due(self, now: float) -> bytes:
        """Return what is said by the time ``now``."""
        return self._spoken(b"".join(self._progress(number, now) for number in self._numbers))

    @property
    def next_due(self) -> float | None:
        """Return when there may be something to say, None while nothing is worked on."""
        running = [lane.sweep.next_due for lane in self._lanes if lane.sweep]
        return min(running, default=None)

    def plugged_in(self) -> None:
        """Start anew, as with the power switched off and on."""
        self.mhz = self.model.mhz
        self.volts = None
        self._reader = OrderReader(self.model.talk)
        self._lanes = tuple(_Lane() for _ in range(self.model.lanes))
        self._late = b""

    def unplugged(self, now: float) -> bool:
        """Return whether the port is gone by the time ``now``."""
        if self._began is None:
            self._began = now
        elapsed = now - self._began
        gone = due(self.faults.unplug_after, elapsed)
        return self._is_starved(now) or (gone and not due(self.faults.replug_after, elapsed))

    def _is_starved(self, now: float) -> bool:
        """Return whether the supply has broken down under the load, and is not up again."""
        limit, is_busy = self.faults.browns_out_above, any(lane.sweep for lane in self._lanes)
        if limit is not None and is_busy and (self.mhz or 0.0) > limit:
            self.plugged_in()
            self.brown_outs += 1
            self._starved_until = now + BROWN_OUT_SECONDS
        return now < self._starved_until

    # -- the hashing

    def search(self, now: float) -> Search | None:
        """Return what is to be hashed next, None when nothing is; give the result to `found`."""
        for lane in self._lanes:
            if lane.sweep and now < lane.sweep.ends and (search := lane.sweep.search()):
                return search
        return None

    def found(self, search: Search, counters: Sequence[int]) -> None:
        """Take what ``search`` has found; dropped when other work has come meanwhile."""
        for lane in self._lanes:
            if lane.sweep and lane.sweep.number == search.number:
                lane.sweep.add(counters)

    @property
    def hashrate(self) -> float:
        """Return the hashes per second being done: the real thing's times scale."""
        busy = sum(lane.sweep is not None for lane in self._lanes)
        return self.model.rate_at(self.mhz) * self.scale * busy / len(self._lanes)

    # -- inside

    @property
    def _numbers(self) -> range:
        return range(len(self._lanes))

    @property
    def _understood(self) -> bool:
        rate = self.host_baud
        return rate is None or abs(rate - self._baud_rate) <= _BAUD_TOLERANCE * self._baud_rate

    def _obey(self, order: Order, now: float) -> bytes:
        match order:
            case Job() if order.lane < len(self._lanes):
                late, self._late = self._late, b""
                return late + self._take(order, now)
            case Frequency(mhz=mhz, register=register):
                self._run_at(now, self._mhz_of(register) if mhz is None else mhz)
            case Voltage(volts=volts):
                self.volts = volts
        return b""

    def _take(self, job: Job, now: float) -> bytes:
        self.works += 1
        lane = self._lanes[job.lane]
        if self.model.talk is not Talk.ROCKMINER:
            self._begin(lane, job, now)
            return b""
        self.mhz = job.mhz
        if lane.sweep and lane.wanted is not None:
            lane.waiting, lane.wanted = job, None
            return b""
        lane.task, lane.wanted, lane.waiting = 0, 1, None
        self._begin(lane, job, now)
        return self._task_frame(_TASK_WANTED, job.lane, 1)

    def _begin(self, lane: _Lane, job: Job, now: float) -> None:
        if lane.sweep:
            lane.sweep.abandon()
        tries = max(1, round(_NONCES * self.scale))
        lane.job = job
        lane.sweep = Sweep(
            number=self._random.getrandbits(64),
            midstate=job.midstate,
            tail=job.tail,
            target=self._target,
            started=now,
            seconds=self._seconds,
            parts=self.model.parts,
            first=self._random.randrange(_NONCES - tries + 1),
            tries=tries,
            known=known_nonces(job.midstate, job.tail, self.model.parts),
        )

    @property
    def _seconds(self) -> float:
        """Return how long a lane takes for all nonces."""
        return _NONCES / (self.model.rate_at(self.mhz) / len(self._lanes))

    def _progress(self, number: int, now: float) -> bytes:
        lane = self._lanes[number]
        said = b""
        while lane.sweep and lane.job:
            sweep, job = lane.sweep, lane.job
            for counter in sweep.tell(now, only_one=self.model.stops_after_nonce):
                said += self._told(counter, number, lane, job)
            if not sweep.is_over:
                break
            self.missed += 0 if self.model.stops_after_nonce else sweep.abandon()
            lane.sweep = None
            said += self._next_task(number, lane, sweep.ends)
        return said

    def _next_task(self, number: int, lane: _Lane, now: float) -> bytes:
        """Return what a Rockminer's chip says at the end of a task, and go on with the next."""
        if self.model.talk is not Talk.ROCKMINER or number in self.faults.mute:
            return b""
        done, job = lane.task, lane.waiting
        said = self._task_frame(_TASK_DONE, number, done)
        lane.waiting = None
        if job is None:
            return said
        lane.task, lane.wanted = 1 - done, done
        self._begin(lane, job, now)
        return said + self._task_frame(_TASK_WANTED, number, done)

    def _told(self, counter: int, number: int, lane: _Lane, job: Job) -> bytes:
        """Return what is sent for a nonce: usually just its frame."""
        chance = self._random.random
        if number in self.faults.mute:
            return b""
        self.nonces += 1
        if chance() < max(self.faults.wrong_nonce, self._overclocking):
            counter ^= self._random.randrange(1, 1 << 16)
        frame = self._frame(counter, number, lane, job)
        if chance() < self.faults.late:
            self._late += frame
            return b""
        return frame * 2 if chance() < self.faults.duplicate else frame

    def _frame(self, counter: int, number: int, lane: _Lane, job: Job) -> bytes:
        nonce = counter.to_bytes(4, "big")
        match self.model.talk:
            case Talk.ANTMINER:
                return nonce + bytes((job.tag & 0x1F | self._random.randrange(8) << 5,))
            case Talk.ROCKMINER:
                return nonce + bytes((_NONCE, number, lane.task, _DEGREES))
            case _:
                return nonce

    def _task_frame(self, what: int, number: int, task: int) -> bytes:
        if number in self.faults.mute:
            return b""
        return bytes((0, 0, 0, 0, what, number, task, _DEGREES))

    @property
    def _overclocking(self) -> float:
        """Return the share of nonces that go wrong because of too high a frequency."""
        beyond = (self.mhz or 0.0) / self.model.most_mhz - 1
        return min(max(0.0, 4 * beyond), 0.9)

    def _mhz_of(self, register: int) -> float:
        m, n, od = register >> 7 & 0x3F, register >> 2 & 0x0F, register & 3
        return self.model.clock_unit * (m + 1) / ((n + 1) << od)

    def _run_at(self, now: float, mhz: float) -> None:
        if self.mhz is None:
            return
        self.mhz = mhz
        for lane in self._lanes:
            if lane.sweep:
                lane.sweep.change_speed(now, self._seconds)

    def _spoken(self, data: bytes) -> bytes:
        return self._noise(data) if self._understood else self._random.randbytes(len(data))

    def _noise(self, data: bytes) -> bytes:
        faults = self.faults
        if not (data and (faults.drop or faults.flip or faults.insert)):
            return data
        return RandomNoise(
            random=self._random, drop=faults.drop, flip=faults.flip, insert=faults.insert
        )(data)
