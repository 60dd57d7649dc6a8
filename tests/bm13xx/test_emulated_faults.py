"""Faults of an emulated chain: each does what it says, as often as it says."""

from random import Random

import pytest

from drivers.bm13xx.emulated import EmulatedChain
from drivers.bm13xx.emulated_models import BM1370
from drivers.peripherals.emulated_faults import NO_FAULTS, Faults, parse_faults
from tests.bm13xx import plain_host as host

SCALE = 2.0**-18


def mining(faults: Faults = NO_FAULTS, chips: int = 4, seed: int = 5) -> EmulatedChain:
    chain = EmulatedChain(BM1370, chips, random=Random(seed), scale=SCALE / chips)
    for frame in (*host.bring_up("bm1370", chips), host.full_job(8)):
        chain.receive_data(frame)
    chain.faults = faults
    return chain


def meets_ticket(chain: EmulatedChain, nonce: host.Nonce) -> bool:
    header = host.head(0x20000000 | nonce.rolled << 13) + host.TAIL + nonce.nonce
    return host.sha256d(header) < 2**224 / chain.scale


def test_a_mute_chip_relays_but_neither_answers_nor_finds() -> None:
    chain = mining(Faults(mute=(1,)))

    answer = chain.receive_data(host.read(0))
    found = host.nonces(host.mine(chain, 0.4), 11)

    assert [answer[at + 6] for at in range(0, len(answer), 11)] == [0, 128, 192]
    assert {nonce.number >> 23 & 3 for nonce in found} == {0, 2, 3}


def test_a_chip_that_is_mute_no_more_finds_again() -> None:
    chain = mining(Faults(mute=(0, 1, 2, 3)))
    assert host.mine(chain, 0.1) == b""

    chain.faults = NO_FAULTS

    assert host.mine(chain, 0.4, start=1.0)


def test_wrong_nonces_have_a_right_checksum_and_miss_the_ticket() -> None:
    chain = mining(Faults(wrong_nonce=0.25))

    found = host.nonces(host.mine(chain, 2.0), 11)

    wrong = sum(not meets_ticket(chain, nonce) for nonce in found)
    assert len(found) > 200
    assert wrong / len(found) == pytest.approx(0.25, abs=0.1)


def test_without_faults_no_nonce_is_wrong() -> None:
    chain = mining()

    assert all(meets_ticket(chain, nonce) for nonce in host.nonces(host.mine(chain, 1.0), 11))


def test_a_bad_checksum_never_passes() -> None:
    stream = host.mine(mining(Faults(bad_crc=1.0)), 0.5)

    frames = [stream[at : at + 11] for at in range(0, len(stream), 11)]
    assert frames
    assert all(frame[-1] >> 5 == 4 for frame in frames)
    assert all(host.crc5(frame[2:]) for frame in frames)


def test_a_duplicate_is_the_same_frame_again() -> None:
    stream = host.mine(mining(Faults(duplicate=1.0)), 0.5)

    frames = [stream[at : at + 11] for at in range(0, len(stream), 11)]
    assert frames
    assert frames[::2] == frames[1::2]


def test_a_late_nonce_comes_with_the_next_job() -> None:
    chain = mining(Faults(late=1.0))

    silence = host.mine(chain, 0.5)
    late = chain.receive_data(host.full_job(0x10))

    assert silence == b""
    assert {nonce.result & 0xF0 for nonce in host.nonces(late, 11)} == {0x10}, "job 08, shifted"


def test_bytes_are_lost_damaged_and_added_at_the_given_rates() -> None:
    clean = mining(chips=1).receive_data(host.read(0)) * 400
    counts = {}
    for name in ("drop", "insert", "flip"):
        chain = mining(parse_faults(f"{name}=0.05"), chips=1)
        stream = b"".join(chain.receive_data(host.read(0)) for _ in range(400))
        counts[name] = len(stream)

    # 7 bytes are asked with and 11 answered; a question hit on its way earns no answer
    survives = 0.95**7
    assert counts["flip"] == pytest.approx(len(clean) * survives, rel=0.1)
    assert counts["drop"] == pytest.approx(len(clean) * survives * 0.95, rel=0.1)
    assert counts["insert"] > len(clean) * survives
