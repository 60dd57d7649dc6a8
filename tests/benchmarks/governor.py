"""One decision for 64 boards on a power budget: from claims to what each may do.

The unit is one SHA-256 of 64 bytes by hashlib, measured in the same run; all in time of the CPU.
"""

import hashlib
import time
from random import Random

from drivers.api import OperatingPoint
from stratum_client.control.claims import Claim, Claims, Level, Limit
from stratum_client.control.governor import DeviceFacts, decide
from tests.benchmarks.lines import Line, Section

DEVICES, SPEEDS = 64, 60
AIM = 5e-3
"""Seconds for one decision, in half of the cases."""

_TIMES = 100


def section() -> Section:
    """Decide anew for budgets from a tenth to all of full power, for boards that all differ."""
    unit = _unit()
    fresh, kept = _times()
    lines = [
        _line("64 boards of 60 speeds: a new plan, p50", fresh, unit, 0.5, AIM),
        _line("64 boards of 60 speeds: a new plan, p90", fresh, unit, 0.9),
        _line("64 boards of 60 speeds: the same again, p50", kept, unit, 0.5),
    ]
    return Section("power dealt out", "sha256", lines)


def _times() -> tuple[list[float], list[float]]:
    random = Random(1)
    fresh, kept = [], []
    for number in range(_TIMES):
        facts = [_facts(f"{n:02}", random) for n in range(DEVICES)]
        limit = Limit(share=0.1 + 0.9 * number / _TIMES)
        claim = Claim(level=Level.ORDER, issuer="grid", limit=limit, cause="bench", since=0.0)
        claims = Claims().stated(claim)
        start = time.thread_time()
        found = decide(claims, facts, 1e6)
        half = time.thread_time()
        decide(claims, facts, 1e6 + 1000, before=found)
        fresh.append(half - start)
        kept.append(time.thread_time() - half)
    return sorted(fresh), sorted(kept)


def _facts(name: str, random: Random) -> DeviceFacts:
    fixed, chips, hashes = random.uniform(3, 8), random.uniform(10, 40), random.uniform(0.9, 1.1)
    points = []
    for step in range(SPEEDS):
        clock = 0.4 + 0.6 * (step + 1) / SPEEDS
        watts = fixed + chips * clock * (0.7 + 0.3 * clock) ** 2
        points.append(OperatingPoint(mhz=600 * clock, watts=watts, hashrate=1e12 * hashes * clock))
    return DeviceFacts(name=name, points=tuple(points))


def _unit() -> float:
    start = time.thread_time()
    for _ in range(100_000):
        hashlib.sha256(b"x" * 64).digest()
    return (time.thread_time() - start) / 100_000


def _line(
    name: str, times: list[float], unit: float, part: float, aim: float | None = None
) -> Line:
    value = times[int(part * len(times))]
    shown = "" if aim is None else f"{1e3 * aim:g} ms"
    met = None if aim is None else value <= aim
    return Line(name, f"{1e3 * value:.2f} ms", f"{value / unit:,.0f}", shown, met)
