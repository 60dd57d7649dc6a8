"""The hot path of a chain: a job becomes bytes, bytes become solutions, each in one call stack."""

import asyncio
from collections.abc import Callable

from drivers.api import Context
from drivers.bm13xx.chain import Chain, ChipSolution
from drivers.bm13xx.error_watch import ErrorWatch
from drivers.bm13xx.recovery import Watchdog
from drivers.bm13xx.ticket import HASHES_PER_DIFFICULTY
from drivers.low_yield import YieldWatch


class Mining:
    """Gives a chain work and takes its solutions while it is `on`; every method is a plain call."""

    def __init__(
        self,
        chain: Chain,
        context: Context,
        write: Callable[[bytes], None],
        yields: YieldWatch,
    ) -> None:
        self.watchdog = Watchdog()
        self.errors = ErrorWatch()
        self.yields = yields
        self.is_on = False
        self.has_work = False
        self._chain = chain
        self._miner = context.miner
        self._clock = context.clock
        self._log = context.log
        self._write = write
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Give the chain its first work, and keep it busy from now on."""
        self.is_on = True
        self.assign()

    def stop(self) -> None:
        """Give no more work; what the chips still find in the old one is dropped."""
        self.is_on = self.has_work = False
        self._stop_timer()
        self._chain.forget_work()
        self._expect()

    def job_changed(self, *, clean: bool) -> None:
        """Send new work at once; ``clean`` makes all older work worthless first."""
        if clean:
            self._chain.forget_work()
        if self.is_on:
            self.assign()

    def assign(self) -> None:
        """Send new work, if there is any, and come back before the chips are through with it."""
        self._stop_timer()
        work = self._miner.next_work()
        self.has_work = work is not None
        if work is not None:
            self._write(self._chain.assign(work, self._clock.monotonic()))
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._chain.work_seconds, self.assign)
        self._expect()

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the chips; the transport's ``on_data`` callback."""
        for answer in self._chain.receive_data(data):
            if isinstance(answer, ChipSolution):
                self._found(answer)

    def look(self) -> None:
        """Let those who watch count the time."""
        self._expect()

    def _found(self, found: ChipSolution) -> None:
        difficulty = self._miner.found(found.solution)
        if self._chain.record(found, difficulty, self._clock.monotonic()):
            self.watchdog.found()
            return
        self.errors.erred()
        nonce = f"{found.solution.nonce:08x}"
        self._log.debug("nonce.invalid", nonce=nonce, chip=found.chip, core=found.core)

    def _expect(self) -> None:
        chain, pace = self._chain, 0.0
        if self.has_work:
            pace = chain.nominal_hashrate / (chain.ticket_difficulty * HASHES_PER_DIFFICULTY)
        now = self._clock.monotonic()
        self.watchdog.expect(now, pace)
        self.yields.expect(now, pace, chain.nonces)
        self.errors.expect(now, pace)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
