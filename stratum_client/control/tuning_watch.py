"""When enough was seen of a board to judge it, and whether it still does what it once did; pure.

While it is held at its best speed, blocks of nonces are compared with what was seen before. One
that was not worse adds to that, so slow drifts are left to the look around; two worse ones in a row
are no chance.
"""

import math
from enum import Enum

from stratum_client.control.tuning_evidence import (
    LEAST_NONCES,
    SURE,
    Estimate,
    Evidence,
    Goal,
    merged,
)
from stratum_client.control.tuning_profile import AFTER_ERRORS, DAY, HOUR, Profile, TuningSettings
from stratum_client.control.tuning_search import NOTHING_BETTER

UNCERTAINTY = 0.004
"""A speed is judged when its merit is known so well, as a share of it..."""

LEAST, MOST = 300, 4000
"""...but after no fewer nonces, and after so many in any case.

A speed that would be the best if its errors were allowed gets all of them where that is in doubt.
"""

BLOCK = 500
"""Nonces that are compared together."""

LEAST_SECONDS = 60.0
"""The same: a meter needs time too."""

WORSE = 0.01
"""The merit that a board may lose, beyond chance, until that counts."""

STILL_BORNE = 1.1
"""Times the error limit at which a speed that is held is left: not by chance."""

ROOM = 0.99
"""Of a power target, what the model may say that a speed takes: it is corrected in steps of 1 %."""

CLEARLY = 2.0
"""Times the error limit, above which a speed is no doubtful case, and none above it is tried."""

EXPLORE_EVERY = DAY

WARMER, WARMER_AFTER = 8.0, 2 * HOUR
"""Degrees that make it worth to look around again, but not sooner than that."""


class Verdict(Enum):
    """What was found: the board is well, makes too many errors, or does worse otherwise."""

    WELL = "well"
    ERRORS = "errors"
    WORSE = "worse"


class Watch:
    """Watches one speed; ``held`` is what is known of it."""

    def __init__(self, held: Estimate, settings: TuningSettings) -> None:
        self.held = held
        self._settings = settings
        self._bad_blocks = 0

    def judge(self, evidence: Evidence, wall: float) -> Verdict | None:
        """Return what ``evidence`` shows, None while it is too little."""
        limit = self._settings.error_limit
        if evidence.exceeds(limit):
            return Verdict.ERRORS
        if evidence.nonces < BLOCK or evidence.seconds < LEAST_SECONDS:
            return None
        block = evidence.estimate(self.held.mhz, limit, at=wall)
        assert block
        if self._is_worse(block):
            self._bad_blocks += 1
            return Verdict.WORSE if self._bad_blocks >= 2 else Verdict.WELL
        self._bad_blocks, self.held = 0, merged(self.held, block)
        too_many = self.held.error_ratio > STILL_BORNE * limit
        return Verdict.ERRORS if too_many else Verdict.WELL

    def _is_worse(self, block: Estimate) -> bool:
        goal, held = self._settings.goal, self.held
        doubt = SURE * math.hypot(block.uncertainty, held.uncertainty)
        return held.merit(goal) - block.merit(goal) > WORSE + doubt


def reason_to_explore(
    profile: Profile, held: Estimate, warmth: float | None, wall: float, *, is_freed: bool
) -> str:
    """Return why a board should look around from its best speed, empty if it should not.

    ``is_freed``: a limit of others is gone that had cut the search short.
    """
    passed = wall - profile.explored_at
    if passed >= EXPLORE_EVERY or passed < 0:
        return "a day has passed"
    if passed < WARMER_AFTER:
        return ""
    if is_freed:
        return "what others did not allow may be tried now"
    lapsed = any(profile.explored_at < bar.until <= wall for bar in profile.bars)
    if lapsed and passed >= AFTER_ERRORS:
        return "what failed may be tried again"
    if warmth is None or held.temperature is None or abs(warmth - held.temperature) <= WARMER:
        return ""
    return f"it is at {warmth:.0f} degrees, was at {held.temperature:.0f}"


def is_judged(
    evidence: Evidence, estimate: Estimate, rival: Estimate | None, settings: TuningSettings
) -> bool:
    """Return whether a speed is known well enough, or is clearly worse than its ``rival``."""
    limit = settings.error_limit
    if evidence.exceeds(limit):
        return True
    if evidence.nonces < LEAST_NONCES or evidence.seconds < LEAST_SECONDS:
        return False
    if evidence.nonces >= MOST:
        return True
    behind, doubt = _behind(estimate, rival, settings.goal)
    if behind > WORSE + doubt:
        return True
    if evidence.nonces < LEAST or evidence.uncertainty > UNCERTAINTY:
        return False
    return behind > -NOTHING_BETTER or not evidence.is_doubtful(limit)


def seconds_to_judge(evidence: Evidence, error_limit: float) -> float:
    """Return in how many seconds enough will have been seen, as it looks now."""
    least = MOST if evidence.is_doubtful(error_limit) else LEAST
    by_nonces = evidence.wait_for(UNCERTAINTY, least=least, most=MOST)
    return max(by_nonces, LEAST_SECONDS - evidence.seconds)


def _behind(estimate: Estimate, rival: Estimate | None, goal: Goal) -> tuple[float, float]:
    """Return by how much merit a speed is worse than its rival, if it has one, and the doubt."""
    if rival is None or rival.mhz == estimate.mhz or rival.is_excessive:
        return -math.inf, 0.0
    doubt = SURE * math.hypot(rival.uncertainty, estimate.uncertainty)
    return rival.merit(goal) - estimate.merit(goal), doubt
