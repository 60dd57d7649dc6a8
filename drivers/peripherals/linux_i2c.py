"""An I2C bus of the host computer, ``/dev/i2c-1`` on a Raspberry Pi: a PiAxe's sensor is on it.

A transfer takes below 1 ms, but a bus that is stuck holds the caller for a second, so it is made
in a thread.

Source: Linux include/uapi/linux/i2c.h and i2c-dev.h (`i2c_msg`, `i2c_rdwr_ioctl_data`).
"""

import asyncio
import errno
import fcntl
import os
import struct
from array import array
from collections.abc import Callable

from drivers.errors import BringUpError, TransportLostError
from drivers.peripherals.errors import ControlRefusedError

_RDWR = 0x0707
_READ = 0x0001  # of i2c_msg.flags
_MESSAGE = struct.Struct("@HHHP")  # address, flags, length, buffer
_TRANSFER = struct.Struct("@PI0P")  # messages, how many of them
_GONE = {errno.EBADF, errno.ENODEV}


class LinuxI2cBus:
    """The `I2cBus` behind a device node; one transfer at a time."""

    def __init__(self, path: str, ioctl: Callable[[int, int, bytes], object] = fcntl.ioctl) -> None:
        """Open ``path``; raise BringUpError if it cannot be."""
        self._path = path
        self._ioctl = ioctl
        self._turn = asyncio.Lock()
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            remedy = "; add this user to the group i2c" if error.errno == errno.EACCES else ""
            raise BringUpError(
                path, f"cannot open the I2C bus: {error.strerror}{remedy}"
            ) from error

    def close(self) -> None:
        """Let go of the bus; harmless when repeated."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    async def write(self, address: int, data: bytes) -> None:
        """Write ``data`` to the part at ``address``."""
        await self._transfer(address, (0, array("B", data)))

    async def read(self, address: int, count: int) -> bytes:
        """Return ``count`` bytes from the part at ``address``."""
        buffer = array("B", bytes(count))
        await self._transfer(address, (_READ, buffer))
        return buffer.tobytes()

    async def write_read(self, address: int, data: bytes, count: int) -> bytes:
        """Write ``data``, then read ``count`` bytes, the bus held between."""
        buffer = array("B", bytes(count))
        await self._transfer(address, (0, array("B", data)), (_READ, buffer))
        return buffer.tobytes()

    async def _transfer(self, address: int, *messages: "tuple[int, array[int]]") -> None:
        packed = array(
            "B",
            b"".join(
                _MESSAGE.pack(address, flags, len(buffer), buffer.buffer_info()[0])
                for flags, buffer in messages
            ),
        )
        transfer = _TRANSFER.pack(packed.buffer_info()[0], len(messages))

        def run() -> object:
            """Keep the buffers alive until the kernel is done, even if nobody waits any more."""
            return self._ioctl(self._descriptor, _RDWR, transfer), packed, messages

        try:
            async with self._turn:
                await asyncio.to_thread(run)
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno in _GONE:
                raise TransportLostError(self._path, reason) from error
            name = f"I2C transfer with {address:02x}"
            code = error.errno or 0
            raise ControlRefusedError(self._path, name, code=code, text=reason) from error
