"""How fast a device is and how long its works last, against recorded and computed numbers."""

from typing import Any

import pytest

from drivers.icarus.timing import Division, Timing, TimingMode, fit, work_milliseconds
from tests.icarus.vectors import name_of, rows

BLOCK_ERUPTER = 2.9761e-9
ONE = Division()
HALVES = Division(parts=2, engines=2)


def timing(mode: TimingMode, *, division: Division = ONE, limit: float | None = None) -> Timing:
    return Timing(
        mode=mode,
        seconds_per_hash=BLOCK_ERUPTER,
        wait=0.1,
        first=5.0,
        limit=limit,
        division=division,
    )


def feed(
    timing: Timing, count: int, *, real: float, start: float = 0.0, step: float = 13.0
) -> float:
    """Let nonces spread over the range arrive as from a device of ``real`` seconds per hash."""
    now = start
    for number in range(count):
        now = start + number * step
        counter = (number * 0x9E3779B1 + 0x20000) % (1 << 32)
        seconds = 0.004 + timing.division.hashes(counter) * real
        timing.add(counter, seconds, now)
    return now + step


@pytest.mark.parametrize("row", rows("hash_count"), ids=name_of)
def test_hashes_done_follow_from_the_nonce_and_the_division(row: Any) -> None:
    division = Division(parts=row["work_division"], engines=row["fpga_count"])
    counter = int(row["reply"], 16)

    assert division.mask == int(row["nonce_mask"], 16)
    assert division.engine(counter) == row["partition"]
    assert division.hashes(counter) == row["hashes"]


@pytest.mark.parametrize("row", rows("read_time"), ids=name_of)
def test_a_work_lasts_almost_as_long_as_its_nonces(row: Any) -> None:
    full = row["seconds_per_hash"] * 2**32

    assert full == pytest.approx(row["fullnonce_s"], abs=1e-6)
    assert work_milliseconds(full, row["usb_wait_ms"] / 1000) == row["read_time_ms"]


@pytest.mark.parametrize("row", rows("timing_fit"))
def test_the_line_through_samples_is_that_of_least_squares(row: Any) -> None:
    found = fit([(hashes, seconds) for hashes, seconds in row["samples"]])

    assert found
    assert found.seconds_per_hash == pytest.approx(row["seconds_per_hash"], rel=1e-9)
    assert found.overhead == pytest.approx(row["overhead_s"], abs=1e-7)
    assert found.full_range == pytest.approx(row["fullnonce_s"], rel=1e-9)


@pytest.mark.parametrize("samples", [[], [(1000, 1.0)], [(1000, 1.0), (1000, 1.1)]])
def test_there_is_no_line_without_two_different_samples(samples: list[tuple[int, float]]) -> None:
    assert fit(samples) is None


@pytest.mark.parametrize(
    ("counter", "is_fit"),
    [(0xFFFF, False), (0x10000, True), (0x7FFEFFFF, True), (0x7FFF0000, False), (2**31, False)],
)
def test_nonces_at_the_edges_of_a_part_tell_no_time(counter: int, is_fit: bool) -> None:
    assert HALVES.tells_time(counter) is is_fit


def test_by_default_nothing_is_measured() -> None:
    default = timing(TimingMode.DEFAULT)

    feed(default, 50, real=4e-9)

    assert (default.samples, default.fit) == (0, None)
    assert default.work_seconds == 12.632


@pytest.mark.parametrize("mode", [TimingMode.SHORT, TimingMode.LONG])
@pytest.mark.parametrize("division", [ONE, HALVES])
def test_measuring_finds_the_real_speed(mode: TimingMode, division: Division) -> None:
    measured = timing(mode, division=division)
    assert measured.work_seconds == 5.0

    feed(measured, 12, real=3.5e-9)

    assert measured.fit
    assert measured.fit.seconds_per_hash == pytest.approx(3.5e-9, rel=1e-6)
    assert measured.fit.overhead == pytest.approx(0.004, abs=1e-4)
    full = 0.004 + 3.5e-9 * 2**32
    assert measured.work_seconds == pytest.approx(full - 0.15, abs=0.002)


def test_short_measuring_ends_and_long_goes_on() -> None:
    short, long = timing(TimingMode.SHORT), timing(TimingMode.LONG)

    for measured in (short, long):
        now = feed(measured, 700, real=3.5e-9)
        feed(measured, 2000, real=3.0e-9, start=now)

    assert short.fit
    assert long.fit
    assert not short.measures
    assert long.measures
    assert short.fit.seconds_per_hash == pytest.approx(3.5e-9, rel=1e-3)
    assert long.fit.seconds_per_hash == pytest.approx(3.0e-9, rel=1e-3)


def test_a_speed_that_cannot_be_is_not_believed() -> None:
    measured = timing(TimingMode.LONG)

    feed(measured, 100, real=5e-8)

    assert measured.fit is None
    assert measured.samples > 50


def test_a_new_frequency_makes_old_measurements_void() -> None:
    measured = timing(TimingMode.LONG)
    feed(measured, 20, real=3e-9)

    measured.expect(2e-9)

    assert measured.fit is None
    assert measured.rate == pytest.approx(5e8)


def test_a_limit_shortens_works() -> None:
    assert timing(TimingMode.DEFAULT, limit=3.0).work_seconds == 3.0
    assert timing(TimingMode.DEFAULT, limit=30.0).work_seconds == 12.632
