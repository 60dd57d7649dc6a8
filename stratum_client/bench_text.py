"""What was measured, as a table for people and as JSON; pure."""

from collections.abc import Mapping, Sequence

from stratum_client.bench_kernels import KernelRate
from stratum_client.bench_path import BRANCHES, PathReport, Percentiles
from stratum_client.units import scaled


def kernels_text(rates: Sequence[KernelRate], missing: Mapping[str, str]) -> str:
    """Return a table of the kernels, a line each and number of threads, then what is missing."""
    lines = [
        f"{'kernel':<10} {'threads':>7}   {'one midstate':>14} {'x hashlib':>9}"
        f"   {'several':>16} {'x hashlib':>9}"
    ]
    for one in _with_one_midstate(rates):
        line = f"{one.kernel:<10} {one.threads:>7}   {_rate(one):>14} {one.ratio:>9.1f}"
        if several := _several_of(one, rates):
            many = f"{several.midstates}: {_rate(several)}"
            line += f"   {many:>16} {several.ratio:>9.1f}"
        lines.append(line)
    lines += _missing_lines(missing)
    return "\n".join(lines)


def path_text(report: PathReport) -> str:
    """Return a table of the path from job to share."""
    unit = report.sha256d
    lines = [
        f"works with {BRANCHES} branches: {1 / report.work:,.0f} a second; one takes as long as "
        f"{report.work / unit:.1f} double hashes by hashlib",
        "",
        f"{'devices':>7}  {'notify to first frame':>24}  {'to last frame':>24}"
        f"  {'nonce to submit':>24}",
        f"{'':7}" + f"  {'p50':>11}  {'p99':>11}" * 3,
    ]
    lines += [
        f"{times.devices:>7}"
        + "".join(map(_columns, (times.first_frame, times.last_frame, times.submit)))
        for times in report.times
    ]
    repetitions = sum(times.repetitions for times in report.times)
    if share := sum(times.interrupted for times in report.times) / repetitions:
        lines.append(f"left out: {share:.1%}, in which other programs took the core away")
    return "\n".join(lines)


def kernels_json(rates: Sequence[KernelRate], missing: Mapping[str, str]) -> dict[str, object]:
    """Return the kernels with one midstate, those with several, and why others are missing."""
    return {
        "kernels": [_rate_json(rate) for rate in _with_one_midstate(rates)],
        "several_midstates": [
            {**_rate_json(rate), "midstates": rate.midstates}
            for rate in rates
            if rate.midstates > 1
        ],
        "unavailable": dict(missing),
    }


def path_json(report: PathReport) -> dict[str, object]:
    """Return the path's figures; all times in seconds."""
    return {
        "path": {
            "branches": BRANCHES,
            "works_per_second": 1 / report.work,
            "hashlib_sha256d": report.sha256d,
            "devices": [
                {
                    "devices": times.devices,
                    "repetitions": times.repetitions,
                    "interrupted": times.interrupted,
                    "first_frame": _percentiles_json(times.first_frame),
                    "last_frame": _percentiles_json(times.last_frame),
                    "submit": _percentiles_json(times.submit),
                }
                for times in report.times
            ],
        }
    }


def _with_one_midstate(rates: Sequence[KernelRate]) -> list[KernelRate]:
    return [rate for rate in rates if rate.midstates == 1]


def _several_of(one: KernelRate, rates: Sequence[KernelRate]) -> KernelRate | None:
    same = (one.kernel, one.threads)
    return next((r for r in rates if r.midstates > 1 and (r.kernel, r.threads) == same), None)


def _rate(rate: KernelRate) -> str:
    return scaled(rate.hashrate, "H/s")


def _rate_json(rate: KernelRate) -> dict[str, object]:
    return {"kernel": rate.kernel, "threads": rate.threads, "hashrate": rate.hashrate}


def _missing_lines(missing: Mapping[str, str]) -> list[str]:
    """Return a line for each reason, with the kernels it holds for."""
    names: dict[str, list[str]] = {}
    for name, reason in missing.items():
        names.setdefault(reason, []).append(name)
    return [f"unavailable: {', '.join(group)}: {reason}" for reason, group in names.items()]


def _columns(value: Percentiles) -> str:
    return f"  {1e6 * value.p50:>8,.0f} us  {1e6 * value.p99:>8,.0f} us"


def _percentiles_json(value: Percentiles) -> dict[str, object]:
    return {"p50": value.p50, "p99": value.p99}
