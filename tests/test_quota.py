"""Hashes dealt by quota: over simulated minutes, through outages, with devices of any speed."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.quota import QUANTUM, QuotaDealer

QUOTAS = {"a": 70.0, "b": 20.0, "c": 10.0}
FLEETS = {
    "one device": {"only": 1e12},
    "ten alike": {f"d{n}": 5e11 for n in range(10)},
    "a giant and dwarfs": {"giant": 1e14, **{f"d{n}": 3e11 for n in range(7)}},
    "all sorts": {f"d{n}": 1e9 * 3.1**n for n in range(12)},
}


class Rig:
    """A dealer, devices that hash, and the books of an independent bookkeeper."""

    def __init__(self, rates: dict[str, float]) -> None:
        self.now = 0.0
        self.dealer = QuotaDealer(0.0)
        self.rates = dict(rates)
        self.got: dict[str, float] = dict.fromkeys(QUOTAS, 0.0)
        self.due: dict[str, float] = dict.fromkeys(QUOTAS, 0.0)
        self.open: set[str] = set()
        self.moves = 0
        self._before: dict[str, str | None] = {}

    def serve(self, *names: str) -> None:
        self.open = set(names)
        self.dealer.serve({name: QUOTAS[name] for name in names}, self.now)

    def run(self, seconds: float, step: float = 0.5) -> None:
        """Let devices hash, in steps; each asks where it works, as it would at each work."""
        for _ in range(round(seconds / step)):
            if self.now >= self.dealer.next_turn:
                self.dealer.turn(self.rates, self.now)
            whole = sum(QUOTAS[name] for name in self.open)
            for seat, rate in self.rates.items():
                pool = self.dealer.pool_of(seat)
                assert pool in self.open
                self.moves += pool != self._before.get(seat, pool)
                self._before[seat] = pool
                self.got[pool] += rate * step
                for name in self.open:
                    self.due[name] += rate * step * QUOTAS[name] / whole
            self.now += step

    def parts(self) -> dict[str, float]:
        total = sum(self.got.values())
        return {name: got / total for name, got in self.got.items()}

    def errors(self) -> dict[str, float]:
        total = sum(self.got.values())
        return {name: abs(self.got[name] - self.due[name]) / total for name in QUOTAS}


@pytest.mark.parametrize("fleet", FLEETS)
def test_hashes_are_split_as_wished_after_ten_minutes(fleet: str) -> None:
    rig = Rig(FLEETS[fleet])
    rig.serve("a", "b", "c")

    rig.run(600)

    assert rig.parts() == pytest.approx({"a": 0.7, "b": 0.2, "c": 0.1}, abs=0.02)


@pytest.mark.parametrize("fleet", FLEETS)
@pytest.mark.parametrize("away", ["a", "b", "c"])
def test_an_outage_costs_a_pool_its_part_and_no_more(fleet: str, away: str) -> None:
    rig = Rig(FLEETS[fleet])
    rig.serve("a", "b", "c")
    rig.run(200)
    others = [name for name in "abc" if name != away]

    rig.serve(*others)
    rig.run(150)
    rig.serve("a", "b", "c")
    at_return = dict(rig.got)
    rig.run(250)

    assert max(rig.errors().values()) <= 0.02
    # Since its return it had its usual part, nothing for the time before.
    since = {name: rig.got[name] - at_return[name] for name in QUOTAS}
    part = since[away] / sum(since.values())
    assert part == pytest.approx(QUOTAS[away] / 100, abs=0.05)


def test_two_devices_alike_share_a_pool_each_when_quotas_are_equal_and_stay_there() -> None:
    rig = Rig({"x": 1e12, "y": 1e12})
    dealer = rig.dealer
    dealer.serve({"a": 1.0, "b": 1.0}, 0.0)

    places = set()
    for turn in range(1, 50):
        dealer.turn(rig.rates, turn * QUANTUM)
        places.add((dealer.pool_of("x"), dealer.pool_of("y")))

    assert places in ({("a", "b")}, {("b", "a")})


def test_a_seat_stays_for_a_quantum_unless_its_pool_is_lost() -> None:
    dealer = QuotaDealer(0.0)
    dealer.serve({"a": 1.0, "b": 1.0}, 0.0)
    first = dealer.pool_of("only")
    assert first

    assert {dealer.pool_of("only") for _ in range(100)} == {first}
    dealer.serve({name: 1.0 for name in "ab" if name != first}, 4.0)
    other = dealer.pool_of("only")
    assert other not in (None, first)
    dealer.serve({"a": 1.0, "b": 1.0}, 5.0)

    assert dealer.pool_of("only") == other, "nobody is chased away by a pool that comes back"


def test_without_a_pool_nobody_is_dealt_anywhere_and_then_at_once() -> None:
    dealer = QuotaDealer(0.0)
    assert dealer.pool_of("only") is None
    dealer.serve({"a": 1.0}, 1.0)
    assert dealer.pool_of("only") == "a"
    dealer.serve({}, 2.0)
    assert dealer.pool_of("only") is None
    dealer.turn({"only": 5.0}, 11.0)
    dealer.serve({"b": 1.0}, 12.0)

    assert dealer.pool_of("only") == "b"


def test_the_books_say_what_was_wanted_and_what_was_achieved() -> None:
    rig = Rig(FLEETS["ten alike"])
    rig.serve("a", "b", "c")
    assert rig.dealer.dealt("a") is None
    rig.dealer.turn(rig.rates, 0.0)
    rig.run(300)
    rig.dealer.turn(rig.rates, rig.now)

    dealt = rig.dealer.dealt("a")
    assert dealt
    assert dealt.wanted == pytest.approx(0.7)
    assert dealt.achieved == pytest.approx(rig.parts()["a"], abs=0.01)
    assert rig.dealer.dealt("stranger") is None


def test_devices_that_come_and_go_upset_nothing() -> None:
    rig, random = Rig(FLEETS["all sorts"]), Random(5)
    every = dict(rig.rates)
    rig.serve("a", "b", "c")

    for _ in range(60):
        rig.run(10)
        rig.rates = {name: rate for name, rate in every.items() if random.random() < 0.8}

    assert max(rig.errors().values()) <= 0.02


def test_a_device_that_is_gone_hashes_for_nobody_from_then_on() -> None:
    dealer, rates = QuotaDealer(0.0), {"x": 1e12, "y": 1e12}
    dealer.serve({"a": 1.0, "b": 1.0}, 0.0)
    dealer.turn(rates, 0.0)
    left = dealer.pool_of("x") or ""

    dealer.leave("x", 5.0)
    dealer.turn({"y": 1e12}, 10.0)

    dealt = dealer.dealt(left)
    assert dealt
    assert dealt.achieved == pytest.approx(1 / 3), "5 s of the 15 s that were hashed"


def test_devices_that_do_not_tell_their_rate_are_dealt_by_time() -> None:
    dealer, counts = QuotaDealer(0.0), {"a": 0, "b": 0}
    dealer.serve({"a": 3.0, "b": 1.0}, 0.0)
    for turn in range(1, 101):
        dealer.turn({f"d{n}": 0.0 for n in range(4)}, turn * QUANTUM)
        for n in range(4):
            counts[dealer.pool_of(f"d{n}") or ""] += 1

    assert counts["a"] / 400 == pytest.approx(0.75, abs=0.02)


@given(
    quotas=st.lists(st.floats(0.1, 100), min_size=1, max_size=5),
    rates=st.lists(st.floats(1e3, 1e15), min_size=1, max_size=6),
    outages=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 12)), max_size=6),
)
def test_no_pool_ever_strays_further_than_some_quanta_of_all_devices(
    quotas: list[float], rates: list[float], outages: list[tuple[int, int]]
) -> None:
    wanted = {f"p{n}": quota for n, quota in enumerate(quotas)}
    seats = {f"d{n}": rate for n, rate in enumerate(rates)}
    dealer, now = QuotaDealer(0.0), 0.0
    dealer.serve(wanted, now)
    dealer.turn(seats, now)
    for lost, turns in [*outages, (0, 30)]:
        up = {name: quota for name, quota in wanted.items() if name != f"p{lost}"} or wanted
        dealer.serve(up, now)
        for _ in range(turns):
            now += QUANTUM
            dealer.turn(seats, now)
        dealer.serve(wanted, now)

    hashes = sum(rates) * now
    allowed = (2 + len(outages)) * sum(rates) * QUANTUM / hashes
    for name in wanted:
        dealt = dealer.dealt(name)
        assert dealt
        assert abs(dealt.achieved - dealt.wanted) <= allowed + 1e-9
