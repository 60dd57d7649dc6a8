"""What ends a device's life early, and what makes it look up before its next look is due."""

import asyncio

from drivers.errors import DriverError


class Failure:
    """The first thing that went wrong since this was made; made on the running event loop.

    Callbacks `report` and `nudge`, the device's coroutine waits. `close` it in the end.
    """

    def __init__(self) -> None:
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._nudged = asyncio.Event()

    def report(self, error: DriverError) -> None:
        """Make every wait raise ``error``; a later one changes nothing."""
        if not self._failed.done():
            self._failed.set_exception(error)
            self._nudged.set()

    def nudge(self) -> None:
        """End the wait of `nudged`."""
        self._nudged.set()

    def check(self) -> None:
        """Raise what was reported."""
        if self._failed.done():
            self._failed.result()

    async def pause(self, seconds: float) -> None:
        """Let ``seconds`` pass; raise what is reported, at once."""
        if seconds > 0:
            await asyncio.wait([self._failed], timeout=seconds)
        self.check()

    async def nudged(self, seconds: float) -> None:
        """Return when nudged, after ``seconds`` at the latest; raise what is reported, at once."""
        try:
            async with asyncio.timeout(seconds):
                await self._nudged.wait()
        except TimeoutError:
            pass
        self._nudged.clear()
        self.check()

    def close(self) -> None:
        """Forget the error: whoever waited has seen it, or was cancelled in that very moment."""
        if not self._failed.cancel():
            self._failed.exception()
