"""When a silent device is helped, and how."""

from drivers.icarus.recovery import Stage, Watchdog


def after(watchdog: Watchdog, seconds: int, pace: float) -> list[Stage]:
    """Return the steps of ``seconds`` without a nonce."""
    steps = []
    for now in range(seconds + 1):
        watchdog.expect(float(now), pace)
        if stage := watchdog.due():
            steps.append(stage)
    return steps


def test_steps_come_when_ten_twenty_and_thirty_nonces_are_overdue() -> None:
    assert after(Watchdog(), 79, 0.125) == []
    assert after(Watchdog(), 80, 0.125) == [Stage.RESEND]
    assert after(Watchdog(), 160, 0.125) == [Stage.RESEND, Stage.REOPEN]
    assert after(Watchdog(), 240, 0.125) == [Stage.RESEND, Stage.REOPEN, Stage.GIVE_UP]


def test_a_fast_device_is_given_some_seconds_for_each_step() -> None:
    assert after(Watchdog(), 4, 13.0) == []
    assert after(Watchdog(), 9, 13.0) == [Stage.RESEND]
    assert after(Watchdog(), 10, 13.0) == [Stage.RESEND, Stage.REOPEN]


def test_a_nonce_makes_all_well() -> None:
    watchdog = Watchdog()
    after(watchdog, 200, 0.125)

    watchdog.found()

    assert watchdog.overdue == 0
    assert after(watchdog, 79, 0.125) == []


def test_without_work_nothing_is_overdue() -> None:
    assert after(Watchdog(), 10_000, 0.0) == []
