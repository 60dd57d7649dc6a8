"""What to do about a device that finds nothing, step by step. Pure; takes the time as ``now``.

Source of the measure: kanoi/cgminer, driver-icarus.c (nothing for 30 full ranges of nonces).
"""

from enum import Enum

from drivers.due_nonces import DueNonces
from drivers.errors import DriverError

LEAST_SECONDS = 5.0
"""However fast nonces should come, a silence shorter than this is let pass."""


class Stage(Enum):
    """The steps, in their order."""

    RESEND = "new work"
    REOPEN = "port opened anew"
    GIVE_UP = "given up"


_OVERDUE = {Stage.RESEND: 10.0, Stage.REOPEN: 20.0, Stage.GIVE_UP: 30.0}
"""So many nonces missed in a row; chance does that once in 22 thousand times, the last never."""


class DeviceSilentError(DriverError):
    """A device finds nothing, whatever was tried."""

    def __init__(self, port: str, *, overdue: float) -> None:
        super().__init__(
            f"{port}: no valid nonce though {overdue:.0f} were due; "
            "new work and opening the port anew did not help"
        )
        self.port = port
        self.overdue = overdue


class Watchdog:
    """Counts the nonces that are overdue, and says what to try next.

    It counts only while told of a pace; a pause costs nobody anything.
    """

    def __init__(self) -> None:
        self.tried: dict[Stage, int] = dict.fromkeys(Stage, 0)
        self._due = DueNonces()
        self._stages = iter(Stage)
        self._next = next(self._stages)

    @property
    def overdue(self) -> float:
        """Return how many nonces are overdue."""
        return self._due.count

    def expect(self, now: float, nonces_per_second: float) -> None:
        """Expect that many valid nonces from now on, 0 for none."""
        self._due.expect(now, nonces_per_second)

    def found(self) -> None:
        """Take note of a valid nonce: all is well."""
        self._due.clear()
        self._stages = iter(Stage)
        self._next = next(self._stages)

    def due(self) -> Stage | None:
        """Return the step to be taken now, if any; each is returned once."""
        stage = self._next
        if self.overdue < _OVERDUE[stage] or self._due.seconds < LEAST_SECONDS:
            return None
        self.tried[stage] += 1
        self._due.seconds = 0.0
        self._next = next(self._stages, Stage.GIVE_UP)
        return stage

    def start_over(self) -> None:
        """Begin with the first step again: the device is run anew."""
        self.found()
        self._due.pause()
