"""What a daemon is given and hands on: time, chance, logs, rims, a place for its files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from drivers.api import Clock, Log
from stratum_client.rims import Rims
from stratum_client.state_file import StateFile


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonContext:
    """All that is injected into one daemon.

    ``log_for`` returns the log of a component. ``state_dir`` must be locked for us; without one
    nothing outlives the daemon.
    """

    clock: Clock
    random: Random
    log_for: Callable[[str], Log]
    rims: Rims
    state_dir: Path | None

    def state_file(self, name: str) -> StateFile | None:
        """Return a file that outlives the daemon, None where nothing does."""
        return StateFile(self.state_dir / name) if self.state_dir else None
