"""The pool's jobs: coinbases that parse, branches, tips, ids."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from stratum_client.emulated_pool.addresses import output_script
from stratum_client.emulated_pool.chain import Chain, ChainSettings
from stratum_client.emulated_pool.jobs import IssuedJob, Template, swap_words, template_of
from stratum_client.emulated_pool.known_pools import BTCCOM, PLAIN
from stratum_client.emulated_pool.profiles import JobIdForm
from stratum_client.emulated_pool.proof_of_work import network_target, target_for
from tests.emulated_pool.coinbase_parser import height_of, parse
from tests.emulated_pool.rig import EASY, Rig, named, twice
from tests.vectors.load import named as id_of
from tests.vectors.load import stratum


def chain_of(**settings: Any) -> Chain:
    ids = iter(range(1, 1000))
    return Chain(
        ChainSettings(**settings),
        wall=lambda: 1_750_000_000.0,
        random=Random(3),
        next_job_id=lambda: f"{next(ids):x}",
    )


def issued(template: Template, extranonce1: bytes, extranonce2_size: int) -> IssuedJob:
    return IssuedJob(
        template=template,
        extranonce1=extranonce1,
        extranonce2_size=extranonce2_size,
        difficulty=1,
        clean=True,
        issued_at=0.0,
    )


@pytest.mark.parametrize("size1", [0, 1, 4, 5, 9, 32])
@pytest.mark.parametrize("size2", [1, 3, 8, 16])
def test_a_coinbase_is_valid_with_extranonces_of_any_size(size1: int, size2: int) -> None:
    job = issued(chain_of(tag=b"t" * 40, height=2**31 - 1).current, b"\xa5" * size1, size2)

    parsed = parse(job.coinbase(b"\x5a" * size2))

    assert parsed.outpoint == bytes(32) + b"\xff\xff\xff\xff"
    assert 2 <= len(parsed.script) <= 100
    assert parsed.script.endswith(b"\xa5" * size1 + b"\x5a" * size2)
    assert height_of(parsed.script) == 2**31 - 1
    assert b"t" * 40 in parsed.script
    assert parsed.locktime == 0


@pytest.mark.parametrize("height", [1, 127, 128, 255, 256, 32767, 32768, 905_000, 2**24])
def test_a_coinbase_begins_with_its_height(height: int) -> None:
    job = issued(chain_of(height=height).current, b"abcd", 8)

    assert height_of(parse(job.coinbase(bytes(8))).script) == height


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_a_coinbase_pays_the_address_first_and_commits_to_witnesses(outputs: int) -> None:
    script = output_script("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")
    job = issued(chain_of(outputs=outputs, payout_script=script).current, b"abcd", 8)

    parsed = parse(job.coinbase(bytes(8)))

    assert len(parsed.outputs) == outputs
    assert parsed.outputs[0][1] == script
    assert 312_500_000 <= sum(value for value, _ in parsed.outputs) < 21e14
    assert outputs == 1 or parsed.outputs[1][1].startswith(bytes.fromhex("6a24aa21a9ed"))
    assert outputs == 1 or (parsed.outputs[1][0], len(parsed.outputs[1][1])) == (0, 38)


@pytest.mark.parametrize("branches", [0, 1, 12, 16])
def test_a_job_has_as_many_branches_as_asked_for(branches: int) -> None:
    branch = chain_of(branches=branches).current.branch

    assert len(branch) == len(set(branch)) == branches
    assert all(len(sibling) == 32 for sibling in branch)


@pytest.mark.parametrize(
    "wrong",
    [
        {"branches": 17},
        {"branches": -1},
        {"outputs": 0},
        {"outputs": 4},
        {"height": 0},
        {"tag": b""},
        {"tag": b"t" * 41},
        {"network_difficulty": 0.0},
    ],
)
def test_settings_no_chain_can_have_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must"):
        ChainSettings(**wrong)


def test_somebody_elses_block_meets_the_network_target() -> None:
    chain = chain_of(network_difficulty=1000.0)

    tips = [chain.extend().prev_hash for _ in range(20)]

    assert len(set(tips)) == 20
    assert all(int.from_bytes(tip, "little") <= target_for(1000) for tip in tips)
    assert chain.height == 905_020


def test_the_network_target_is_not_easier_than_its_difficulty() -> None:
    assert network_target(chain_of(network_difficulty=1.0).nbits) == target_for(1)
    assert network_target(chain_of(network_difficulty=77.7).nbits) <= target_for(77.7)
    assert chain_of(network_difficulty=1e-30).nbits == 0x207FFFFF


@pytest.mark.parametrize("vector", stratum("prevhash"), ids=id_of)
def test_the_previous_hash_travels_with_swapped_words(vector: dict[str, Any]) -> None:
    assert swap_words(bytes.fromhex(vector["internal"])).hex() == vector["stratum"]


@pytest.mark.parametrize("vector", stratum("shares"), ids=id_of)
def test_a_captured_job_is_printed_as_it_came(vector: dict[str, Any]) -> None:
    params = vector["notify"]["params"]
    job = issued(template_of(params), b"", vector["extranonce2_size"])

    assert job.params()[:8] == params[:8]


def test_new_work_keeps_the_tip_and_changes_the_rest() -> None:
    rig = Rig()
    client = rig.miner()
    first = client.job

    rig.engine.new_work(rig.now)
    client.hear()

    assert client.job[1] == first[1]
    assert client.job[0] != first[0]
    assert client.job[4] != first[4]
    assert client.job[8] is False


def test_new_work_comes_by_itself_every_thirty_seconds() -> None:
    rig = Rig()
    client = rig.miner()

    rig.advance(29.9)
    before = named(client.hear(), "mining.notify")
    rig.advance(60.2)

    assert before == []
    assert len(named(client.hear(), "mining.notify")) == 3


def test_a_block_comes_every_so_many_seconds_if_wanted() -> None:
    rig = Rig(block_every=5.0, work_every=0.0)
    client = rig.miner()

    rig.advance(20.0)

    jobs = named(client.hear(), "mining.notify")
    assert [job[8] for job in jobs] == [True] * 4
    assert len({job[1] for job in jobs}) == 4
    assert rig.engine.height == 905_004


def test_ntime_follows_the_clock() -> None:
    rig = Rig(work_every=10.0)
    client = rig.miner()
    first = int(client.job[7], 16)

    rig.advance(10.0)
    client.hear()

    assert first == 1_750_001_000
    assert int(client.job[7], 16) == first + 10


def test_a_job_version_may_have_bits_inside_the_mask() -> None:
    rig = Rig(chain=ChainSettings(version=0x2000E000))
    client = rig.miner()

    assert client.job[5] == "2000e000"
    assert client.mine()[0]["result"] is True


def test_a_share_that_meets_the_network_target_is_a_block() -> None:
    rig = Rig(difficulty=EASY, chain=ChainSettings(network_difficulty=2.0**-26))
    finder, other = rig.miner(), rig.miner()
    height = rig.engine.height
    work = finder.work()
    nonce = work.solve(2.0**-26)

    answer = finder.ask(
        "mining.submit",
        "account.worker",
        work.params[0],
        work.extranonce2,
        work.params[7],
        f"{nonce:08x}",
    )

    assert answer["result"] is True
    assert rig.engine.height == height + 1
    assert rig.engine.tally().total.blocks == 1
    [job] = named(other.hear(), "mining.notify")
    assert job[8] is True
    assert client_prev_hash(job) == twice(work.header(nonce))
    assert finder.job[1] == job[1]
    found = [event for event in rig.events if type(event).__name__ == "BlockFound"]
    assert [event.connection for event in found] == [finder.number]


def client_prev_hash(job: list[Any]) -> bytes:
    return swap_words(bytes.fromhex(job[1]))


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (JobIdForm.COUNTER, ["1", "2", "3"]),
        (JobIdForm.DECIMAL_BYTE, ["1", "2", "3"]),
        (JobIdForm.START_AND_COUNTER, ["684ee56800000001", "684ee56800000002"]),
        (JobIdForm.SIXTEEN, ["00000001684ee568", "00000002684ee568"]),
    ],
)
def test_job_ids_have_the_form_of_the_profile(form: JobIdForm, expected: list[str]) -> None:
    profile = replace(PLAIN, manners=replace(PLAIN.manners, job_ids=form))
    rig = Rig(profile=profile)
    client = rig.miner()
    ids = [client.job[0]]
    for _ in expected[1:]:
        rig.engine.new_work(rig.now)
        client.hear()
        ids.append(client.job[0])

    assert ids == expected


def test_small_decimal_job_ids_come_round_again() -> None:
    rig = Rig(profile=BTCCOM)
    client = rig.miner()
    for _ in range(255):
        rig.engine.new_work(rig.now)
    client.hear()

    assert client.job[0] == "0"
    assert client.mine()[0]["result"] is True
