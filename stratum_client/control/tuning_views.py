"""What a tuner is shown, and what it says; values only."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from drivers.api import OperatingPoint
from stratum_client.control.claims import FREE, Limit
from stratum_client.control.tuning_evidence import Estimate, Goal, Look


class Phase(StrEnum):
    """What a tuner is at."""

    OFF = "off"
    WAITING = "waiting"  # something hinders it
    SETTLING = "settling"  # a new speed, not in balance yet
    LOOKING = "looking"  # it counts, to judge a speed
    HOLDING = "holding"  # it has found the best speed


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a tuner is shown of its device; ``look`` is None while it does not mine.

    ``hindrance`` says in words why no step may be taken now, ``crash`` what has failed since the
    last view. ``others`` is what everybody else allows, ``because`` why. ``ramp`` is how many
    seconds it takes from rest to full speed, if it was told to take its time.
    """

    now: float
    wall: float
    points: Sequence[OperatingPoint]
    look: Look | None
    hindrance: str = ""
    crash: str = ""
    others: Limit = FREE
    because: str = ""
    ramp: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A change of speed, and why."""

    before: float
    to: float
    reason: str

    def __str__(self) -> str:
        """Return the step as logs and status write it."""
        return f"{self.before:g} -> {self.to:g} MHz: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What a tuner wants: ``limit``, why in ``text``, and the ``steps`` it has just decided on.

    ``plan`` says in words what it will do next, ``wait`` in how many seconds about.
    """

    phase: Phase
    limit: Limit = FREE
    text: str
    plan: str = ""
    wait: float | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningNote:
    """What a status shows of one device's tuning; ``best`` is what its best speed does.

    ``steps`` are those since the daemon's start; ``ageing`` says how its chips have become worse.
    """

    goal: Goal
    phase: Phase
    text: str
    plan: str = ""
    steps: int = 0
    best: Estimate | None = None
    ageing: str = ""

    def json(self) -> dict[str, object]:
        """Return the note as docs/control.md describes it."""
        best = self.best
        return {
            "goal": str(self.goal),
            "phase": str(self.phase),
            "text": self.text,
            "plan": self.plan,
            "steps": self.steps,
            "best_mhz": best.mhz if best else None,
            "joules_per_terahash": best.joules_per_terahash if best else None,
            "error_ratio": best.error_ratio if best else None,
            "ageing": self.ageing,
        }
