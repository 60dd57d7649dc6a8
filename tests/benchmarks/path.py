"""Works per second, and the path of a job and of a nonce, with 1, 10 and 100 devices.

The unit is one double SHA-256 of 64 bytes by hashlib, measured in the same run.
"""

from stratum_client import bench_path
from stratum_client.bench_path import BRANCHES, PathTimes, Percentiles
from tests.benchmarks.lines import Line, Section

AIM_WORKS = 60_000
AIMS_WITH_100 = {"first frame": 300e-6, "last frame": 5e-3, "submit": 300e-6}
"""Seconds, not to be exceeded in 99 of 100 cases."""

UNIT = "sha256d"


def section(seconds: float = 2.0) -> Section:
    """Measure each for ``seconds``, and 1 000 times at least."""
    report = bench_path.measure(seconds, at_least=1000)
    works = 1 / report.work
    lines = [
        Line("double SHA-256 of 64 bytes by hashlib", _shown(report.sha256d), "1.0"),
        Line(
            f"works with {BRANCHES} branches, a second",
            f"{works:,.0f}",
            f"{report.work / report.sha256d:.1f}",
            f"{AIM_WORKS:,}",
            works >= AIM_WORKS,
        ),
    ]
    for times in report.times:
        lines += _lines(times, report.sha256d)
    return Section("path of a job", UNIT, lines)


def _lines(times: PathTimes, unit: float) -> list[Line]:
    aims = AIMS_WITH_100 if times.devices == 100 else {}
    plural = "s" if times.devices > 1 else ""
    share = times.interrupted / times.repetitions
    name = f"{times.devices} device{plural}"
    found = [Line(f"{name}: left out, interrupted", f"{share:.1%}")]
    for text, key, value in (
        ("notify to first frame", "first frame", times.first_frame),
        ("notify to last frame", "last frame", times.last_frame),
        ("nonce to submit", "submit", times.submit),
    ):
        found += _percentile_lines(f"{name}: {text}", value, unit, aims.get(key))
    return found


def _percentile_lines(name: str, value: Percentiles, unit: float, aim: float | None) -> list[Line]:
    return [
        Line(f"{name}, p50", _shown(value.p50), f"{value.p50 / unit:.0f}"),
        Line(
            f"{name}, p99",
            _shown(value.p99),
            f"{value.p99 / unit:.0f}",
            "" if aim is None else _shown(aim),
            None if aim is None else value.p99 <= aim,
        ),
    ]


def _shown(seconds: float) -> str:
    return f"{1e6 * seconds:,.2f} us" if seconds < 1e-5 else f"{1e6 * seconds:,.0f} us"
