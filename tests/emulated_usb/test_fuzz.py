"""Any sequence of requests gives bytes or one of pyusb's errors, and never wedges a device."""

import contextlib
import random
from typing import Any

import pytest
import usb.core
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.transports.emulated_usb.faults import FaultChances, FaultPlan
from drivers.transports.emulated_usb.ftdi_baud import rate_of_divisor
from drivers.transports.emulated_usb.identities import BridgeModel
from drivers.transports.emulated_usb.line import garbled
from tests.emulated_usb.rig import Rig, plain, rig

BYTE = st.integers(0, 255)
WORD = st.integers(0, 0xFFFF)
KNOWN_REQUESTS = [*range(0x0D), 0x10, 0x12, 0x13, 0x14, 0x1D, 0x1E, *range(0x20, 0x24), 0x90, 0xFF]
REQUEST = st.sampled_from(KNOWN_REQUESTS)
CONTROL = st.tuples(
    st.just("control"),
    st.sampled_from([0x40, 0xC0, 0x41, 0xC1, 0x21, 0xA1, 0x00, 0x80, 0x02, 0x82, 0x81, 0x43, 0x60]),
    REQUEST | BYTE,
    st.sampled_from([0, 1, 2, 0x0008, 0x0303, 0x20F0, 0x37E1, 0x370B, 0x00C2, 0x0300]) | WORD,
    st.sampled_from([0, 1, 2, 0x81, 0x0409]) | WORD,
    st.binary(max_size=20),
)
STEP = st.one_of(
    CONTROL,
    st.tuples(st.just("write"), st.sampled_from([0x01, 0x02, 0x81, 0x07]), st.binary(max_size=300)),
    st.tuples(st.just("read"), st.sampled_from([0x81, 0x82, 0x83, 0x02]), st.integers(0, 600)),
    st.tuples(st.just("chips"), st.binary(max_size=300)),
    st.tuples(st.just("claim"), st.integers(-1, 40)),
    st.tuples(st.just("release"), st.integers(-1, 40)),
    st.tuples(st.just("detach"), st.integers(-1, 4)),
    st.tuples(st.just("attach"), st.integers(-1, 4)),
    st.tuples(st.just("halt"), st.sampled_from([0x81, 0x02, 0x55])),
    st.tuples(st.sampled_from(["reset", "unplug", "replug", "reopen"])),
)


class Player:
    """Plays steps at one device, at pyusb's lower border."""

    def __init__(self, one: Rig) -> None:
        self.one = one
        self.backend = one.backend
        self.handle: Any = None

    def play(self, step: tuple[Any, ...]) -> None:
        getattr(self, step[0])(*step[1:])

    def reopen(self) -> None:
        if self.handle:
            self.backend.close_device(self.handle)
        for found in self.backend.enumerate_devices():
            self.handle = self.backend.open_device(found)

    def control(self, kind: int, request: int, value: int, index: int, data: bytes) -> None:
        buffer = usb.util.create_buffer(len(data))
        buffer[:] = type(buffer)("B", data)
        moved = self.backend.ctrl_transfer(self.handle, kind, request, value, index, buffer, 2)
        assert 0 <= moved <= len(data)

    def write(self, endpoint: int, data: bytes) -> None:
        buffer = type(usb.util.create_buffer(0))("B", data)
        assert self.backend.bulk_write(self.handle, endpoint, 0, buffer, 2) <= len(data)

    def read(self, endpoint: int, size: int) -> None:
        buffer = usb.util.create_buffer(size)
        assert self.backend.bulk_read(self.handle, endpoint, 0, buffer, 2) <= size

    def chips(self, data: bytes) -> None:
        self.one.device.write(data)

    def claim(self, interface: int) -> None:
        self.backend.claim_interface(self.handle, interface)

    def release(self, interface: int) -> None:
        self.backend.release_interface(self.handle, interface)

    def detach(self, interface: int) -> None:
        self.backend.detach_kernel_driver(self.handle, interface)

    def attach(self, interface: int) -> None:
        self.backend.attach_kernel_driver(self.handle, interface)

    def halt(self, endpoint: int) -> None:
        self.backend.clear_halt(self.handle, endpoint)

    def reset(self) -> None:
        self.backend.reset_device(self.handle)

    def unplug(self) -> None:
        self.one.bus.unplug(self.one.device)

    def replug(self) -> None:
        self.one.bus.replug(self.one.device)


@pytest.mark.parametrize("model", list(BridgeModel), ids=lambda model: model.value)
@given(steps=st.lists(STEP, max_size=25), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_any_sequence_raises_nothing_but_pyusbs_errors(
    model: BridgeModel, steps: list[tuple[Any, ...]], seed: int
) -> None:
    one = rig(plain(model))
    chances = FaultChances(stall=0.05, short=0.05, io_error=0.05, timeout=0.01)
    one.device.faults = FaultPlan(random=random.Random(seed), chances=chances)
    player = Player(one)
    player.reopen()

    for step in steps:
        with contextlib.suppress(usb.core.USBError):
            player.play(step)

    one.device.faults = FaultPlan()
    one.bus.unplug(one.device)
    one.bus.replug(one.device)
    player.reopen()
    assert player.one.find().idVendor == one.device.identity.vid, "it lives"
    assert one.device.handles == {player.handle}


@given(st.integers(0, (1 << 18) - 1))
def test_every_divisor_gives_a_rate_within_the_clock(encoded: int) -> None:
    assert 0 <= rate_of_divisor(encoded) <= 12_000_000


@given(
    st.binary(max_size=100), st.floats(0, 1e7), st.floats(0, 1e7), st.randoms(use_true_random=False)
)
def test_garbage_is_some_bytes_for_some_bytes(
    data: bytes, sent_at: float, heard_at: float, chance: random.Random
) -> None:
    heard = garbled(data, sent_at=sent_at, heard_at=heard_at, random=chance)

    assert bool(heard) is bool(data)
    assert len(heard) <= 4 * len(data)
