"""What to do about a chain that finds nothing, step by step. Pure; takes the time as ``now``.

Source of the order: kanoi cgminer driver-gekko.c (jobs again, frequency again, reset, USB reset).
"""

from enum import Enum

from drivers.due_nonces import DueNonces
from drivers.errors import DriverError

PATIENCE = 20.0
"""So many nonces must be overdue, which chance does once in 500 million times."""

UNPROVEN_PATIENCE = 12.0
"""So many when nothing was found since the bring-up: chance does it once in 160 000 bring-ups.

At the pace that nonces are asked for, one a second or up to twice that, it is 6 to 12 seconds,
and with `UNPROVEN_SECONDS` 10 to 12.
"""

UNPROVEN_SECONDS = 10.0
"""However fast nonces should come, chips just brought up have so long for the first."""

LEAST_SECONDS = 5.0
"""However fast nonces should come, a silence shorter than this is let pass."""

WELL_AFTER = 20
"""So many valid nonces after a step of recovery, and the next trouble starts with the first."""


class Stage(Enum):
    """The steps, in their order; each is given as much time as the trouble took to notice."""

    JOB = "new job"
    RAMP = "new frequency ramp"
    RESET = "chain reset"
    REOPEN = "port opened anew"
    GIVE_UP = "given up"


_FOR_PROVEN_CHAINS = {Stage.JOB, Stage.RAMP}
"""In vain for chips that just had both: a byte of their bring-up may have been lost."""


class ChainSilentError(DriverError):
    """A chain finds nothing, whatever was tried."""

    def __init__(self, port: str, *, overdue: float) -> None:
        super().__init__(
            f"{port}: no valid nonce though {overdue:.0f} were due; "
            "new job, ramp, reset and reopening did not help"
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
        self._valid = 0
        self._is_proven = True

    @property
    def overdue(self) -> float:
        """Return how many nonces are overdue."""
        return self._due.count

    def brought_up(self) -> None:
        """Be impatient until the first valid nonce: the chips were brought up, perhaps in vain."""
        self._due.clear()
        self._is_proven = False

    def expect(self, now: float, nonces_per_second: float) -> None:
        """Expect that many valid nonces from now on, 0 for none."""
        self._due.expect(now, nonces_per_second)

    def found(self) -> None:
        """Take note of a valid nonce."""
        self._due.clear()
        self._is_proven = True
        self._valid += 1
        if self._valid == WELL_AFTER:
            self._stages = iter(Stage)

    def due(self) -> Stage | None:
        """Return the step to be taken now, if any; each is returned once."""
        patience, seconds = PATIENCE, LEAST_SECONDS
        if not self._is_proven:
            patience, seconds = UNPROVEN_PATIENCE, UNPROVEN_SECONDS
        if self.overdue < patience or self._due.seconds < seconds:
            return None
        stage = self._next_stage()
        self.tried[stage] += 1
        self._valid = 0
        if stage is not Stage.GIVE_UP:
            self._due.clear()
        return stage

    def start_over(self) -> None:
        """Begin with the first step again: the device is run anew."""
        self._due.clear()
        self._due.pause()
        self._stages, self._valid = iter(Stage), 0

    def _next_stage(self) -> Stage:
        left_out: set[Stage] = set() if self._is_proven else _FOR_PROVEN_CHAINS
        return next((stage for stage in self._stages if stage not in left_out), Stage.GIVE_UP)
