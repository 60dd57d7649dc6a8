"""The hot path of a device: work becomes a packet, bytes become solutions, each in one call."""

import asyncio
import math
from collections.abc import Callable

from drivers.api import Context
from drivers.icarus.exchange import Exchange, Found, Wrong
from drivers.icarus.recovery import Watchdog
from drivers.low_yield import YieldWatch


class Mining:
    """Gives a device work and takes its solutions while it is on; every method is a plain call.

    ``pace`` returns the hashes per second that the device should do.
    """

    def __init__(
        self,
        exchange: Exchange,
        context: Context,
        write: Callable[[bytes], None],
        *,
        pace: Callable[[], float],
        yields: YieldWatch,
    ) -> None:
        self.watchdog = Watchdog()
        self.yields = yields
        self.is_on = False
        self.has_work = False
        self._exchange = exchange
        self._miner = context.miner
        self._clock = context.clock
        self._log = context.log
        self._write = write
        self._pace = pace
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Give the device its first work, and keep it busy from now on."""
        self.is_on = True
        self._exchange.reset()
        self.serve()

    def stop(self) -> None:
        """Give no more work; what is still found in the old one is dropped."""
        self.is_on = self.has_work = False
        self._stop_timer()
        self._exchange.forget_work()
        self.look()

    def job_changed(self, *, clean: bool) -> None:
        """Send new work at once; ``clean`` makes all older work worthless first."""
        if clean:
            self._exchange.forget_work()
        self.send_anew()

    def send_anew(self) -> None:
        """Send new work to the whole device."""
        if self.is_on:
            self._exchange.want_work()
            self.serve()

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the device; the transport's ``on_data`` callback."""
        if self.is_on:
            self._take(self._exchange.receive_data(data, self._clock.monotonic()))
            self.serve()

    def serve(self) -> None:
        """Give work to whatever needs it, and come back when something next does."""
        self._stop_timer()
        now = self._clock.monotonic()
        self._take(self._exchange.look(now))
        for lane in self._exchange.due(now):
            work = self._miner.next_work()
            self.has_work = work is not None
            if work is None:
                break
            self._write(self._exchange.assign(lane, work, now))
        self._expect(now)
        next_due = self._exchange.next_due
        if self.has_work and not math.isinf(next_due):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(next_due - now, 0.0), self.serve)

    def look(self) -> None:
        """Let those who watch count the time."""
        self._expect(self._clock.monotonic())

    def _take(self, events: list[Found | Wrong]) -> None:
        for event in events:
            match event:
                case Found(solution=solution):
                    self._miner.found(solution)
                    self.watchdog.found()
                case Wrong(frame=frame):
                    self._log.debug("nonce.invalid", answer=frame.hex())

    def _expect(self, now: float) -> None:
        pace = self._pace() / self._exchange.hashes_per_nonce if self.has_work else 0.0
        self.watchdog.expect(now, pace)
        self.yields.expect(now, pace, self._exchange.counters.nonces)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
