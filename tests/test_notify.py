"""Jobs from pools that are not trusted, and the headers that real ones led to."""

import contextlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import Solution
from drivers.header import difficulty_of, sha256d, target_of
from stratum_client.job import CoinbasePrefix, Job, SessionId, Share, VersionBits, version_bits
from stratum_client.notify import JobError, Terms, parse_notify
from tests.vectors.load import named, stratum

Vector = dict[str, Any]
GOOD = stratum("notify_validation")[0]["params"]


def job_of(params: list[object], *, extranonce1: str = "4128064f", size: int = 4) -> Job:
    terms = Terms(
        session=SessionId(pool="pool", number=1),
        extranonce1=bytes.fromhex(extranonce1),
        extranonce2_size=size,
        version_mask=0x1FFFE000,
        difficulty=1,
        target=target_of(1),
    )
    return parse_notify(params, terms, serial=1, arrived=0.0)


@pytest.mark.parametrize("vector", stratum("notify_validation"), ids=named)
def test_unfit_jobs_are_refused(vector: Vector) -> None:
    if vector["action"].startswith("reject"):
        with pytest.raises(JobError):
            job_of(vector["params"])
        return

    job = job_of(vector["params"])

    assert job.job_id == vector["params"][0]
    assert type(job.job_id) is type(vector["params"][0])
    if vector["action"] == "accept-clean":
        assert job.clean


@pytest.mark.parametrize("vector", stratum("shares"), ids=named)
def test_a_captured_share_is_rebuilt_byte_for_byte(vector: Vector) -> None:
    expect, submit = vector["expect"], vector["submit"]["params"]
    size = vector["extranonce2_size"]
    # This one was made by hand: its script length counts 4 bytes of extranonce2, not its 8.
    declared = 4 if vector["id"] == "syn-en-201" else size
    job = job_of(vector["notify"]["params"], extranonce1=vector["extranonce1"], size=declared)
    job = replace(job, extranonce2_size=size)
    extranonce2 = bytes.fromhex(submit[2])

    work = CoinbasePrefix(job).work(extranonce2, int(submit[3], 16))
    solution = Solution(
        work=work,
        nonce=int(submit[4], 16),
        version=int(expect["header_version"], 16),
        ntime=int(submit[3], 16),
    )

    coinbase = job.coinbase1 + job.extranonce1 + extranonce2 + job.coinbase2
    assert sha256d(coinbase).hex() == expect["coinbase_txid_internal"]
    assert work.merkle_root.hex() == expect["merkle_root_internal"]
    assert job.prev_hash[::-1].hex() == expect["prevhash_display"]
    assert solution.header().hex() == expect["header"]
    assert f"{solution.hash():064x}" == expect["hash_display"]
    assert difficulty_of(solution.hash()) == expect["share_difficulty"]
    assert (solution.hash() <= job.network_target) == expect["meets_network_target"]


@pytest.mark.parametrize("vector", stratum("version_roll_superset"), ids=named)
def test_the_sixth_parameter_suits_each_kind_of_pool(vector: Vector) -> None:
    params = [*GOOD[:5], vector["job_version"], *GOOD[6:]]
    job, mask = job_of(params), int(vector["mask"], 16)
    rolled = int(vector["rolled"], 16)
    share = Share(
        job=job,
        extranonce2=b"",
        ntime=0,
        nonce=0,
        version=rolled,
        value=0,
        device="",
        found_at=0.0,
    )

    assert job.free_version_bits.bit_count() == vector["free_bits"]
    assert rolled & ~job.free_version_bits == job.version
    replace_or = version_bits(share, mask, VersionBits.MASK)
    assert f"{replace_or:08x}" == vector["send_for_replace_or"]
    assert f"{version_bits(share, mask, VersionBits.XOR):08x}" == vector["send_for_xor_or"]


@pytest.mark.parametrize("vector", stratum("extranonce2"), ids=named)
def test_extranonce2_counts_from_the_low_end(vector: Vector) -> None:
    job = replace(job_of(GOOD), extranonce2_size=vector["size"])

    if vector["counter"] < job.extranonce2_count:
        assert job.extranonce2(vector["counter"]).hex() == vector["hex"]
    else:
        assert vector["size"] > 8, "only the low 8 bytes are counted"


@pytest.mark.parametrize("vector", stratum("extranonce2_space"), ids=named)
def test_an_extranonce2_space_is_as_large_as_its_bytes(vector: Vector) -> None:
    job = replace(job_of(GOOD), extranonce2_size=vector["size"])

    assert job.extranonce2_count == vector["values"]
    assert job.extranonce2(vector["values"] - 1).hex() == vector["last_hex"]


@given(st.lists(st.none() | st.booleans() | st.integers() | st.text() | st.binary().map(bytes.hex)))
def test_any_parameters_give_a_job_or_the_documented_error(params: list[object]) -> None:
    with pytest.raises(JobError):
        job_of(params)


@given(st.integers(0, 8), st.none() | st.integers() | st.text(max_size=80) | st.lists(st.text()))
def test_one_odd_parameter_never_raises_anything_else(index: int, odd: object) -> None:
    params = [*GOOD]
    params[index] = odd
    with contextlib.suppress(JobError):
        job_of(params)
