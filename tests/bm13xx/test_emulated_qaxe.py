"""The emulated QAxe control port: the requests as its host sends them, byte for byte."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.bm13xx.emulated_qaxe import EmulatedQaxeControl, decoded, encoded
from drivers.peripherals.emulated_faults import Faults
from drivers.peripherals.emulated_heat import BoardHeat, HeatSpec
from tests.vectors.load import document

# piaxe-miner qaxe.py, recomputed: it sends the text "0x00" where there are no parameters
GET_STATE = bytes.fromhex("0910021a0504307830" + "30")
RESET = bytes.fromhex("0b080510031a050430783030")
FANS_AND_SUPPLY_ON = bytes.fromhex("0d080110011a0706080110641864")


def control(faults: Faults | None = None) -> EmulatedQaxeControl:
    heat = BoardHeat(HeatSpec(domains=4), random=Random(1), faults=faults or Faults())
    heat.advance(0.0)
    return EmulatedQaxeControl(heat, volts=1.2)


def state(port: EmulatedQaxeControl) -> dict[int, int | bytes]:
    reply = port.receive_data(GET_STATE, 0.0)
    assert reply[0] == len(reply) - 1
    inner = decoded(reply[1:])[3]
    assert isinstance(inner, bytes)
    assert inner[0] == len(inner) - 1
    return decoded(inner[1:])


@pytest.mark.parametrize(
    "case", document("usb-bridges")["qaxe_control"]["cases"], ids=lambda case: case["name"]
)
@pytest.mark.parametrize("step", [1, 5, 64])
def test_a_request_of_the_vectors_is_answered_once(case: dict[str, str], step: int) -> None:
    port, frame = control(), bytes.fromhex(case["frame"])

    replies = b"".join(
        port.receive_data(frame[at : at + step], 0.0) for at in range(0, len(frame), step)
    )

    assert replies[0] == len(replies) - 1
    assert decoded(replies[1:]).get(2, 0) == 0, "no error"
    assert decoded(replies[1:]).get(1, 0) == decoded(frame[1:]).get(1, 0)
    assert port.powered == ("1.2 V on" in case["name"])


def test_plain_success_for_request_0_is_a_single_zero() -> None:
    assert control().receive_data(bytes.fromhex("021004"), 0.0) == b"\0"


def test_supply_and_fans_follow_one_request() -> None:
    port = control()

    before = state(port)
    reply = port.receive_data(FANS_AND_SUPPLY_ON, 0.0)
    after = state(port)

    assert reply.hex() == "020801"
    assert (before.get(1), before.get(10), before.get(6)) == (None, None, None)
    assert (after[1], after[10]) == (1, 1)
    assert [after[place] for place in range(6, 10)] == [round(1200 / 0.95)] * 4
    assert after[2] == round(25.0 / 0.0625)
    assert 4 not in after, "two sensors"


def test_reset_shutdown_and_power_on() -> None:
    port = control()

    assert port.receive_data(RESET, 0.0).hex() == "020805"
    port.receive_data(bytes.fromhex("021005"), 0.0)
    on = port.output()
    port.receive_data(bytes.fromhex("021004"), 0.0)

    assert port.resets == 1
    assert (on, port.output()) == (4.8, 0.0)


def test_an_unknown_operation_is_an_error() -> None:
    assert control().receive_data(bytes.fromhex("0408071009"), 0.0).hex() == "0408071001"


def test_requests_may_be_cut_anywhere() -> None:
    port = control()

    replies = b"".join(port.receive_data(bytes([byte]), 0.0) for byte in RESET + RESET)

    assert replies.hex() == "020805" * 2


def test_a_sensor_that_vanished_reads_nothing() -> None:
    assert 2 not in state(control(Faults(vanish_sensor_after=0.0)))


@settings(deadline=None)
@given(st.dictionaries(st.integers(1, 15), st.integers(1, 2**32) | st.binary(min_size=1)))
def test_fields_survive_the_wire(fields: dict[int, int | bytes]) -> None:
    assert decoded(encoded(fields)) == fields


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300)))
def test_no_bytes_make_the_port_raise(chunks: list[bytes]) -> None:
    port = control()

    for chunk in chunks:
        port.receive_data(chunk, 0.0)


@pytest.mark.parametrize("message", ["08", "0a05", "0880", "15ffffffff"])
def test_a_message_cut_short_is_read_as_far_as_it_goes(message: str) -> None:
    assert isinstance(decoded(bytes.fromhex(message)), dict)
