"""How many CPU cores this process may use: its affinity, and the quota of its control groups."""

import os
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")


def usable_cores(groups: Path = _GROUPS, own_group: Path = _OWN_GROUP) -> int:
    """Return the number of cores to hash on, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = _quota(groups, own_group)
    return cores if quota is None else max(1, min(cores, int(quota)))


def _quota(groups: Path, own_group: Path) -> float | None:
    """Return the smallest CPU quota from our group up to the root, in cores; None for no limit.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst, cpu.max: "$MAX $PERIOD", microseconds.
    """
    try:
        lines = own_group.read_text().splitlines()
    except OSError:
        return None
    path = next((line[3:] for line in lines if line.startswith("0::")), None)
    if path is None:
        return None
    group = groups / path.lstrip("/")
    quotas = [
        _quota_of(directory) for directory in (group, *group.parents) if _below(groups, directory)
    ]
    return min((quota for quota in quotas if quota is not None), default=None)


def _below(groups: Path, directory: Path) -> bool:
    return directory == groups or groups in directory.parents


def _quota_of(directory: Path) -> float | None:
    try:
        maximum, period = (directory / "cpu.max").read_text().split()
        return None if maximum == "max" else int(maximum) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
