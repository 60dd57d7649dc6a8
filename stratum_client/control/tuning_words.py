"""What a tuner says: reasons of its steps, what it is at, what comes next; pure."""

from collections.abc import Mapping

from drivers.api import OperatingPoint
from stratum_client.control.tuning_evidence import Estimate, Goal

NO_POINTS = "the device does not tell which speeds it can be held at"
NOTHING_WITHIN = "no speed of the device is within tuning.min and tuning.max"
NO_WATTS = "the device does not know its watts"
HELD = "others do not allow the speed"
HOLDS_ON = "compare every block of nonces with what it did; look around once a day"

_UNITS = {Goal.EFFICIENCY: "hash rate per watt"}


def trying(because: str, old: OperatingPoint, new: OperatingPoint, goal: Goal) -> str:
    """Return why a speed is tried: what led to it, and what the model expects."""
    gain = new.hashrate / old.hashrate
    if goal is Goal.EFFICIENCY and old.watts > 0 and new.watts > 0:
        gain *= old.watts / new.watts
    return ", ".join(filter(None, (because, f"{_more(gain - 1, goal)} expected")))


def holding_again(known: Mapping[float, Estimate], before: float, to: float, goal: Goal) -> str:
    """Return why a speed is gone back to."""
    best, last = known[to], known.get(before)
    if last is None:
        return f"the best: {numbers(best)}"
    if last.is_excessive:
        return f"the best: {numbers(best)}; {before:g} MHz made {errors(last)}"
    share = known[to].merit(goal) - last.merit(goal)
    return f"the best: {numbers(best)}, {_more(share, goal)} than at {before:g} MHz"


def degraded(held: Estimate, now: Estimate, goal: Goal, limit: float, *, errs: bool) -> str:
    """Return in what a board has become worse: it ``errs`` too often, or does less."""
    if errs:
        return f"{errors(now)}, was {percent(held.error_ratio)}, {percent(limit)} are allowed"
    share = now.merit(goal) - held.merit(goal)
    return f"{_more(share, goal)} than when it was tuned ({numbers(now)}, was {numbers(held)})"


def failed(problem: str) -> str:
    """Return why a speed was given up after a failure."""
    return f"it failed: {problem}"


def not_reached(mhz: float) -> str:
    """Return why a speed was given up that a device did not come to."""
    return f"it stays at {mhz:g} MHz by itself"


def hindered(why: str) -> str:
    """Return why the best known speed is gone to in the middle of a search."""
    return f"the best known so far, for now: {why}"


def resumes(plan: str) -> str:
    """Return what comes when nothing hinders it any more."""
    return f"then {plan}"


def settling(mhz: float) -> str:
    """Return that a speed is new."""
    return f"waiting for balance at {mhz:g} MHz"


def looking(mhz: float, goal: Goal, nonces: int, wait: float) -> str:
    """Return that a speed is being judged, and how long that takes."""
    left = f", about {minutes(wait)} more" if wait < 1e6 else ""
    return f"judging {mhz:g} MHz for {goal}: {nonces} nonces{left}"


def judging(mhz: float, centre: float) -> str:
    """Return what comes after the present look."""
    if mhz == centre:
        return f"look at the speeds beside {mhz:g} MHz"
    return f"judge {mhz:g} MHz against {centre:g} MHz"


def holding(held: Estimate, goal: Goal) -> str:
    """Return what was found."""
    return f"{held.mhz:g} MHz is the best for {goal}: {numbers(held)}"


def numbers(estimate: Estimate) -> str:
    """Return what a board does at one speed."""
    joules = estimate.joules_per_terahash
    parts = [errors(estimate)]
    if joules is not None:
        modelled = " (modelled)" if estimate.is_modelled else ""
        parts.insert(0, f"{joules:.4g} J/TH{modelled}")
    return ", ".join(parts)


def errors(estimate: Estimate) -> str:
    """Return the share of errors in words."""
    return f"{percent(estimate.error_ratio)} errors"


def percent(share: float) -> str:
    """Return a share of 1 in percent."""
    return f"{100 * share:.1f} %"


def minutes(seconds: float) -> str:
    """Return a time in its largest unit."""
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _more(share: float, goal: Goal) -> str:
    unit = _UNITS.get(goal, "hash rate")
    return f"{percent(abs(share))} {'more' if share >= 0 else 'less'} {unit}"
