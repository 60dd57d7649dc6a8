"""Emulated chips behind emulated bridges: a good transport talks to them, a broken one does not.

The commands and answers are captured ones; the transports here are a few lines each, so that what
is broken about one can be seen.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
import usb.core

from drivers.bm13xx.emulated import EmulatedChain
from drivers.bm13xx.emulated_device import EmulatedDevice
from drivers.bm13xx.emulated_models import BM1384, BM1387, BM1397, ChipModel
from drivers.bm13xx.emulated_port import EmulatedPorts
from drivers.transports.emulated_usb.identities import STICKS
from drivers.transports.emulated_usb.loop_chips import LoopChips
from tests.emulated_usb.rig import Rig, payload, rig, talk_cp210x, talk_ftdi

# kanoi/cgminer driver-gekko.c; bitaxeorg/ESP-Miner for the BM1397
READ_ID = {
    "BM1384": bytes.fromhex("84000011"),
    "BM1387": bytes.fromhex("5405000019"),
    "BM1397": bytes.fromhex("55aa520500000a"),
}
BM1397_ID = bytes.fromhex("aa5513971800000006")


class ChainChips:
    """A chain that answers at once, as the chips of a device."""

    baud_rate = 0.0  # each chip of the chain judges for itself

    def __init__(self, model: ChipModel, count: int) -> None:
        self.chain = EmulatedChain(model, count, random=random.Random(5))

    def set_host_baud_rate(self, baud_rate: float) -> None:
        self.chain.host_baud = round(baud_rate) or 1

    def receive_data(self, data: bytes) -> bytes:
        return self.chain.receive_data(data)

    def hold_reset(self, *, low: bool) -> None:
        self.chain.hold_reset(low=low)


def crc5(data: bytes) -> int:
    """Return the checksum of a command, bit by bit."""
    crc = 0x1F
    for byte in data:
        for bit in range(7, -1, -1):
            top = crc >> 4 ^ byte >> bit & 1
            crc = (crc << 1 & 0x1F) ^ (5 if top else 0)
    return crc


def to_fast_rate(chain: EmulatedChain) -> None:
    """Tell BM1397 chips to run at 1.5625 Mbaud, as kanoi/cgminer does."""
    body = bytes.fromhex("51090018" + "00006131")
    chain.host_baud = None  # whoever did it had the right rate
    chain.receive_data(b"\x55\xaa" + body + bytes([crc5(body)]))


def gathered(found: Any, strip: Callable[[bytes], bytes] = payload) -> bytes:
    """Return what comes until three reads in a row bring nothing."""
    heard, empty = b"", 0
    while empty < 3:
        try:
            heard_now = bytes(found.read(found[0][0, 0][0].bEndpointAddress, 512, 3))
        except usb.core.USBTimeoutError:
            heard_now = b""
        empty = empty + 1 if len(heard_now) <= 2 else 0
        heard += strip(heard_now)
    return heard


def stick(name: str, model: ChipModel, count: int) -> tuple[Rig, EmulatedChain]:
    chips = ChainChips(model, count)
    return rig(STICKS[name], chips=chips), chips.chain


@pytest.mark.parametrize(
    ("name", "model", "count"),
    [("newpac", BM1387, 2), ("r606", BM1387, 12), ("compac-f", BM1397, 1), ("r909", BM1397, 6)],
)
def test_chips_behind_an_ft_x_answer(name: str, model: ChipModel, count: int) -> None:
    one, _ = stick(name, model, count)
    found = one.opened()
    talk_ftdi(found)

    found.write(0x02, READ_ID[model.name.upper()])

    answer = gathered(found)
    if model is BM1397:
        assert answer == BM1397_ID * count
    else:
        assert answer.count(b"\x13\x87") == count


@pytest.mark.parametrize(("name", "count"), [("compac", 1), ("2pac", 2), ("terminus", 4)])
def test_chips_behind_a_cp2102_answer_with_mark_parity_too(name: str, count: int) -> None:
    one, _ = stick(name, BM1384, count)
    found = one.opened()
    talk_cp210x(found)
    found.ctrl_transfer(0x41, 0x03, 0x0830, 0)

    found.write(0x01, READ_ID["BM1384"])

    assert gathered(found, bytes).count(b"\x13\x84") == count


def test_status_bytes_left_in_break_the_answer_of_a_chain() -> None:
    one, _ = stick("r606", BM1387, 12)
    found = one.opened()
    talk_ftdi(found)
    found.write(0x02, READ_ID["BM1387"])

    once_per_transfer = gathered(found, lambda transfer: transfer[2:])

    one_again, _ = stick("r606", BM1387, 12)
    found = one_again.opened()
    talk_ftdi(found)
    found.write(0x02, READ_ID["BM1387"])
    assert once_per_transfer != gathered(found)


@pytest.mark.parametrize("divisor", [0x0034, 0x000D, 0x4138, 0x0002, 0xC001])
def test_a_wrong_divisor_gets_no_answer(divisor: int) -> None:
    one, chain = stick("compac-f", BM1397, 1)
    found = one.opened()
    talk_ftdi(found, divisor)

    found.write(0x02, READ_ID["BM1397"])

    assert BM1397_ID not in gathered(found)
    assert chain.host_baud is not None


def test_without_a_reset_chips_left_at_the_fast_rate_are_out_of_reach() -> None:
    one, chain = stick("compac-f", BM1397, 1)
    to_fast_rate(chain)
    found = one.opened()
    talk_ftdi(found)

    found.write(0x02, READ_ID["BM1397"])
    assert BM1397_ID not in gathered(found)

    for value in (0x20F2, 0x20F0, 0x20F2):
        found.ctrl_transfer(0x40, 0x0B, value, 0)
    found.write(0x02, READ_ID["BM1397"])
    assert BM1397_ID in gathered(found)


def test_the_fast_rate_works_once_both_ends_are_told() -> None:
    one, chain = stick("compac-f", BM1397, 1)
    to_fast_rate(chain)
    found = one.opened()
    talk_ftdi(found, 0x0002)

    found.write(0x02, READ_ID["BM1397"])

    assert gathered(found) == BM1397_ID


def test_chips_that_are_not_enabled_are_silent() -> None:
    chips = ChainChips(BM1397, 1)
    one = rig(STICKS["compac-a1"], chips=chips)
    found = one.opened()
    talk_cp210x(found)

    found.write(0x01, READ_ID["BM1397"])
    assert gathered(found, bytes) == b""

    found.ctrl_transfer(0x41, 0xFF, 0x37E1, 0, b"\x07\x00")
    found.write(0x01, READ_ID["BM1397"])
    assert gathered(found, bytes) == BM1397_ID


async def test_chips_on_an_event_loop_answer_to_a_thread() -> None:
    chain = EmulatedChain(BM1397, 2, random=random.Random(5))
    answered = asyncio.Event()

    def write(data: bytes) -> None:
        one.device.write(data)
        answered.set()

    ports = EmulatedPorts(EmulatedDevice("r909", chain), write_data=write)
    chips = LoopChips(
        on_data=ports.data_received,
        on_baud_rate=ports.baud_rate_changed,
        on_reset=lambda low: chain.hold_reset(low=low),
    )
    one = rig(STICKS["r909"], chips=chips)
    found = one.opened()

    def ask() -> None:
        talk_ftdi(found)
        found.write(0x02, READ_ID["BM1397"])

    await asyncio.to_thread(ask)
    await asyncio.wait_for(answered.wait(), 10)

    assert await asyncio.to_thread(gathered, found) == BM1397_ID * 2


def test_chips_whose_loop_is_closed_are_gone_and_harm_nobody() -> None:
    async def make() -> LoopChips:
        return LoopChips(on_data=lambda _: None)

    chips = asyncio.run(make())

    assert chips.receive_data(b"work") == b""
    chips.set_host_baud_rate(115200.0)
    chips.hold_reset(low=True)
