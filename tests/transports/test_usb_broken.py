"""A transport with one thing wrong about it must not mine: the emulated bridges are strict enough.

The real drivers and the real transport on emulated sticks, one part of which is broken at a time.
All cases run side by side, as most of what they do is wait.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest

from drivers.api import Device
from drivers.bm13xx import wire as chain_wire
from drivers.bm13xx.driver import DRIVERS as BM13XX
from drivers.bm13xx.driver import StickDriver
from drivers.bm13xx.emulated_sticks import emulated_stick
from drivers.bm13xx.emulated_usb_plug import EmulatedStickPort
from drivers.bm13xx.guarded_stick import GuardedStickDriver
from drivers.errors import DriverError
from drivers.icarus import wire as icarus_wire
from drivers.icarus.driver import DRIVERS as ICARUS
from drivers.icarus.emulated import EmulatedIcarus
from drivers.icarus.emulated_models import emulated_model
from drivers.icarus.emulated_usb_plug import EmulatedUsbPort
from drivers.transports import usb_connect, usb_lines
from drivers.transports.bridges.bridge import Bridge, LineFormat, Parity, Rate
from drivers.transports.usb_device import UsbDevice
from tests.bm13xx.device_rig import DIFFICULTY_1, RecordingMiner
from tests.bm13xx.test_sticks import context

SCALE = 2.0**-20
EASY = int(DIFFICULTY_1 / (SCALE * 0.99))
PATIENCE = 60.0
ENOUGH = 20
"""Wrong nonces after which a device that does not end will find nothing right either."""

Parts = Mapping[str, Any]
Break = Callable[[Bridge], Parts]


class BrokenBridge:
    """A bridge some of whose parts are others."""

    def __init__(self, bridge: Bridge, parts: Parts) -> None:
        self._bridge = bridge
        self._parts = parts

    def __getattr__(self, name: str) -> Any:
        return self._parts[name] if name in self._parts else getattr(self._bridge, name)


def nothing(_bridge: Bridge) -> Parts:
    return {}


def wrong_divisor(bridge: Bridge) -> Parts:
    """Ask for half the rate, and believe to have the whole."""

    def rate(baud_rate: int) -> Rate:
        return replace(bridge.rate(baud_rate // 2), reached=float(baud_rate))

    return {"rate": rate}


def status_bytes_left_in(_bridge: Bridge) -> Parts:
    return {"payload": lambda transfer, _size: (transfer, 0)}


def status_bytes_stripped_once(_bridge: Bridge) -> Parts:
    """Strip them at the head of a transfer, but not of its second packet."""
    return {"payload": lambda transfer, _size: (transfer[2:], 0)}


def payload_of_64(_bridge: Bridge) -> Parts:
    """Take packets to be of 64 bytes of data, with two more before them."""

    def payload(transfer: bytes, size: int) -> tuple[bytes, int]:
        starts = range(0, len(transfer), size + 2)
        return b"".join(transfer[start + 2 : start + size + 2] for start in starts), 0

    return {"payload": payload}


def no_reset(_bridge: Bridge) -> Parts:
    return {"set_pins": lambda **_: ()}


def not_enabled(bridge: Bridge) -> Parts:
    return {"start": lambda rate, lines: bridge.start(rate, lines)[1:]}


def seven_bits(bridge: Bridge) -> Parts:
    return _formed(bridge, LineFormat(data_bits=7))


def even_parity(bridge: Bridge) -> Parts:
    return _formed(bridge, LineFormat(parity=Parity.EVEN))


def _formed(bridge: Any, form: LineFormat) -> Parts:
    other = replace(bridge, line_format=form)
    return {"start": other.start, "rate": other.rate}


SILENT: Sequence[tuple[str, Break]] = (
    ("compac-f", wrong_divisor),
    ("compac-f", status_bytes_left_in),
    ("newpac", status_bytes_left_in),
    ("lancelot", wrong_divisor),
    ("lancelot", status_bytes_left_in),
    ("cairnsmore1", status_bytes_left_in),
    ("compac-f", no_reset),
    ("compac-f", seven_bits),
    ("compac-f", even_parity),
    ("compac", wrong_divisor),
    ("compac", not_enabled),
    ("compac", seven_bits),
    ("block-erupter", wrong_divisor),
    ("block-erupter", even_parity),
    ("compac-a1", no_reset),
    ("compac-a1", wrong_divisor),
    ("icarus", wrong_divisor),
    ("icarus", seven_bits),
    ("icarus", even_parity),
)


"""Sticks that must not find a single share."""

PARTLY: Sequence[tuple[str, Break]] = (
    ("r606", status_bytes_stripped_once),
    ("r606", payload_of_64),
)
"""What harms full packets only: some of twelve chips, which answer all at once, are not heard."""

WHOLE = [(name, nothing) for name in dict.fromkeys(name for name, _ in (*SILENT, *PARTLY))]


@dataclass
class Try:
    """A stick, the device that is to mine with it, and what it found."""

    stick: str
    breaks: Break
    miner: RecordingMiner = field(default_factory=lambda: RecordingMiner(target=EASY))
    error: DriverError | None = None

    def __post_init__(self) -> None:
        self.port, self.device = _made(self.stick, self.miner)

    @property
    def name(self) -> str:
        return f"{self.stick}: {self.breaks.__name__}"

    @property
    def shares(self) -> int:
        return sum(hash_difficulty >= SCALE * 0.99 for hash_difficulty in self.miner.difficulties)

    @property
    def is_settled(self) -> bool:
        return self.shares > 0 or self.device.stats().hardware_errors >= ENOUGH

    async def run(self) -> None:
        """Run the device until it fails, finds a share, or has told too much nonsense."""
        task = asyncio.create_task(self.device.run())
        self.miner.ended = task.done
        try:
            async with asyncio.timeout(PATIENCE):
                while not (task.done() or self.is_settled):  # noqa: ASYNC110 - counters of devices
                    await asyncio.sleep(0.02)
        finally:
            task.cancel()
            [ended] = await asyncio.gather(task, return_exceptions=True)
        self.error = ended if isinstance(ended, DriverError) else None


def _made(name: str, miner: RecordingMiner) -> tuple[EmulatedStickPort | EmulatedUsbPort, Device]:
    if name in ICARUS:
        scale = 2.0**-14
        icarus = EmulatedIcarus(emulated_model(name), random=Random(3), scale=scale, ticket=SCALE)
        usb_port = EmulatedUsbPort(icarus, random=Random(4))
        settings = {"scale": scale, "ticket": SCALE}
        return usb_port, ICARUS[name].on_ports(usb_port, settings, context(miner))
    port = EmulatedStickPort(emulated_stick(name, random=Random(3), scale=SCALE), random=Random(4))
    driver = BM13XX[name]
    assert isinstance(driver, (StickDriver, GuardedStickDriver))
    spec = driver.stick if isinstance(driver, StickDriver) else driver.board
    mhz = max(93.75, spec.frequency.lowest)
    given = {"frequency": mhz, "scale": SCALE, "nonces_per_second": 20 / spec.chips}
    if reset := port.usb.identity.reset:  # as whoever had it last has left it
        with port.usb.changed:
            port.usb.bridge.ports[0].pins = reset.mask & ~reset.released
            port.usb._look_at_pins()
    return port, driver.on_port(port, given, context(miner))


@contextmanager
def broken(tries: Sequence[Try], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each bridge be as its try wants it."""
    whole = usb_connect.known_bridge
    breaks = {id(one.port._port._backend): one.breaks for one in tries}

    def known_bridge(device: UsbDevice, uart: int, **options: Any) -> Any:
        bridge = whole(device, uart, **options)
        return BrokenBridge(bridge, breaks[id(device._device._ctx.backend)](bridge))

    for module in (usb_connect, usb_lines):
        monkeypatch.setattr(module, "known_bridge", known_bridge)
    yield


@pytest.fixture(autouse=True)
def less_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a line that never falls silent be waited for less long."""
    monkeypatch.setattr(chain_wire, "LONGEST_SILENCE_WAIT", 1.0)
    monkeypatch.setattr(icarus_wire, "LONGEST_SILENCE_WAIT", 0.5)


async def test_a_transport_with_one_thing_broken_does_not_mine_and_a_whole_one_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent, partly, whole = (
        [Try(stick, breaks) for stick, breaks in cases] for cases in (SILENT, PARTLY, WHOLE)
    )
    with broken([*silent, *partly, *whole], monkeypatch):
        await asyncio.gather(*(one.run() for one in (*silent, *partly, *whole)))

    assert {one.name: one.error for one in whole if not one.shares} == {}
    assert {one.name: one.shares for one in silent if one.shares} == {}
    assert {one.name for one in silent if not one.error} == set()
    for one in partly:
        expected = emulated_stick(one.stick, random=Random(3)).chain.chips
        details = one.device.stats().details
        assert isinstance(details["chips"], int)
        assert details["chips"] < len(expected), one.name
        assert details["line_errors"], one.name
