"""The hub: who gets which work, and what becomes of what comes back."""

from dataclasses import replace

import pytest

from drivers.api import Solution, Work
from drivers.header import MAX_TARGET, difficulty_of
from stratum_client.job import Fate, Job, PoolWork, SessionId
from stratum_client.miner import MAX_JOBS, Miner, Seat
from stratum_client.notify import Terms, parse_notify
from tests.stand_ins import (
    FetchingListener,
    ManualClock,
    RecordingLink,
    RecordingListener,
    RecordingWitness,
)
from tests.vectors.load import stratum

SHARE = stratum("shares")[0]
CAPTURED_NTIME = 0x685468D7


class Rig:
    """A miner with one pool and one device."""

    def __init__(self, *, submit_stale: bool = False, hold_jobs: bool = False) -> None:
        self.clock = ManualClock(wall=CAPTURED_NTIME)
        self.miner = Miner(self.clock)
        self.miner.hold_jobs = hold_jobs
        self.link = RecordingLink()
        self.tally = self.miner.add_pool("pool", self.link, submit_stale=submit_stale)
        self.seat = self.miner.seat("cpu")
        self.listener = self.seat.listener = RecordingListener()
        self.serial = 0

    def job(self, *, target: int = MAX_TARGET, extranonce1: str = "4128064f", size: int = 4) -> Job:
        """Return the captured job, on its own connection's terms."""
        self.serial += 1
        terms = Terms(
            session=SessionId(pool="pool", number=1),
            extranonce1=bytes.fromhex(extranonce1),
            extranonce2_size=4,
            version_mask=0x1FFFE000,
            difficulty=difficulty_of(target),
            target=target,
        )
        params = SHARE["notify"]["params"]
        job = parse_notify(params, terms, serial=self.serial, arrived=self.clock.now)
        return replace(job, extranonce2_size=size)

    def arrives(self, job: Job) -> Job:
        self.miner.job_arrived(job)
        return job

    def work(self, seat: Seat | None = None) -> PoolWork:
        work = (seat or self.seat).next_work()
        assert work
        return work


def solution(work: Work, nonce: int = 0, version: int = 0, ntime: int = 0) -> Solution:
    version = version or work.version
    return Solution(work=work, nonce=nonce, version=version, ntime=ntime or work.ntime)


def test_the_captured_share_goes_out_as_the_pool_accepted_it() -> None:
    rig = Rig()
    miner = Miner(rig.clock, extranonce2_start=0x17)
    miner.add_pool("pool", rig.link)
    miner.job_arrived(rig.job(target=difficulty_1_at(8192)))
    work = miner.seat("cpu").next_work()
    assert work

    difficulty = miner.seat("cpu").found(solution(work, 0x7552034C, 0x20B44000))

    assert difficulty == pytest.approx(29588.014, abs=0.001)
    [share] = rig.link.shares
    assert share.extranonce2.hex() == "17000000"
    assert share.ntime == CAPTURED_NTIME


def difficulty_1_at(difficulty: int) -> int:
    return (0xFFFF << 208) // difficulty


def test_no_two_devices_ever_get_the_same_work() -> None:
    rig = Rig()
    rig.arrives(rig.job())
    seats = [rig.miner.seat(name) for name in "abc"]

    roots = [rig.work(seat).merkle_root for _ in range(100) for seat in seats]

    assert len(set(roots)) == 300


def test_extranonce2_goes_on_counting_over_jobs_and_restarts_with_a_new_extranonce1() -> None:
    rig = Rig()
    rig.arrives(rig.job())
    first = [rig.work().extranonce2.hex() for _ in range(2)]
    rig.arrives(rig.job())
    rig.arrives(rig.job(extranonce1="deadbeef"))
    other = rig.work().extranonce2.hex()
    rig.arrives(rig.job())

    assert first == ["00000000", "01000000"]
    assert other == "00000000"
    assert rig.work().extranonce2.hex() == "02000000", "the first search space goes on"


def test_a_space_that_was_searched_before_is_begun_elsewhere_and_others_at_zero() -> None:
    rig = Rig()
    job = rig.job()
    rig.miner.search_from("pool", job.extranonce1, job.extranonce2_size, 0x1234)

    rig.arrives(job)
    assert rig.work().extranonce2 == bytes.fromhex("34120000")
    rig.arrives(rig.job(extranonce1="00000001"))
    assert rig.work().extranonce2 == bytes(4)


def test_a_search_space_is_used_up_once_and_then_the_next_second_opens() -> None:
    rig = Rig()
    rig.arrives(rig.job(size=1))

    values = {rig.work().extranonce2 for _ in range(256)}
    assert len(values) == 256
    assert rig.seat.next_work() is None, "ntime must not run ahead of real time"
    rig.clock.now += 1.5
    rig.miner.wake_waiting()
    rolled = [rig.work() for _ in range(256)]

    assert rig.listener.changes[-1] is False
    assert {work.ntime for work in rolled} == {CAPTURED_NTIME + 1}
    assert {work.extranonce2 for work in rolled} == values
    assert rig.seat.next_work() is None


def test_a_new_job_opens_a_small_search_space_again() -> None:
    rig = Rig()
    rig.arrives(rig.job(size=1))
    for _ in range(256):
        rig.work()

    rig.arrives(replace(rig.job(size=1), job_id="other"))

    assert len({rig.work().extranonce2 for _ in range(256)}) == 256


def test_ntime_never_runs_ahead_of_a_clock_that_is_slow() -> None:
    rig = Rig()
    rig.arrives(rig.job(size=1))
    rig.clock.set_wall(CAPTURED_NTIME - 5000)
    for _ in range(256):
        rig.work()
    rig.clock.now += 100

    assert rig.seat.next_work() is None


def test_an_extranonce2_of_32_bytes_is_filled_up_with_zeros() -> None:
    rig = Rig()
    rig.arrives(rig.job(size=32))
    rig.work()

    assert rig.work().extranonce2 == b"\x01" + bytes(31)


def test_a_solution_that_misses_the_target_is_measured_and_goes_nowhere() -> None:
    rig = Rig()
    rig.arrives(rig.job(target=1 << 100))

    difficulty = rig.seat.found(solution(rig.work()))

    assert 0 < difficulty < 1
    assert not rig.link.shares
    assert rig.tally.solutions == 0


def test_the_same_solution_twice_is_submitted_once() -> None:
    rig = Rig()
    rig.arrives(rig.job())
    work = rig.work()

    for _ in range(2):
        rig.seat.found(solution(work, 5))

    assert len(rig.link.shares) == 1
    assert rig.tally.fates[Fate.DISCARDED] == 1
    assert rig.tally.reasons == {"duplicate": 1}


def test_a_witness_hears_of_a_share_before_the_pool_does_and_of_its_end() -> None:
    rig = Rig()
    witness = rig.miner.witness = RecordingWitness()
    rig.arrives(rig.job())
    work = rig.work()
    heard_before: list[int] = []
    rig.link.submit = lambda share: heard_before.append(len(witness.notes))  # type: ignore[method-assign]  # in place of a third class

    rig.seat.found(solution(work, 5))
    [(_, share)] = witness.notes
    rig.miner.share_ended(share, Fate.REJECTED, "low difficulty")
    rig.seat.found(solution(work, 5))

    assert heard_before == [1]
    assert [note for note, _ in witness.notes] == [
        *("found", "rejected low difficulty", "discarded duplicate")
    ]
    assert witness.notes[2][1] is not share, "a duplicate is told of, but it was never found"


def test_the_same_nonce_with_other_version_bits_is_another_share() -> None:
    rig = Rig()
    rig.arrives(rig.job())
    work = rig.work()

    rig.seat.found(solution(work, 5))
    rig.seat.found(solution(work, 5, work.version | 0x2000))

    assert len(rig.link.shares) == 2


@pytest.mark.parametrize(
    ("version", "ahead"), [(0x20001000, 0), (0x00002000, 0), (0x20000000, -1), (0x20000000, 601)]
)
def test_a_solution_outside_of_its_work_goes_nowhere(version: int, ahead: int) -> None:
    rig = Rig()
    rig.arrives(rig.job())
    work = rig.work()

    rig.seat.found(solution(work, 5, version, work.ntime + ahead))

    assert not rig.link.shares


def test_a_clean_job_makes_older_shares_stale_but_a_later_one_does_not() -> None:
    rig = Rig()
    rig.arrives(rig.job())
    old = rig.work()
    rig.arrives(replace(rig.job(), job_id="b", clean=False))
    rig.seat.found(solution(old, 1))
    rig.arrives(replace(rig.job(), job_id="c", clean=True))

    rig.seat.found(solution(old, 2))

    assert [share.nonce for share in rig.link.shares] == [1]
    assert rig.tally.reasons == {"stale": 1}
    assert rig.listener.changes == [True, False, True]


def test_a_changed_prevhash_is_clean_without_the_flag() -> None:
    rig = Rig()
    rig.arrives(rig.job())
    old = rig.work()

    rig.arrives(replace(rig.job(), job_id="b", clean=False, prev_hash=bytes(32)))
    rig.seat.found(solution(old))

    assert not rig.link.shares
    assert rig.listener.changes == [True, True]


def test_stale_shares_are_submitted_where_that_is_wished() -> None:
    rig = Rig(submit_stale=True)
    rig.arrives(rig.job())
    old = rig.work()
    rig.arrives(replace(rig.job(), job_id="b", clean=True))

    rig.seat.found(solution(old))

    assert len(rig.link.shares) == 1


def test_a_block_is_submitted_even_when_it_is_stale() -> None:
    rig = Rig()
    rig.arrives(replace(rig.job(target=1 << 100), network_target=MAX_TARGET))
    old = rig.work()
    rig.arrives(replace(rig.job(), job_id="b"))

    rig.seat.found(solution(old))

    [share] = rig.link.shares
    assert share.is_block
    assert rig.tally.blocks == 1


def test_a_replaced_job_of_the_same_id_is_dead_and_one_on_new_terms_is_not() -> None:
    rig = Rig()
    rig.arrives(rig.job())
    first = rig.work()
    rig.arrives(replace(rig.job(target=1 << 250), clean=False))
    rig.seat.found(solution(first, 1))
    assert len(rig.link.shares) == 1, "the same task: only the difficulty changed"

    rig.arrives(replace(rig.job(), clean=False, ntime=CAPTURED_NTIME + 1))
    rig.seat.found(solution(first, 2))

    assert len(rig.link.shares) == 1
    assert rig.tally.reasons == {"stale": 1}


def test_old_jobs_are_bounded_in_number_and_age() -> None:
    rig = Rig()
    rig.arrives(rig.job())
    works = [rig.work()]
    for number in range(MAX_JOBS):
        rig.arrives(replace(rig.job(), job_id=f"{number}", clean=False))
        works.append(rig.work())
    rig.seat.found(solution(works[0]))
    assert rig.tally.reasons == {"stale": 1}

    rig.clock.now += 601
    rig.arrives(replace(rig.job(), job_id="late", clean=False))
    rig.seat.found(solution(works[-1]))

    assert rig.tally.reasons == {"stale": 2}


def test_a_pool_that_is_gone_for_long_stops_its_devices() -> None:
    rig = Rig()
    rig.arrives(rig.job())

    rig.miner.pool_gone("pool")

    assert rig.seat.next_work() is None
    assert rig.listener.changes == [True, True]
    rig.arrives(rig.job())
    assert rig.work()


def test_counts_are_kept_for_rig_pool_and_device() -> None:
    rig = Rig()
    rig.arrives(rig.job(target=MAX_TARGET))
    rig.seat.found(solution(rig.work()))
    rig.clock.now += 10

    rig.miner.share_ended(rig.link.shares[0], Fate.ACCEPTED)

    for tally in (rig.miner.tally, rig.tally, rig.seat.tally):
        assert tally.fates[Fate.ACCEPTED] == 1
        assert tally.solutions == 1
        assert tally.proven.average(rig.clock.now) == pytest.approx(0.1)
        assert tally.credited.average(rig.clock.now) == pytest.approx(0.1)


def test_a_device_keeps_its_seat_and_counts_over_a_restart() -> None:
    rig = Rig()

    assert rig.miner.seat("cpu") is rig.seat


def test_a_new_session_with_another_coinbase_makes_all_older_work_worthless() -> None:
    rig = Rig()
    rig.arrives(replace(rig.job(), clean=False))
    elsewhere = SessionId(pool="pool", number=2)

    rig.arrives(replace(rig.job(), clean=False, session=elsewhere))
    rig.arrives(replace(rig.job(extranonce1="00000000"), clean=False, session=elsewhere))
    third = SessionId(pool="pool", number=3)
    rig.arrives(replace(rig.job(extranonce1="11111111"), clean=False, session=third))

    assert rig.listener.changes == [True, False, False, True]


class TwoPools(Rig):
    """A miner with two pools and three devices that fetch work; a plan says who works where."""

    def __init__(self, *, submit_stale: bool = False) -> None:
        super().__init__()
        self.spare = RecordingLink()
        self.spare_tally = self.miner.add_pool("spare", self.spare, submit_stale=submit_stale)
        self.devices = {name: FetchingListener(self.miner.seat(name)) for name in "abc"}
        self.places: dict[str, str | None] = dict.fromkeys("abc", "pool")
        self.seat.listener = None
        self.miner.follow(self)
        self.arrives(self.job())

    def pool_for(self, seat: str) -> str | None:
        assert seat in self.places, "nobody mines there"
        return self.places[seat]

    def seat_left(self, seat: str, now: float) -> None:
        del self.places[seat]

    def job_of_spare(self) -> Job:
        return replace(self.job(), session=SessionId(pool="spare", number=2), job_id="s")

    def told(self) -> dict[str, list[bool]]:
        """Return what each device was told since the last time."""
        told = {name: list(device.changes) for name, device in self.devices.items()}
        for device in self.devices.values():
            device.changes.clear()
        return told


def test_a_job_of_a_pool_that_does_not_serve_disturbs_nobody() -> None:
    rig = TwoPools()
    assert rig.told() == {"a": [True], "b": [True], "c": [True]}

    rig.arrives(rig.job_of_spare())

    assert rig.told() == {"a": [], "b": [], "c": []}
    job = rig.miner.current_job("spare")
    assert job
    assert job.job_id == "s"


def test_a_change_of_plan_tells_those_whom_it_concerns_in_the_same_call() -> None:
    rig = TwoPools()
    rig.arrives(rig.job_of_spare())
    rig.told()
    old = rig.devices["b"].work

    rig.places["b"] = "spare"
    rig.miner.plan_changed()

    assert rig.told() == {"a": [], "b": [False], "c": []}, "older work stays worth something"
    new = rig.devices["b"].work
    assert old
    assert new
    assert (old.job.session.pool, new.job.session.pool) == ("pool", "spare")
    rig.miner.seat("b").found(solution(old, 1))
    rig.miner.seat("b").found(solution(new, 2))
    assert [share.nonce for share in rig.link.shares] == [1]
    assert [share.nonce for share in rig.spare.shares] == [2]


def test_who_gets_no_work_any_more_is_told_that_all_older_work_is_worthless() -> None:
    rig = TwoPools()
    rig.told()

    rig.places["c"] = None
    rig.miner.plan_changed()

    assert rig.told() == {"a": [], "b": [], "c": [True]}
    assert rig.devices["c"].work is None


def test_a_device_that_is_gone_is_dealt_to_no_more_and_keeps_its_counts() -> None:
    rig = TwoPools()
    gone = rig.miner.seat("b")
    gone.tally.solutions = 7
    gone.listener = None

    rig.miner.seat_left("b")
    rig.told()
    rig.miner.plan_changed()
    rig.arrives(replace(rig.job(), clean=True))
    rig.miner.pool_gone("pool")

    assert "b" not in rig.places, "or `pool_for` had complained"
    assert rig.told() == {"a": [True, True], "b": [], "c": [True, True]}
    assert rig.miner.seat("b").tally.solutions == 7


def test_stale_shares_go_only_where_that_is_wished() -> None:
    rig = TwoPools(submit_stale=True)
    rig.arrives(rig.job_of_spare())
    rig.places["b"] = "spare"
    rig.miner.plan_changed()
    works = [rig.devices[name].work for name in "ab"]

    rig.arrives(replace(rig.job(), job_id="new", clean=True))
    rig.arrives(replace(rig.job_of_spare(), job_id="new", clean=True))
    for name, work in zip("ab", works, strict=True):
        assert work
        rig.miner.seat(name).found(solution(work, 7))

    assert (len(rig.link.shares), len(rig.spare.shares)) == (0, 1)


def test_a_held_job_keeps_devices_warm_and_nothing_of_it_counts() -> None:
    rig = Rig(hold_jobs=True)
    rig.arrives(rig.job())
    old = rig.work()

    assert not rig.miner.holds_job("pool")
    rig.miner.pool_gone("pool")
    assert rig.miner.holds_job("pool")
    held = rig.work()
    rig.seat.found(solution(old, 1))
    rig.seat.found(solution(held, 2))

    assert rig.listener.changes == [True], "nobody is disturbed"
    assert not rig.link.shares
    assert rig.tally.reasons == {"of no pool": 2}
    assert rig.miner.current_job("pool") is None
    rig.arrives(replace(rig.job(), clean=False))
    assert rig.listener.changes == [True, True], "the held job is no older job of this one"
    rig.seat.found(solution(rig.work(), 3))
    assert len(rig.link.shares) == 1


def test_what_is_found_for_a_pool_that_was_removed_is_discarded() -> None:
    rig = TwoPools()
    rig.arrives(rig.job_of_spare())
    work = rig.devices["a"].work
    assert work

    rig.miner.remove_pool("pool")
    rig.miner.seat("a").found(solution(work, 1))

    assert rig.devices["a"].work is None
    assert not rig.link.shares
    assert rig.miner.tally.reasons == {"of no pool": 1}


def test_a_block_that_a_device_repeats_goes_out_once_even_when_its_job_is_gone() -> None:
    rig = Rig()
    rig.arrives(replace(rig.job(), network_target=MAX_TARGET))
    old = rig.work()
    rig.arrives(replace(rig.job(), job_id="b", clean=True))

    for _ in range(3):
        rig.seat.found(solution(old))

    assert len(rig.link.shares) == 1
    assert rig.tally.blocks == 1
    assert rig.tally.reasons == {"duplicate": 2}


def test_a_block_that_is_found_for_a_pool_that_was_removed_is_not_lost() -> None:
    rig = Rig()
    rig.arrives(replace(rig.job(target=1 << 100), network_target=MAX_TARGET))
    work = rig.work()

    rig.miner.remove_pool("pool")
    rig.seat.found(solution(work))

    [share] = rig.link.shares
    assert share.is_block
