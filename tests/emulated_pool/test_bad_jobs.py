"""Jobs that are wrong in one way, or right but odd, against the vectors of such jobs."""

from typing import Any

import pytest

from stratum_client.emulated_pool.bad_jobs import KINDS, ODD, WRONG
from stratum_client.emulated_pool.fault_specs import fault_of
from tests.emulated_pool.coinbase_parser import parse
from tests.emulated_pool.rig import EASY, Rig, named
from tests.vectors.load import stratum

VALIDATION = {vector["id"].removeprefix("nv-"): vector for vector in stratum("notify_validation")}


def test_every_known_way_to_spoil_a_job_can_be_played() -> None:
    assert set(VALIDATION) <= {*KINDS}
    for kind, vector in VALIDATION.items():
        assert (kind in ODD) is vector["action"].startswith("accept"), kind


@pytest.mark.parametrize("kind", sorted(WRONG))
def test_a_wrong_job_differs_from_a_good_one_and_is_not_kept(kind: str) -> None:
    rig = Rig()
    client = rig.miner()
    good = client.share()

    rig.engine.inject(fault_of(f"job={kind}"), rig.now)
    [params] = named(client.hear(), "mining.notify")

    assert client.ask("mining.submit", *good)["result"] is True
    job_id = params[0] if params else "?"
    answer = client.ask("mining.submit", "account.worker", job_id, *good[2:])
    assert answer["error"][:2] == [21, "Job not found"]
    if kind in VALIDATION:
        assert_spoiled_alike(params, VALIDATION[kind]["params"])


def assert_spoiled_alike(params: list[Any], vector: list[Any]) -> None:
    """Check that the vector's good twin was spoiled in the same parameters as ours."""
    good = VALIDATION["good"]["params"]
    changed = [at for at, value in enumerate(vector) if value != good[at]]
    assert len(changed) == 1
    [at] = changed
    match at:
        case 0:
            assert params[0] == vector[0]
        case 1:
            assert (len(params[1]), is_hex(params[1])) == (len(vector[1]), is_hex(vector[1]))
        case 2 | 3:
            with pytest.raises(AssertionError):
                sound(params)
            with pytest.raises(AssertionError):
                sound(vector)
        case 4:
            assert {len(text) for text in params[4]} == {len(text) for text in vector[4]}
        case _:
            assert params[at] == vector[at]


def is_hex(text: str) -> bool:
    return set(text) <= set("0123456789abcdef")


def sound(params: list[Any]) -> None:
    """Raise AssertionError unless the coinbase is one (with 12 bytes of extranonces, or 8)."""
    size = 8 if params[2] in [vector["params"][2] for vector in VALIDATION.values()] else 12
    if params[3] in [vector["params"][3] for vector in VALIDATION.values()]:
        size = 8
    parsed = parse(bytes.fromhex(params[2]) + bytes(size) + bytes.fromhex(params[3]))
    assert parsed.outpoint == bytes(32) + b"\xff\xff\xff\xff"
    assert sum(value for value, _ in parsed.outputs) <= 21_000_000 * 10**8


def test_the_good_vector_and_our_own_jobs_are_sound() -> None:
    sound(VALIDATION["good"]["params"])
    sound(Rig().miner().job)


@pytest.mark.parametrize("kind", sorted(ODD))
def test_an_odd_job_can_be_mined(kind: str) -> None:
    rig = Rig()
    client = rig.miner()

    rig.engine.inject(fault_of(f"job={kind}"), rig.now)
    client.hear()
    if kind == "8params":
        assert len(client.job) == 8

    assert client.mine(2)[0]["result"] is True


def test_odd_jobs_look_as_in_the_vectors() -> None:
    jobs = {}
    for kind in ("version-short", "job-int", "clean-int"):
        rig = Rig()
        client = rig.miner()
        rig.engine.inject(fault_of(f"job={kind}"), rig.now)
        client.hear()
        jobs[kind] = client.job

    assert jobs["version-short"][5] == VALIDATION["version-short"]["params"][5] == "4"
    assert type(jobs["job-int"][0]) is type(VALIDATION["job-int"]["params"][0]) is int
    assert (jobs["clean-int"][8], type(jobs["clean-int"][8])) == (1, int)


def test_a_clean_int_kills_the_jobs_before_it() -> None:
    rig = Rig()
    client = rig.miner()
    old = client.share()

    rig.engine.inject(fault_of("job=clean-int"), rig.now)
    client.hear()

    assert client.ask("mining.submit", *old)["error"][0] == 21


def test_a_job_is_repeated_word_for_word() -> None:
    rig = Rig()
    client = rig.miner()
    first = client.job

    rig.engine.inject(fault_of("repeat-job"), rig.now)

    assert named(client.hear(), "mining.notify") == [first]
    assert client.mine(1)[0]["result"] is True


def test_a_job_id_is_reused_for_other_contents() -> None:
    rig = Rig(difficulty=EASY * 256)
    client = rig.miner()
    first, old = client.job, client.share(EASY * 256)

    rig.engine.inject(fault_of("reuse-job-id"), rig.now)
    [again] = named(client.hear(), "mining.notify")

    assert again[0] == first[0]
    assert again[1:5] != first[1:5]
    assert client.mine(1, difficulty=EASY * 256)[0]["result"] is True
    assert client.ask("mining.submit", *old)["error"] == [23, "Low difficulty share", None]
