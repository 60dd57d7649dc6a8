"""Whether a coinbase pays whom it should: real ones, and made ones with every kind of address."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.header import target_of, target_of_nbits
from stratum_client.coinbase import Coinbase, Output
from stratum_client.config import Config, PayoutConfig
from stratum_client.config_file import read_config
from stratum_client.errors import ConfigError, PayoutError
from stratum_client.payout import PayoutCheck, subsidy
from stratum_client.session_events import Failed, JobRefused, NewJob, PayoutChecked
from tests.test_bitcoin_address import PAYABLE, VALID
from tests.test_session import Talk, one

MAINNET, REGTEST = target_of(100e12), target_of_nbits(0x207FFFFF)
OURS = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
OUR_SCRIPT = VALID[OURS.upper()]
OTHER = bytes.fromhex("76a914") + b"\x07" * 20 + bytes.fromhex("88ac")
HEIGHT = 905_000
BLOCK = 312_500_000  # satoshi: 3.125 BTC since block 840 000
REAL = "bc1qnp980s5fpp8l94p5cvttmtdqy8rvrq74qly2yrfmzkdsntqzlc5qkc4rkq"
"""Whom the coinbase of the captured public-pool job pays, by this script."""

REAL_SCRIPT = "0020984a77c289084ff2d434c316bdada021c6c183d507c8a20d3b159b09ac02fe28"


def coinbase(*outputs: tuple[int, bytes], height: int | None = HEIGHT) -> Coinbase:
    paid = tuple(Output(value=value, script=script) for value, script in outputs)
    return Coinbase(height=height, script=b"", outputs=paid, extranonces_in_script=True)


def check(address: str = OURS, **changes: Any) -> PayoutCheck:
    return PayoutCheck(PayoutConfig(address=address, **changes))


@pytest.mark.parametrize("address", PAYABLE)
def test_a_coinbase_that_pays_the_address_is_right(address: str) -> None:
    target = REGTEST if address.startswith("bcrt") else MAINNET

    paid = coinbase((BLOCK, VALID[address]), (0, b"\x6a\x24\xaa\x21\xa9\xed"))

    assert check(address).problem_with(paid, target) == ""


def test_all_five_forms_of_all_three_networks_are_among_the_addresses() -> None:
    forms = {(len(VALID[a]), VALID[a][0]) for a in PAYABLE}

    assert forms == {(25, 0x76), (23, 0xA9), (22, 0), (34, 0), (34, 0x51)}
    assert {a[:2].lower() for a in PAYABLE} >= {"bc", "tb"}


@pytest.mark.parametrize("address", PAYABLE)
def test_a_coinbase_that_pays_another_names_who_gets_most(address: str) -> None:
    problem = check(address).problem_with(coinbase((BLOCK, OTHER), (1, b"\x6a")), MAINNET)

    assert f"no output of the coinbase pays {address}" in problem
    assert "3.12500000 BTC of 3.12500001 BTC go to" in problem


def test_the_percentage_is_exact() -> None:
    for least, own, total, right in (
        (97.0, 97 * BLOCK, 100 * BLOCK, True),
        (97.0, 97 * BLOCK - 1, 100 * BLOCK, False),
        (99.9, 999 * BLOCK, 1000 * BLOCK, True),
        (99.9, 999 * BLOCK - 1, 1000 * BLOCK, False),
        (100.0, BLOCK, BLOCK, True),
        (100.0, BLOCK, BLOCK + 1, False),
    ):
        paid = coinbase((own, OUR_SCRIPT), (total - own, OTHER))

        assert (check(min_percent=least).problem_with(paid, MAINNET) == "") == right, least


def test_several_outputs_to_the_address_count_together() -> None:
    half = BLOCK // 2

    paid = coinbase((half, OUR_SCRIPT), (half, OUR_SCRIPT), (1, OTHER))

    assert check().problem_with(paid, MAINNET) == ""


def test_all_of_almost_nothing_is_noticed() -> None:
    problem = check().problem_with(coinbase((BLOCK - 1, OUR_SCRIPT)), MAINNET)

    assert "3.12499999 BTC in all" in problem
    assert "3.12500000 BTC without any fees" in problem
    assert check().problem_with(coinbase((0, OUR_SCRIPT)), MAINNET)


def test_a_coinbase_without_a_height_cannot_be_judged() -> None:
    problem = check().problem_with(coinbase((BLOCK, OUR_SCRIPT), height=None), MAINNET)

    assert "no height" in problem


# Bitcoin's own history: blocks 0, 209 999, 210 000, 840 000 and the last satoshi.
@pytest.mark.parametrize(
    ("height", "value"),
    [
        *((0, 50_0000_0000), (209_999, 50_0000_0000), (210_000, 25_0000_0000)),
        *((840_000, 3_1250_0000), (6_929_999, 1), (6_930_000, 0), (1 << 40, 0)),
    ],
)
def test_the_subsidy_halves_as_bitcoin_has_it(height: int, value: int) -> None:
    assert subsidy(height) == value


def test_all_that_was_ever_created_is_just_below_21_million() -> None:
    assert sum(subsidy(era * 210_000) * 210_000 for era in range(70)) == 20_999_999_9769_0000


def test_regtest_halves_every_150_blocks_and_testnet_as_the_main_network() -> None:
    bcrt = next(a for a in PAYABLE if a.startswith("bcrt1"))
    tb = next(a for a in PAYABLE if a.startswith("tb1"))
    old = next(a for a in PAYABLE if a[0] in "mn2")

    assert check(bcrt).problem_with(coinbase((1, VALID[bcrt]), height=150 * 33), REGTEST) == ""
    assert check(bcrt).problem_with(coinbase((24, VALID[bcrt]), height=150 * 1), REGTEST)
    assert check(tb).problem_with(coinbase((1, VALID[tb]), height=150 * 33), MAINNET)
    assert check(old).problem_with(coinbase((1, VALID[old]), height=150 * 33), REGTEST) == ""
    assert check(old).problem_with(coinbase((1, VALID[old]), height=150 * 33), MAINNET)


SCRIPTS = st.sampled_from([OUR_SCRIPT, OTHER, b"\x6a", b""])


@given(
    st.lists(st.tuples(st.integers(0, 1 << 51), SCRIPTS), max_size=6),
    st.integers(0, 10_000_000) | st.none(),
    st.floats(0, 100),
)
def test_what_passes_pays_at_least_what_was_wanted(
    outputs: list[tuple[int, bytes]], height: int | None, percent: float
) -> None:
    problem = check(min_percent=percent).problem_with(coinbase(*outputs, height=height), MAINNET)

    own = sum(value for value, script in outputs if script == OUR_SCRIPT)
    total = sum(value for value, _ in outputs)
    assert problem.isprintable()
    if not problem:
        assert height is not None
        assert own > 0
        assert own / total >= percent / 100 - 1e-9
        assert total >= (50 * 10**8) >> height // 210_000


# --- in the configuration ---

POOL = '[[pool]]\nurl = "pool.example:3333"\nuser = "{user}"\n'


def read(text: str, user: str = "account.rig") -> Config:
    return read_config((POOL.format(user=user) + text).encode(), name="f.toml", environ={})


def test_the_table_is_read_and_has_defaults() -> None:
    [pool] = read(f"payout = {{ address = '{OURS}' }}").pools

    assert pool.payout == PayoutConfig(address=OURS, min_percent=97.0, on_mismatch="alert")
    assert read("").pools[0].payout is None


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("min_percent = 97", "pool[1].payout: address is missing: a Bitcoin address"),
        (f"address = '{OURS[:-1]}5'", "has a wrong checksum; copy it again"),
        (f"address = '{OURS.title()}'", "mixes small and capital letters"),
        ("address = 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh'", "where version 0 takes Bech32;"),
        ("address = 'ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9'", "is of another chain"),
        ("address = 5", "expected a Bitcoin address, found the number 5"),
        (f"address = '{OURS}', min_percent = 101", "expected a number from 0 to 100"),
        (f"address = '{OURS}', on_mismatch = 'stop'", 'expected "alert" or "leave"'),
        (f"address = '{OURS}', percent = 9", 'no such key; did you mean "min_percent"?'),
    ],
)
def test_what_is_wrong_with_it_is_said_before_anything_is_mined(table: str, reason: str) -> None:
    with pytest.raises(ConfigError, match="(?s)" + re.escape(reason)) as caught:
        read(f"payout = {{ {table} }}")
    assert caught.value.path == "f.toml:4"


def test_a_payout_on_another_network_than_the_users_is_refused() -> None:
    test_address = next(address for address in PAYABLE if address.startswith("tb1"))

    with pytest.raises(ConfigError, match="an address of a test network, where user has one of"):
        read(f"payout = {{ address = '{test_address}' }}", user=f"{OURS}.rig")
    with pytest.raises(ConfigError, match="an address of the main network, where user has one of"):
        read(f"payout = {{ address = '{OURS}' }}", user=f"{test_address}.rig")
    assert read(f"payout = {{ address = '{test_address}' }}").pools[0].payout


# --- in a session ---


def paying_another(coinbase2: bytes) -> str:
    """Return the captured coinb2 with its payment redirected."""
    assert REAL_SCRIPT in coinbase2.hex()
    return coinbase2.hex().replace(REAL_SCRIPT, "0020" + "07" * 32)


def talk(**changes: Any) -> Talk:
    return Talk(payout=check(REAL, **changes)).opened()


def test_alert_mines_on_and_speaks_up_once_per_change() -> None:
    session = talk()
    session.notifies("a")
    coinbase2 = session.jobs[-1].coinbase2
    good, bad = coinbase2.hex(), paying_another(coinbase2)
    for number, sent in enumerate((good, bad, bad, bad, good, good)):
        session.notifies(f"b{number}", clean=False, _3=sent)

    said = [event.problem for event in session.events if isinstance(event, PayoutChecked)]
    assert [bool(problem) for problem in said] == [False, True, False]
    assert len(session.jobs) == 7


def test_leave_refuses_the_job_and_ends_the_session_with_the_reason() -> None:
    session = talk(on_mismatch="leave")
    session.notifies("a")

    events = session.notifies("b", clean=False, _3=paying_another(session.jobs[-1].coinbase2))

    assert not [event for event in events if isinstance(event, NewJob)]
    assert REAL in one(events, JobRefused).problem
    error = one(events, Failed).error
    assert isinstance(error, PayoutError)
    assert "no output of the coinbase pays" in str(error)
    assert session.session.current_job is session.jobs[-1]
