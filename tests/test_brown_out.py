"""What is remembered of a weak supply: when a loss is one, how far down, and when up again."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.brown_out import (
    LONGEST_ABSENCE,
    LONGEST_RETRY,
    RECENT,
    SHORTEST_ABSENCE,
    Supplies,
    SupplyMemory,
    SupplySettings,
)
from drivers.supply_watch import SupplyWatch
from tests.stand_ins import RecordingLog

USUAL = SupplySettings(is_on=True, floor=50.0)
AWAY = 0.5
"""Seconds that a starved stick is away."""


@dataclass
class Life:
    """A stick's life, told to its memory."""

    settings: SupplySettings = USUAL
    memory: SupplyMemory = field(default_factory=SupplyMemory)
    now: float = 0.0
    nonces: int = 0

    def __post_init__(self) -> None:
        self.memory.use(self.settings)

    @property
    def ceiling(self) -> float | None:
        ceiling = self.memory.ceiling(self.now)
        return ceiling.mhz if ceiling else None

    def cycle(
        self, mhz: float, *, after: float = 0.3, found: int = 0, away: float = AWAY
    ) -> str | None:
        """Rise to ``mhz``, vanish ``after`` some seconds, be back; return what was said of it."""
        self.memory.rises(mhz, self.now, nonces=self.nonces)
        self.now += after
        self.nonces += found
        self.memory.lost(self.now, nonces=self.nonces)
        self.now += away
        ceiling = self.memory.back(self.now)
        return ceiling.reason if ceiling else None

    def holds(self, mhz: float, seconds: float) -> None:
        self.memory.rises(mhz, self.now, nonces=self.nonces)
        self.now += seconds
        self.memory.ceiling(self.now)


def starved(mhz: float = 200.0, settings: SupplySettings = USUAL) -> Life:
    life = Life(settings)
    for _ in range(settings.losses):
        life.cycle(mhz)
    assert life.ceiling == mhz - settings.step
    return life


def test_only_the_third_loss_alike_lowers_the_frequency_and_says_why() -> None:
    life = Life()

    assert life.cycle(200.0, after=0.2) is None
    assert life.cycle(206.25, after=0.2) is None
    assert life.cycle(200.0, after=3.0) == (
        "came back at 175 MHz: it vanished 3.0 s after a rise to 200 MHz; "
        "a powered hub or another port may help"
    )
    assert life.ceiling == 175.0


@pytest.mark.parametrize(
    "harmless",
    [
        {"after": 10.1},
        {"found": 1},
        {"away": LONGEST_ABSENCE + 0.1},
        {"away": SHORTEST_ABSENCE - 0.01},
    ],
    ids=["steady", "had found something", "pulled by a hand", "faster than a kernel sees"],
)
def test_twenty_unplugs_of_a_healthy_stick_are_not_taken_for_brown_outs(
    harmless: dict[str, float],
) -> None:
    life = Life()

    assert not any(life.cycle(200.0, **harmless) for _ in range(20))  # type: ignore[arg-type]  # found is whole
    assert life.ceiling is None


def test_twenty_unplugs_in_the_middle_of_a_ramp_are_not_taken_for_brown_outs() -> None:
    life = Life()

    for cycle in range(20):
        for step in range(1 + cycle * 7 % 8):
            life.memory.rises(100.0 + 6.25 * step, life.now, nonces=0)
            life.now += 1.0
        assert not life.cycle(100.0 + 6.25 * (1 + cycle * 7 % 8))
    assert life.ceiling is None


def test_a_stick_that_gets_further_than_before_was_not_starved_there() -> None:
    life = Life()

    life.cycle(150.0)
    life.cycle(150.0)
    life.memory.rises(175.0, life.now, nonces=0)
    assert life.cycle(150.0) is None
    assert life.ceiling is None


def test_a_stick_that_keeps_a_frequency_up_was_not_starved_there() -> None:
    life = Life()

    life.cycle(150.0)
    life.cycle(150.0)
    life.holds(150.0, 11.0)
    assert life.cycle(150.0) is None


def test_losses_long_ago_do_not_count() -> None:
    life = Life()

    life.cycle(150.0)
    life.cycle(150.0)
    life.memory.rests()
    life.now += RECENT
    assert life.cycle(150.0) is None


def test_without_detection_nothing_is_remembered() -> None:
    life = Life(replace(USUAL, is_on=False))

    assert not any(life.cycle(200.0) for _ in range(20))


def test_a_loss_while_nothing_was_known_to_rise_is_none_of_ours() -> None:
    life = Life()
    for _ in range(5):
        life.memory.lost(life.now, nonces=0)
        life.now += AWAY
        assert life.memory.back(life.now) is None


def test_below_the_floor_nothing_goes() -> None:
    life = Life()
    for _ in range(3):
        life.cycle(62.5)
    assert life.ceiling == 50.0

    assert not any(life.cycle(50.0) for _ in range(9))
    assert life.ceiling == 50.0


def test_where_it_is_still_too_much_it_goes_lower_again() -> None:
    life = starved(200.0)

    assert [life.cycle(175.0) is None for _ in range(3)] == [True, True, False]
    assert life.ceiling == 150.0


def test_the_higher_frequency_is_tried_again_after_a_time_that_doubles() -> None:
    life = starved(200.0)
    pauses = []

    for _ in range(9):
        began = life.now
        while life.ceiling is not None:
            life.now += 100.0
        pauses.append(life.now - began)
        assert life.cycle(181.25), "one loss is enough where the supply is known to be weak"
        assert life.ceiling == 175.0

    assert pauses[:3] == pytest.approx([1800, 3600, 7200], abs=101)
    assert pauses[-1] == pytest.approx(LONGEST_RETRY, abs=101)


def test_it_climbs_a_step_at_a_time() -> None:
    life = starved(200.0)
    for _ in range(3):
        life.cycle(175.0)
    assert life.ceiling == 150.0

    life.holds(150.0, USUAL.retry)
    ceiling = life.memory.ceiling(life.now)
    assert ceiling
    assert ceiling.mhz == 175.0
    assert ceiling.reason.startswith("trying 175 MHz again: it vanished 0.3 s after a rise to 175")
    life.holds(175.0, USUAL.retry)
    assert life.ceiling is None


def test_a_supply_that_has_become_good_is_forgotten_to_have_been_weak() -> None:
    life = starved(200.0)
    life.holds(175.0, USUAL.retry)
    assert life.ceiling is None

    life.holds(200.0, USUAL.retry + 11.0)

    assert life.cycle(200.0) is None, "it takes three again"


def test_what_somebody_sets_anew_is_tried_at_once() -> None:
    life = starved(200.0)

    life.memory.forget()

    assert life.ceiling is None
    assert life.cycle(200.0) is None


def test_each_stick_in_each_socket_has_a_memory_of_its_own() -> None:
    supplies = Supplies()

    assert supplies.of(("A1", "usb:1-1")) is supplies.of(("A1", "usb:1-1"))
    assert supplies.of(("A1", "usb:1-1")) is not supplies.of(("A1", "usb:1-2"))
    assert supplies.of(("A1", "usb:1-1")) is not supplies.of(("B2", "usb:1-1"))


class SetClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


def test_a_watch_tells_rises_from_falls_and_says_once_what_was_learned() -> None:
    clock, log = SetClock(), RecordingLog()
    memory = SupplyMemory()

    for _ in range(3):
        watch = SupplyWatch(memory, USUAL, clock=clock, log=log)
        watch.back()
        for mhz in (100.0, 106.25, 112.5, 106.25):
            clock.now += 1.0
            watch.runs_at(mhz, nonces=0)
        watch.lost(nonces=0)
        clock.now += AWAY
    watch.back()

    [told] = log.named("device.brown_out")
    assert told["mhz"] == 87.5
    assert "1.0 s after a rise to 112.5 MHz" in str(told["reason"])
    assert watch.ceiling == memory.ceiling(clock.now)


CYCLES = st.lists(
    st.tuples(
        st.sampled_from([50.0, 56.25, 100.0, 150.0, 156.25, 200.0]),
        st.floats(0.0, 20.0),
        st.integers(0, 2),
        st.floats(0.0, 5.0),
        st.floats(0.0, 5000.0),
    ),
    max_size=60,
)


@given(CYCLES)
def test_whatever_happens_a_ceiling_is_below_a_frequency_that_failed_and_not_below_the_floor(
    cycles: list[tuple[float, float, int, float, float]],
) -> None:
    life, counted = Life(), [0.0]

    for mhz, after, found, away, rest in cycles:
        is_suspicious = (
            after <= USUAL.window
            and not found
            and SHORTEST_ABSENCE - 1e-6 <= away <= LONGEST_ABSENCE + 1e-6
        )
        if is_suspicious:
            counted.append(mhz)
        said = life.cycle(mhz, after=after, found=found, away=away)
        ceiling = life.ceiling
        assert said is None or is_suspicious
        assert ceiling is None or USUAL.floor <= ceiling < max(counted)
        life.now += rest


@given(st.lists(st.tuples(st.floats(0.0, 60.0), st.booleans()), max_size=60))
def test_without_three_losses_that_count_there_is_never_a_ceiling(
    cycles: list[tuple[float, bool]],
) -> None:
    life, counted = Life(), 0

    for after, found in cycles:
        counts = after <= USUAL.window and not found
        if counted + counts == USUAL.losses:
            continue
        counted += counts
        assert life.cycle(150.0, after=after, found=int(found)) is None
    assert life.ceiling is None


@given(st.floats(60.0, 400.0), st.floats(6.25, 100.0))
def test_a_starved_stick_settles_below_its_limit(limit: float, step: float) -> None:
    life, wanted = Life(replace(USUAL, step=step)), 425.0

    for _ in range(400):
        mhz = min(wanted, life.ceiling or wanted)
        if mhz <= max(limit, USUAL.floor):
            break
        life.cycle(mhz)

    assert mhz <= max(limit, USUAL.floor)
    assert mhz > limit - step or mhz == USUAL.floor
