"""The QAxe's control port: bytes as piaxe-miner sends them, replies however they are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.bm13xx.qaxe_messages import (
    Operation,
    Reply,
    ReplyReader,
    control_parameters,
    request,
    state_of,
)
from tests.vectors.load import document

# shufps/piaxe-miner, piaxe/boards/qaxe.py and coms_pb2.py, recomputed by hand.
GET_STATE = "09 10 02 1a 05 04 30 78 30 30"
RESET_5 = "0b 08 05 10 03 1a 05 04 30 78 30 30"
ALL_ON_1 = "0d 08 01 10 01 1a 07 06 08 01 10 64 18 64"

VECTORS = {case["name"]: case["frame"] for case in document("usb-bridges")["qaxe_control"]["cases"]}

STATE = bytes.fromhex("08 01 10 a0 06 18 b0 06 50 01")  # pgood, 800 and 816 sixteenths, enabled
STATE_REPLY = bytes.fromhex("0f 08 07 1a 0b 0a") + STATE


def test_requests_are_those_of_piaxe_miner() -> None:
    assert request(Operation.GET_STATE, 0) == bytes.fromhex(GET_STATE)
    assert request(Operation.RESET, 5) == bytes.fromhex(RESET_5)
    on = control_parameters(supply=True, fan=100)
    assert request(Operation.SET_CONTROL, 1, on) == bytes.fromhex(ALL_ON_1)
    assert control_parameters(supply=False, fan=0) == b""


def test_requests_are_the_recomputed_ones_of_the_vectors() -> None:
    on = control_parameters(supply=True, fan=100)
    assert {
        "get state, id 0": request(Operation.GET_STATE, 0).hex(),
        "1.2 V on, pwm1 100, pwm2 100, id 1": request(Operation.SET_CONTROL, 1, on).hex(),
    } == VECTORS


@pytest.mark.parametrize("step", [1, 3, 64])
def test_replies_are_read_however_they_are_cut(step: int) -> None:
    stream = b"\x00" + STATE_REPLY + bytes.fromhex("04 08 03 10 01")
    reader = ReplyReader()

    found = [r for at in range(0, len(stream), step) for r in reader.feed(stream[at : at + step])]

    assert found == [
        Reply(request_id=0, error=0, results=b""),
        Reply(request_id=7, error=0, results=STATE),
        Reply(request_id=3, error=1, results=b""),
    ]


def test_a_state_tells_temperatures_and_a_silent_sensor_none() -> None:
    state = state_of(STATE, 2)
    assert (state.power_good, state.temperatures) == (True, (50.0, 51.0))
    assert state_of(b"", 2).temperatures == (None, None)
    assert state_of(STATE, 4).temperatures == (50.0, 51.0, None, None)


@given(st.lists(st.binary(max_size=40)))
def test_any_bytes_give_replies_or_nothing(chunks: list[bytes]) -> None:
    reader = ReplyReader()
    for chunk in chunks:
        for reply in reader.feed(chunk):
            state_of(reply.results, 4)
