import pytest

from drivers.cpu.rate import ClaimedRate


def fed(rate: ClaimedRate, *, now: float, seconds: float, hashrate: int) -> float:
    """Report twice a second; return the time after it."""
    for _ in range(int(seconds * 2)):
        now += 0.5
        rate.add(hashrate // 2, now)
    return now


def test_nothing_is_claimed_before_the_first_report() -> None:
    assert ClaimedRate(5.0).hashrate(5.0) == 0.0


def test_the_first_report_already_gives_the_rate() -> None:
    rate = ClaimedRate(5.0)

    rate.add(500, 5.5)

    assert rate.hashrate(5.5) == pytest.approx(1000)


def test_the_rate_follows_a_change_within_some_ten_seconds() -> None:
    rate = ClaimedRate(0.0)
    now = fed(rate, now=0.0, seconds=60, hashrate=1000)

    now = fed(rate, now=now, seconds=10, hashrate=2000)

    assert rate.hashrate(now) == pytest.approx(1632, abs=10)  # 1 - 1/e of the way


def test_the_rate_fades_when_reports_stay_away() -> None:
    rate = ClaimedRate(0.0)
    now = fed(rate, now=0.0, seconds=60, hashrate=1000)

    assert rate.hashrate(now + 1.9) == pytest.approx(1000)
    assert rate.hashrate(now + 30) < 300


def test_a_new_start_forgets_what_was() -> None:
    rate = ClaimedRate(0.0)
    now = fed(rate, now=0.0, seconds=60, hashrate=1000)

    rate.start(now + 100)

    assert rate.hashrate(now + 100) == 0.0
    rate.add(50, now + 100.5)
    assert rate.hashrate(now + 100.5) == pytest.approx(100)


def test_a_report_from_before_the_start_claims_nothing_absurd() -> None:
    rate = ClaimedRate(0.0)
    rate.start(100.0)

    rate.add(5_000_000, 100.009)

    assert rate.hashrate(100.009) == 0.0
