import os
from pathlib import Path

import pytest

from drivers.cpu.cores import usable_cores


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A process that may use 8 cores, in the control group a/b, with no quota yet."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    (tmp_path / "own").write_text("1:name=systemd:/x\n0::/a/b\n")
    (tmp_path / "groups/a/b").mkdir(parents=True)
    return tmp_path / "groups"


def cores(groups: Path) -> int:
    return usable_cores(groups, groups.parent / "own")


def test_affinity_counts(groups: Path) -> None:
    assert cores(groups) == 8


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 8),
        ("300000 100000", 3),
        ("350000 100000", 3),
        ("50000 100000", 1),
        ("9900000 100000", 8),
        ("", 8),
        ("nonsense", 8),
        ("1 0", 8),
    ],
)
def test_a_quota_counts_as_whole_cores(groups: Path, quota: str, expected: int) -> None:
    (groups / "a/b/cpu.max").write_text(quota)

    assert cores(groups) == expected


def test_the_smallest_quota_on_the_way_to_the_root_counts(groups: Path) -> None:
    (groups / "a/b/cpu.max").write_text("400000 100000")
    (groups / "a/cpu.max").write_text("200000 100000")
    (groups / "cpu.max").write_text("max 100000")

    assert cores(groups) == 2


def test_a_quota_outside_of_the_hierarchy_does_not_count(groups: Path) -> None:
    (groups.parent / "cpu.max").write_text("100000 100000")

    assert cores(groups) == 8


def test_a_system_without_control_groups_is_no_obstacle(groups: Path) -> None:
    assert usable_cores(groups, groups / "missing") == 8
    (groups / "legacy").write_text("4:cpu:/a\n")
    assert usable_cores(groups, groups / "legacy") == 8
