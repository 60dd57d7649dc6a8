"""A driver in a package of its own: for the Acme Stick, a miner that exists on paper only.

The stick is a serial port at 115 200 baud. The host sends ``J``, a slot of 1 byte, the first 76
header bytes and the target as 32 bytes, little-endian; the stick searches all nonces and answers in
frames of 6 bytes: ``N``, slot, nonce as it stands in the header; or ``E``, slot, four zeros when it
is through. ``S`` stops it, ``L`` makes it blink.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from drivers.api import (
    Context,
    Device,
    DeviceState,
    DeviceStats,
    PortInfo,
    Product,
    Setpoint,
    Solution,
    Work,
)
from drivers.errors import DriverError, SettingError, TransportLostError
from drivers.header import hash_value
from drivers.transports.base import OnData, OnLost, Transport
from drivers.transports.loopback import Loopback
from drivers.transports.serial_port import open_serial_port

NAME = "acme-stick"
USB_IDS = 0xACE, 0x0001
HASHRATE = 20_000.0
"""H/s: about what the emulation below can do for real."""

Connect = Callable[[OnData, OnLost], Awaitable[Transport]]

_FRAME = 6
_JOB = 2 + 76 + 32
_STOP, _BLINK = b"S", b"L"


class AcmeDevice:
    """One stick. `run` is its life; a job and a nonce are plain calls."""

    def __init__(self, connect: Connect, context: Context) -> None:
        self._connect = connect
        self._miner = context.miner
        self._log = context.log
        self._setpoint = Setpoint(run=True)
        self._transport: Transport | None = None
        self._buffer = b""
        self._slot = 0
        self._works: dict[int, Work] = {}
        self._has_work = False
        self._problem = ""
        self._errors = 0

    async def run(self) -> None:
        """Mine until cancelled; raise DriverError when the port fails."""
        self._problem = ""
        try:
            await self._mine()
        except DriverError as error:
            self._problem = str(error)
            raise

    def job_changed(self, *, clean: bool) -> None:
        """Send new work in this call, or stop the stick when there is none."""
        if clean:
            self._works.clear()
        if self._transport is None:
            return
        work = self._miner.next_work() if self._setpoint.run else None
        self._has_work = work is not None
        if work is None:
            self._transport.write(_STOP)
            return
        self._slot = (self._slot + 1) % 256
        self._works[self._slot] = work
        target = work.target.to_bytes(32, "little")
        self._transport.write(b"J" + bytes([self._slot]) + work.header()[:76] + target)

    def apply(self, setpoint: Setpoint) -> None:
        """Run or rest; the stick knows nothing of watts and MHz."""
        self._setpoint = setpoint
        self.job_changed(clean=False)

    def identify(self) -> None:
        """Blink: optional, and what `devices identify` calls."""
        if self._transport:
            self._transport.write(_BLINK)

    def stats(self) -> DeviceStats:
        """Return a snapshot."""
        state, reason = self._state()
        return DeviceStats(
            state=state,
            reason=reason,
            claimed_hashrate=HASHRATE if state is DeviceState.MINING else 0.0,
            hardware_errors=self._errors,
        )

    def _state(self) -> tuple[DeviceState, str]:
        if self._transport is None:
            return (DeviceState.FAILED if self._problem else DeviceState.STARTING), self._problem
        if not self._setpoint.run:
            return DeviceState.IDLE, self._setpoint.reason
        return (DeviceState.MINING if self._has_work else DeviceState.WAITING), ""

    async def _mine(self) -> None:
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_lost(error: TransportLostError) -> None:
            if not lost.done():
                lost.set_exception(error)

        transport = self._transport = await self._connect(self._received, on_lost)
        self._buffer = b""
        try:
            self._log.info("device.ready")
            self.job_changed(clean=True)
            await lost
        finally:
            self._transport = None
            transport.write(_STOP)
            transport.close()
            if not lost.cancel():
                lost.exception()  # seen, even if we were cancelled in that very moment

    def _received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _FRAME:
            if self._buffer[:1] not in {b"N", b"E"}:
                self._buffer = self._buffer[1:]  # noise: find the next frame
                continue
            frame, self._buffer = self._buffer[:_FRAME], self._buffer[_FRAME:]
            self._handle(frame)

    def _handle(self, frame: bytes) -> None:
        work = self._works.get(frame[1])
        if frame[:1] == b"E":
            if frame[1] == self._slot:
                self.job_changed(clean=False)
        elif work:
            nonce = int.from_bytes(frame[2:], "little")
            solution = Solution(work=work, nonce=nonce, version=work.version, ntime=work.ntime)
            self._miner.found(solution)
            self._errors += solution.hash() > work.target


class AcmeDriver:
    """Knows the stick by its USB ids."""

    name = NAME
    product = Product(kind="board", chips="1 x ACME1", ports=1, family="acme")

    def match(self, port: PortInfo) -> int:
        """Return 100 for our ids, 0 for all others."""
        return 100 if (port.vid, port.pid) == USB_IDS else 0

    def open(self, port: PortInfo, settings: Mapping[str, object], context: Context) -> Device:
        """Return a device, not yet running; raise SettingError: a stick has no settings."""
        _refuse(settings)
        if len(port.paths) != 1:
            raise SettingError(NAME, "port", f"expected {NAME}@PORT, got {port.name!r}")
        path = port.paths[0]
        return AcmeDevice(
            lambda on_data, on_lost: open_serial_port(path, on_data=on_data, on_lost=on_lost),
            context,
        )

    def emulated(self) -> "EmulatedAcmeDriver":
        """Return the driver of ``emulated:acme-stick``: optional, and good for tests."""
        return EmulatedAcmeDriver()


class EmulatedAcmeDriver:
    """Makes devices that drive an emulated stick in this process."""

    name = f"emulated:{NAME}"

    def match(self, port: PortInfo) -> int:
        """Return 0: an emulated stick is not plugged in."""
        return 0

    def open(self, port: PortInfo, settings: Mapping[str, object], context: Context) -> Device:
        """Return a device, not yet running; raise SettingError."""
        _refuse(settings)
        if port.paths:
            raise SettingError(self.name, "port", f"there is none, not {port.name!r}")
        return AcmeDevice(_connect_to_emulation, context)


def _refuse(settings: Mapping[str, object]) -> None:
    for setting in settings:
        raise SettingError(NAME, setting, "unknown; a stick has no settings")


class EmulatedStick:
    """The other end of the bytes, sans-IO; hashes for real, shares no code with the driver."""

    def __init__(self) -> None:
        self.blinks = 0
        self._buffer = b""
        self._job = b""
        self._nonce = 0

    def receive_data(self, data: bytes) -> None:
        """Take what the host sends."""
        self._buffer += data
        while self._buffer:
            size = _JOB if self._buffer[:1] == b"J" else 1
            if len(self._buffer) < size:
                return
            order, self._buffer = self._buffer[:size], self._buffer[size:]
            self.blinks += order == b"L"
            if order[:1] in {b"J", b"S"}:
                self._job, self._nonce = order[1:], 0

    def work(self, hashes: int) -> bytes:
        """Try so many nonces; return the frames they earn."""
        answer = b""
        for _ in range(hashes if self._job else 0):
            nonce = self._nonce.to_bytes(4, "little")
            if hash_value(self._job[1:77] + nonce) <= int.from_bytes(self._job[77:], "little"):
                answer += b"N" + self._job[:1] + nonce
            self._nonce += 1
        return answer


class _EmulatedPort:
    """An emulated stick on a port in memory: hashes a little at a time, on the event loop."""

    _TICK = 0.01

    def __init__(self, on_data: OnData, on_lost: OnLost) -> None:
        self._loop = asyncio.get_running_loop()
        self._stick = EmulatedStick()
        self._link = Loopback(NAME, on_data=self._stick.receive_data)
        self._uart = self._link.open(on_data=on_data, on_lost=on_lost)
        self._timer = self._loop.call_later(self._TICK, self._tick)

    def write(self, data: bytes) -> None:
        """Send to the stick."""
        self._uart.write(data)

    def close(self) -> None:
        """Let go of the stick."""
        self._timer.cancel()
        self._uart.close()

    def _tick(self) -> None:
        self._link.write(self._stick.work(int(HASHRATE * self._TICK)))
        self._timer = self._loop.call_later(self._TICK, self._tick)


async def _connect_to_emulation(on_data: OnData, on_lost: OnLost) -> Transport:
    return _EmulatedPort(on_data, on_lost)


DRIVER = AcmeDriver()
