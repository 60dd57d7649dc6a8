"""Recordings made of real runs: the real client at the real embedded pool, a recorder between."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from drivers.api import PortInfo, Solution, Work
from stratum_client.clock import SystemClock
from stratum_client.config import Config
from stratum_client.emulated_pool.chain import ChainSettings
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.miner import Miner, Seat
from stratum_client.pool import Pool
from stratum_client.recording.reader import Run, read_recording
from stratum_client.recording.recorder import Recorder
from tests.e2e.rig import DIFFICULTY, SHORT, Bench, LoopHasher, config_for
from tests.stand_ins import RecordingLog

USER = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4.rig-17"
PATIENT = replace(
    SHORT,
    configure=4.0,
    subscribe=4.0,
    authorize=4.0,
    silence=20.0,
    first_job=20.0,
    submit=20.0,
    submit_lost=20.0,
    write=20.0,
)
"""No deadline passes in a run: within a microsecond of a tick, it might do so otherwise then."""

PASSWORD = "dont-tell-anybody"


class _Place:
    """A seat with a recorder in front of it."""

    def __init__(self, recorder: Recorder, seat: Seat) -> None:
        self._seat = seat
        self._recorder = recorder
        self._miner = recorder.miner(seat.name, seat)

    @property
    def listener(self) -> object:
        return self._seat.listener

    @listener.setter
    def listener(self, listener: LoopHasher | None) -> None:
        self._seat.listener = _Told(self._recorder, self._seat.name, listener) if listener else None

    def next_work(self) -> Work | None:
        return self._miner.next_work()

    def found(self, solution: Solution) -> float:
        return self._miner.found(solution)


@dataclass
class _Told:
    recorder: Recorder
    name: str
    listener: LoopHasher

    def job_changed(self, *, clean: bool) -> None:
        self.recorder.told(self.name, clean=clean)
        self.listener.job_changed(clean=clean)


def recorded_place(recorder: Recorder, seat: Seat) -> Seat:
    """Return ``seat`` with a recorder in front of it."""
    return _Place(recorder, seat)  # type: ignore[return-value]  # a seat as far as it goes


@contextlib.asynccontextmanager
async def recorded(
    file: Path, *, settings: PoolSettings | None = None, **options: Any
) -> AsyncIterator[Bench]:
    """Mine with two hashers, everything recorded in ``file``; ``options`` are the recorder's."""
    chain = ChainSettings(network_difficulty=1.0, branches=3)
    base = PoolSettings(difficulty=DIFFICULTY, vardiff="off", chain=chain)
    clock, log = SystemClock(), RecordingLog()
    async with EmulatedPool(settings or base, clock=clock, random=Random(7)) as server:
        config = config_for(
            server, user=USER, password=PASSWORD, suggest_difficulty="auto", deadlines=PATIENT
        )
        recorder = Recorder(
            file,
            Config(pools=(config,)),
            clock=clock,
            log_for=lambda _: log,
            **{"warn": recorded_warnings(log), **options},
        )
        miner = Miner(clock)
        recorder.tally = miner.tally
        pool = Pool(
            config,
            miner,
            clock=clock,
            random=Random(7),
            log=recorder.log_for("pool"),
            hashrate=recorder.hashrate("pool", lambda: 200.0),
            rim=recorder.pool("pool"),
        )
        hashers = []
        for name in ("first", "second"):
            recorder.opening(name, "test", PortInfo(), {})
            hashers.append(LoopHasher(recorded_place(recorder, miner.seat(name))))
        try:
            async with asyncio.TaskGroup() as group:
                talking = group.create_task(pool.run())
                hashing = [group.create_task(hasher.run()) for hasher in hashers]
                yield Bench(server=server, pool=pool, miner=miner, log=log)
                recorder.stopping()
                for task in hashing:
                    task.cancel()
                await asyncio.wait(hashing)
                await pool.drain(1.0)
                talking.cancel()
        finally:
            recorder.close(wait=60.0)


def recorded_warnings(log: RecordingLog) -> Callable[[str], None]:
    return lambda reason: log.warning("recording.ended", reason=reason)


def last_run(file: Path) -> Run:
    return read_recording(file)[-1]
