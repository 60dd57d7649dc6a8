"""The hub between pools and devices: jobs in, work out, solutions in, shares out.

Synchronous, and the only place that counts extranonce2, so that no two devices ever search the
same header. It knows no connection: a pool is a `PoolLink`, a device something to call.
"""

from typing import Protocol

from drivers.api import Clock, Solution
from drivers.header import difficulty_of
from stratum_client.job import CoinbasePrefix, Fate, Job, PoolWork, Share
from stratum_client.tally import Tally

MAX_JOBS = 64
JOB_LIFE = 600.0
"""Seconds that a job stays submit-able when the pool never says otherwise."""

MAX_NTIME_ROLL = 600
"""Seconds that ntime may run ahead of the job's own; the strictest pool known allows this."""

MAX_SEARCH_SPACES = 16

MAX_JUDGED = 1 << 14
"""So many shares are remembered by their hashes, to know a repeated one by."""


class PoolLink(Protocol):
    """What the miner may ask of a pool."""

    def submit(self, share: Share) -> None:
        """Send a share, or keep it until that is possible."""
        ...


class JobListener(Protocol):
    """What the miner may ask of a device."""

    def job_changed(self, *, clean: bool) -> None:
        """Fetch new work; ``clean`` means at once."""
        ...


class WorkPlan(Protocol):
    """Who says where work comes from."""

    def pool_for(self, seat: str) -> str | None:
        """Return the pool that the seat's next work comes from, None for no work."""
        ...

    def seat_left(self, seat: str, now: float) -> None:
        """Take note that a seat's device is gone for good, or until it is asked for again."""
        ...


class ShareWitness(Protocol):
    """Who is told of every share: when it is found, and once when its fate is known."""

    def found(self, share: Share) -> None:
        """Take note of a share; it is sent after this returns."""
        ...

    def ended(self, share: Share, fate: Fate, reason: str) -> None:
        """Take note of a share's end; also told of duplicates, which were never found."""
        ...


class _LiveJob:
    """A job that shares may still be submitted for."""

    def __init__(self, job: Job, twin: "_LiveJob | None") -> None:
        self.job = job
        self.prefix = CoinbasePrefix(job)
        self.given: int = twin.given if twin else 0
        self.ntime_roll: int = twin.ntime_roll if twin else 0


class _PoolSide:
    """One pool's jobs and search spaces; a ``held`` job is worked on for nobody."""

    def __init__(self, link: PoolLink, tally: Tally, *, submit_stale: bool) -> None:
        self.link = link
        self.submit_stale = submit_stale
        self.held = False
        self.tally = tally
        self.current: _LiveJob | None = None
        self.live: dict[int, _LiveJob] = {}
        self.counters: dict[tuple[bytes, int], int] = {}


class Seat:
    """One device's place at the miner; implements `drivers.api.Miner`.

    ``pool`` is where its last work came from, None when there was none.
    """

    def __init__(self, hub: "Miner", name: str, tally: Tally) -> None:
        self.name = name
        self.tally = tally
        self.listener: JobListener | None = None
        self.waits = False
        self.pool: str | None = None
        self._hub = hub

    def next_work(self) -> PoolWork | None:
        """Return fresh work that no other device has, or None when there is nothing to do."""
        work = self._hub.next_work(self.name)
        self.waits = work is None
        self.pool = work.job.session.pool if work else None
        return work

    def found(self, solution: Solution) -> float:
        """Check a claimed solution, submit it if it is a share; return its true difficulty."""
        return self._hub.found(solution, self)


class Miner:
    """Everything between `mining.notify` and `mining.submit` that is not bytes.

    Until told to follow a plan, all work comes from the first pool that has a job. With
    ``hold_jobs`` devices go on with the job of a pool that is gone, for nobody, to stay warm.
    """

    def __init__(self, clock: Clock, *, extranonce2_start: int = 0) -> None:
        self.hold_jobs = False
        self.seats: dict[str, Seat] = {}
        self.witness: ShareWitness | None = None
        self.tally = Tally.starting(clock.monotonic())
        self._clock = clock
        self._extranonce2_start = extranonce2_start
        self._pools: dict[str, _PoolSide] = {}
        self._parted: dict[str, PoolLink] = {}
        self._kept: dict[str, Tally] = {}
        self._judged: dict[tuple[str, int], None] = {}
        self._plan: WorkPlan | None = None

    # --- pools ---

    def add_pool(self, name: str, link: PoolLink, *, submit_stale: bool = False) -> Tally:
        """Take a pool in; return the tally kept for it.

        With ``submit_stale`` it is sent shares of jobs that it has called off.
        """
        tally = self._kept.pop(name, None) or Tally.starting(self._clock.monotonic())
        self._pools[name] = _PoolSide(link, tally, submit_stale=submit_stale)
        return tally

    def remove_pool(self, name: str, *, comes_back: bool = False) -> None:
        """Forget a pool and its jobs; of what is still found for it only blocks are passed on.

        ``comes_back``: its tally is kept for the pool of that name to come.
        """
        side = self._pools.pop(name)
        self._parted[name] = side.link
        if comes_back:
            self._kept[name] = side.tally
        self.plan_changed()

    def forget_tally(self, name: str) -> None:
        """Let go of what was kept of a pool that does not come back after all."""
        self._kept.pop(name, None)

    def follow(self, plan: WorkPlan) -> None:
        """Take work from where ``plan`` says from now on."""
        self._plan = plan
        self.plan_changed()

    def plan_changed(self) -> None:
        """Let each device whose work comes from another pool now fetch it, in this very call.

        Older work is not called worthless then: late nonces go to the pool of their job.
        """
        for seat in self.seats.values():
            if seat.listener is None:
                continue
            side = self._side_for(seat.name)
            wanted = side.current.job.session.pool if side and side.current else None
            if wanted != seat.pool:
                seat.listener.job_changed(clean=wanted is None)

    def job_arrived(self, job: Job) -> None:
        """Make ``job`` the one that devices mine for its pool from now on."""
        side = self._pools[job.session.pool]
        last = side.current.job if side.current and not side.held else None
        clean = job.clean or last is None or not _may_go_on(last, job)
        twin = next((t for t in side.live.values() if t.job.is_same_task(job)), None)
        if clean:
            side.live.clear()
        self._expire(side, job)
        side.current = side.live[job.serial] = _LiveJob(job, twin)
        side.held = False
        self._tell_devices(side, clean=clean)

    def pool_gone(self, name: str) -> None:
        """Forget a pool's jobs: it has been away too long for them to be worth anything."""
        side = self._pools.get(name)
        if side is None or side.current is None or side.held:
            return
        side.live.clear()
        if self.hold_jobs:
            side.held = True
            return
        working = [
            seat.listener
            for seat in self.seats.values()
            if seat.listener and (name == seat.pool or self._side_for(seat.name) is side)
        ]
        side.current = None
        for listener in working:
            listener.job_changed(clean=True)

    def search_from(self, name: str, extranonce1: bytes, size: int, counter: int) -> None:
        """Count extranonce2 from ``counter`` in a space that an earlier process has searched."""
        self._pools[name].counters[extranonce1, size] = counter

    def current_job(self, name: str) -> Job | None:
        """Return the job that is mined for a pool, None for a pool that is not there."""
        side = self._pools.get(name)
        return side.current.job if side and side.current and not side.held else None

    def holds_job(self, name: str) -> bool:
        """Return whether devices go on with the job of a pool that is gone, for nobody."""
        side = self._pools.get(name)
        return side is not None and side.held

    def share_ended(self, share: Share, fate: Fate, reason: str = "") -> None:
        """Count what became of a share; pools call this once for each they were given."""
        if self.witness:
            self.witness.ended(share, fate, reason)
        now = self._clock.monotonic()
        if side := self._pools.get(share.job.session.pool):
            side.tally.ended(share, fate, now, reason)
        self.tally.ended(share, fate, now, reason)
        if seat := self.seats.get(share.device):
            seat.tally.ended(share, fate, now, reason)

    def wake_waiting(self) -> None:
        """Offer work again to devices that got none: time may have opened a search space."""
        for seat in self.seats.values():
            if seat.waits and seat.listener and self._has_work(seat.name):
                seat.listener.job_changed(clean=False)

    # --- devices ---

    def seat(self, name: str) -> Seat:
        """Return the place of the device called ``name``, the same one after a restart."""
        if name not in self.seats:
            self.seats[name] = Seat(self, name, Tally.starting(self._clock.monotonic()))
        return self.seats[name]

    def seat_left(self, name: str) -> None:
        """Deal no work to a device that is gone; its seat and its counts stay for a namesake."""
        if self._plan:
            self._plan.seat_left(name, self._clock.monotonic())

    def next_work(self, seat: str = "") -> PoolWork | None:
        """Return work for a seat, with an extranonce2 (and ntime) that nobody has had, or None."""
        side = self._side_for(seat)
        if side is None or side.current is None:
            return None
        live = side.current
        job = live.job
        if live.given >= job.extranonce2_count and not self._roll_ntime(live):
            return None
        live.given += 1
        space = job.extranonce1, job.extranonce2_size
        counter = side.counters.get(space, self._extranonce2_start) % job.extranonce2_count
        side.counters.pop(space, None)
        side.counters[space] = counter + 1
        if len(side.counters) > MAX_SEARCH_SPACES:
            del side.counters[next(iter(side.counters))]
        return live.prefix.work(job.extranonce2(counter), job.ntime + live.ntime_roll)

    def found(self, solution: Solution, seat: Seat) -> float:
        """Take a device's claim: hash it, judge it, pass it on; return its true difficulty."""
        work, value = solution.work, solution.hash()
        if not isinstance(work, PoolWork):
            raise TypeError("a solution must carry the work it was given")
        job = work.job
        is_block = value <= job.network_target
        if (value > work.target and not is_block) or not _is_legal(solution, work):
            return difficulty_of(value)
        now = self._clock.monotonic()
        share = Share(
            job=job,
            extranonce2=work.extranonce2,
            ntime=solution.ntime,
            nonce=solution.nonce,
            version=solution.version,
            value=value,
            device=seat.name,
            found_at=now,
        )
        self._judge(share, seat, now)
        return difficulty_of(value)

    # --- inside ---

    def _judge(self, share: Share, seat: Seat, now: float) -> None:
        side = self._pools.get(share.job.session.pool)
        live = side.live.get(share.job.serial) if side else None
        key = share.job.session.pool, share.value
        if key in self._judged:
            self.share_ended(share, Fate.DISCARDED, "duplicate")
            return
        self._judged[key] = None
        if len(self._judged) > MAX_JUDGED:
            del self._judged[next(iter(self._judged))]
        if self.witness:
            self.witness.found(share)
        for tally in (self.tally, side.tally if side else None, seat.tally):
            if tally:
                tally.solved(share, now)
        link = side.link if side else self._parted.get(share.job.session.pool)
        if link and share.is_block:
            link.submit(share)
        elif side and (live or (side.submit_stale and not side.held)):
            side.link.submit(share)
        else:
            reason = "stale" if side and not side.held else "of no pool"
            self.share_ended(share, Fate.DISCARDED, reason)

    def _side_for(self, seat: str) -> _PoolSide | None:
        """Return the pool that a seat's next work comes from."""
        if self._plan is None:
            return next((side for side in self._pools.values() if side.current), None)
        return self._pools.get(self._plan.pool_for(seat) or "")

    def _has_work(self, seat: str) -> bool:
        side = self._side_for(seat)
        if side is None or side.current is None:
            return False
        live = side.current
        return live.given < live.job.extranonce2_count or self._may_roll(live)

    def _roll_ntime(self, live: _LiveJob) -> bool:
        """Open the search space of the next second, if real time has reached it."""
        if not self._may_roll(live):
            return False
        live.ntime_roll += 1
        live.given = 0
        return True

    def _may_roll(self, live: _LiveJob) -> bool:
        job, rolled = live.job, live.ntime_roll + 1
        passed = self._clock.monotonic() - job.arrived
        in_time = rolled <= min(passed, MAX_NTIME_ROLL)
        return in_time and job.ntime + rolled <= self._clock.wall()

    def _expire(self, side: _PoolSide, job: Job) -> None:
        """Drop jobs that are too old, too many, or replaced by another task of the same id."""
        for serial, live in list(side.live.items()):
            old = live.job
            replaced = old.job_id == job.job_id and old.session == job.session
            if job.arrived - old.arrived > JOB_LIFE or (replaced and not old.is_same_task(job)):
                del side.live[serial]
        while len(side.live) >= MAX_JOBS:
            del side.live[next(iter(side.live))]

    def _tell_devices(self, side: _PoolSide, *, clean: bool) -> None:
        """Tell those who work for a pool that it has a new job."""
        for seat in self.seats.values():
            if seat.listener and self._side_for(seat.name) is side:
                seat.listener.job_changed(clean=clean)


def _may_go_on(last: Job, job: Job) -> bool:
    """Return whether work on ``last`` is worth something still: its block and its coinbase live."""
    coinbase, new = (
        (last.extranonce1, last.extranonce2_size),
        (job.extranonce1, job.extranonce2_size),
    )
    return last.prev_hash == job.prev_hash and (last.session == job.session or coinbase == new)


def _is_legal(solution: Solution, work: PoolWork) -> bool:
    """Return whether only allowed bits were set and ntime went forward, a little."""
    rolled = solution.version ^ work.version
    only_set = solution.version & work.version == work.version
    ahead = solution.ntime - work.job.ntime
    return not rolled & ~work.version_mask and only_set and 0 <= ahead <= MAX_NTIME_ROLL
