"""One worker process: how it is started, and the way of work and solutions through its pipe."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from drivers.api import Work
from drivers.cpu.frames import FrameError
from drivers.cpu.link import Event, WorkerLink
from drivers.cpu.rate import ClaimedRate
from drivers.cpu.settings import AUTO, CpuSettings
from drivers.errors import BringUpError, DriverError, TransportLostError
from drivers.transports.pipe import PipeTransport


class WorkerProcess:
    """A running worker; ``on_event`` and ``on_lost`` are called on the event loop.

    ``on_lost`` gets BringUpError before the worker was ready, TransportLostError after.
    """

    def __init__(
        self,
        name: str,
        settings: CpuSettings,
        *,
        now: float,
        on_event: Callable[["WorkerProcess", Event], None],
        on_lost: Callable[[DriverError], None],
    ) -> None:
        """Start the process; raise BringUpError if that fails."""
        self.rate = ClaimedRate(now)
        self._name = name
        self._on_event = on_event
        self._on_lost = on_lost
        self._link = WorkerLink(settings)
        self._transport = PipeTransport(
            _command(settings.kernel),
            name=name,
            on_data=self._received,
            on_lost=self._lost,
            environment=_environment(),
        )
        self._transport.write(self._link.limits())

    @property
    def kernel(self) -> str:
        """Return the name of the kernel in use, "" before the worker is ready."""
        return self._link.kernel

    @property
    def busy(self) -> bool:
        """Return whether the worker has something to search."""
        return self._link.busy

    @property
    def held_back(self) -> bool:
        """Return whether it waits because it finds more than it may report."""
        return self._link.held_back

    def search(self, work: Work | None, now: float) -> None:
        """Search ``work`` instead of what there was; None: search nothing."""
        if work is None:
            self.rate.start(now)
            if self.busy:
                self._transport.write(self._link.stop())
            return
        if not self.busy:
            self.rate.start(now)
        self._transport.write(self._link.assign(work))

    def close(self) -> None:
        """Let the process end; nothing is heard of it any more."""
        self._transport.close()

    async def ended(self) -> None:
        """Return when the process is gone, in less than a second."""
        await self._transport.ended()

    def _received(self, data: bytes) -> None:
        try:
            for event in self._link.receive_data(data):
                self._on_event(self, event)
        except FrameError as error:
            self._transport.close()
            self._lost(TransportLostError(self._name, f"it sent nonsense: {error}"))

    def _lost(self, error: TransportLostError) -> None:
        self._on_lost(error if self.kernel else BringUpError(error.port, error.reason))


def _command(kernel: str) -> list[str]:
    named = [] if kernel == AUTO else [kernel]
    return [sys.executable, "-P", "-m", "drivers.cpu.worker", *named]


def _environment() -> dict[str, str] | None:
    """Return what makes the worker import this very copy of the package; None if it will anyway.

    Needed where we run from a source tree that is not installed: the worker's Python looks neither
    into the current directory nor at the changes made to our ``sys.path``.
    """
    root = Path(__file__).resolve().parents[2]
    if root.name in ("site-packages", "dist-packages"):
        return None
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
