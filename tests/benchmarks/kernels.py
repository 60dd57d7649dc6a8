"""Hash rate of each kernel on one thread, as ratios to hashlib's within one run.

Windows of the kernels take turns, and each kernel's best one counts: rates are per second of the
thread's CPU time, so that other programs disturb little. `python -m tests.benchmarks.kernels`
prints the table.
"""

import sys
from dataclasses import dataclass

from drivers.hashing import kernels, timing

_ROUNDS = 8
_WINDOW = 0.05  # s


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kernel with one number of heads; ``hashrate`` in H/s, ``ratio`` to hashlib's."""

    kernel: str
    heads: int
    threads: int
    hashrate: float
    ratio: float


def rows(rounds: int = _ROUNDS, window: float = _WINDOW) -> list[Row]:
    """Measure every available kernel with one head and with as many as it likes, in turn."""
    contenders = [
        (kernel, heads) for kernel in kernels.available() for heads in sorted({1, kernel.heads})
    ]
    best = [0.0] * len(contenders)
    for _ in range(rounds):
        for i, (kernel, heads) in enumerate(contenders):
            best[i] = max(best[i], timing.rate(kernel, heads, window))
    measured = list(zip(contenders, best, strict=True))
    [base] = [rate for (kernel, _), rate in measured if kernel.name == "hashlib"]
    return [
        Row(kernel=kernel.name, heads=heads, threads=1, hashrate=rate, ratio=rate / base)
        for (kernel, heads), rate in measured
    ]


def table(measured: list[Row]) -> str:
    """Return the rows as aligned text."""
    lines = [f"{'kernel':<12}{'heads':>6}{'threads':>8}{'MH/s':>9}{'x hashlib':>11}"]
    lines += [
        f"{row.kernel:<12}{row.heads:>6}{row.threads:>8}"
        f"{row.hashrate / 1e6:>9.2f}{row.ratio:>11.1f}"
        for row in measured
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table(rows()) + "\n")
