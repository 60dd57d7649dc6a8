"""Hash rates of the kernels on one thread, as ratios to hashlib's within one run.

`python -m tests.benchmarks kernels` prints them.
"""

from stratum_client import bench_kernels
from stratum_client.bench_kernels import KernelRate
from tests.benchmarks.lines import Line, Section

AIM_ONE, AIM_SEVERAL = 24.0, 26.0
"""What the quickest kernel reaches on a CPU with SHA extensions, as multiples of hashlib."""


def section(seconds: float = 0.5) -> Section:
    """Measure every kernel that works here for ``seconds``, in turn with the others."""
    rates = bench_kernels.measure(seconds, [1])
    one = [rate for rate in rates if rate.midstates == 1]
    several = [rate for rate in rates if rate.midstates > 1]
    lines = [_line(rate) for rate in rates]
    for text, group, aim in (("one midstate", one, AIM_ONE), ("several", several, AIM_SEVERAL)):
        best = max((rate.ratio for rate in group), default=1.0)
        lines.append(
            Line(f"quickest with {text}", ratio=f"{best:.1f}", aim=f"{aim:g}", met=best >= aim)
        )
    return Section("kernels, one thread", "hashlib", lines)


def _line(rate: KernelRate) -> Line:
    plural = "s" if rate.midstates > 1 else ""
    return Line(
        f"{rate.kernel}, {rate.midstates} midstate{plural}",
        value=f"{rate.hashrate / 1e6:.2f} MH/s",
        ratio=f"{rate.ratio:.1f}",
    )
