import pytest

from drivers.cpu.pace import BATCH_SECONDS, SHORT_BATCH_SECONDS, Pace
from drivers.header import MAX_TARGET

NO_TARGET = 0


class Bench:
    """A CPU of a known speed that searches as the pace tells it, in its own time."""

    def __init__(self, pace: Pace, *, hashrate: float, target: int = NO_TARGET) -> None:
        self.pace = pace
        self.hashrate = hashrate
        self.target = target
        self.now = 1000.0
        self.busy = 0.0
        self.hashes = 0
        self.solutions = 0.0

    def run(self, seconds: float) -> None:
        """Search and rest until ``seconds`` have passed."""
        end = self.now + seconds
        while self.now < end:
            if (rest := self.pace.rest(self.now)) > 0:
                self.now += rest
            else:
                self._batch()

    def _batch(self) -> None:
        hashes = max(1, self.pace.hashes(self.target))
        before = int(self.solutions)
        self.solutions += hashes * (self.target + 1) / 2**256
        taken = hashes / self.hashrate
        self.pace.searched(
            hashes=hashes,
            solutions=int(self.solutions) - before,
            began=self.now,
            ended=self.now + taken,
            cpu_seconds=taken,
        )
        self.now += taken
        self.busy += taken
        self.hashes += hashes


def bench(*, duty: int = 100, hashrate: float = 35e6, target: int = NO_TARGET) -> Bench:
    pace = Pace()
    pace.limit(duty=duty, solutions=100)
    return Bench(pace, hashrate=hashrate, target=target)


@pytest.mark.parametrize("hashrate", [20e3, 1.4e6, 35e6, 500e6])
def test_batches_come_to_last_the_same_time_on_any_cpu(hashrate: float) -> None:
    cpu = bench(hashrate=hashrate)

    cpu.run(10)

    assert cpu.pace.hashes(NO_TARGET) / hashrate == pytest.approx(BATCH_SECONDS, rel=0.01)


def test_at_full_duty_there_is_no_rest() -> None:
    cpu = bench()

    cpu.run(10)

    assert cpu.busy == pytest.approx(10, rel=0.02)


@pytest.mark.parametrize("duty", [1, 33, 70, 99])
def test_duty_is_kept_in_short_batches(duty: int) -> None:
    cpu = bench(duty=duty)

    cpu.run(60)

    assert cpu.busy == pytest.approx(60 * duty / 100, rel=0.02)
    assert cpu.pace.hashes(NO_TARGET) / cpu.hashrate == pytest.approx(SHORT_BATCH_SECONDS, rel=0.01)


def test_time_in_which_others_had_the_cpu_needs_no_rest() -> None:
    pace = Pace()
    pace.limit(duty=50, solutions=100)

    pace.searched(hashes=1000, solutions=0, began=10.0, ended=11.0, cpu_seconds=0.01)

    assert pace.rest(11.0) == pytest.approx(0.01)


@pytest.mark.parametrize("one_in", [1, 16, 4096, 1 << 16])
def test_an_easy_target_gives_no_more_solutions_than_the_limit(one_in: int) -> None:
    cpu = bench(target=MAX_TARGET // one_in)

    cpu.run(30)

    assert cpu.solutions == pytest.approx(30 * 100, rel=0.02)
    assert cpu.pace.held_back


def test_solutions_below_the_limit_cost_nothing() -> None:
    cpu = bench(target=2**256 * 90 // 35_000_000)  # 90 a second

    cpu.run(30)

    assert cpu.busy == pytest.approx(30, rel=0.01)
    assert not cpu.pace.held_back


def test_a_batch_holds_few_solutions() -> None:
    pace = Pace()

    assert pace.hashes(MAX_TARGET) == 4
    assert pace.hashes(MAX_TARGET // 1000) == pytest.approx(4000, rel=0.01)
