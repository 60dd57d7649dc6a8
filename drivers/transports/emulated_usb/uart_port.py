"""One UART of an emulated bridge: what it is set to, what waits in it, and the chips behind it.

Not thread-safe: the device it belongs to holds its lock.
"""

import math
from collections.abc import Callable
from enum import IntFlag
from typing import TYPE_CHECKING, Protocol

from drivers.transports.emulated_usb.line import Line, garbled

if TYPE_CHECKING:
    from random import Random

_BITS_PER_BYTE = 10


class SerialChips(Protocol):
    """What hangs on a bridge: chips that take and send bytes, and a reset line.

    The calls come from whatever thread does a USB transfer, one at a time, and must not block.
    What the chips send later than at once they give to `EmulatedUsbDevice.write`.
    """

    @property
    def baud_rate(self) -> float:
        """Return the rate the chips run at; 0 if they judge the host's rate for themselves."""
        ...

    def set_host_baud_rate(self, baud_rate: float) -> None:
        """Take the rate that the bridge really runs at, in bit/s."""
        ...

    def receive_data(self, data: bytes) -> bytes:
        """Take what arrived; return what the chips answer at once."""
        ...

    def hold_reset(self, *, low: bool) -> None:
        """Take the level of the reset line, also without power: low. May be repeated."""
        ...


class NoChips:
    """Nothing is wired to the bridge."""

    baud_rate = 0.0

    def set_host_baud_rate(self, baud_rate: float) -> None:
        """Do nothing."""

    def receive_data(self, data: bytes) -> bytes:
        """Answer nothing."""
        del data
        return b""

    def hold_reset(self, *, low: bool) -> None:
        """Do nothing."""


class LineError(IntFlag):
    """What went wrong on the line since it was last asked; numbered as a 16550 does."""

    NONE = 0
    OVERRUN = 0x02
    PARITY = 0x04
    FRAMING = 0x08
    BREAK = 0x10


class UartPort:
    """One UART. ``enabled`` is whether it runs at all; ``pins`` are the levels it drives, 1 high.

    ``fifo`` bytes wait for the host at most, what comes then is lost and an overrun. ``divert``,
    if set, gets what the chips send: a kernel driver with its tty. ``sent`` and ``heard`` count
    bytes, ``garbage`` those of either way that did not arrive as they were. Bytes arrive at once,
    but the line is as long busy as it would be: ``overtaken`` counts what was still to be sent
    when the rate was changed, which on a real line becomes garbage.
    """

    def __init__(self, *, random: "Random", fifo: int) -> None:
        self.chips: SerialChips = NoChips()
        self.line = Line()
        self.enabled = True
        self.pins = 0xFF
        self.dtr = False
        self.rts = False
        self.waits_for_cts = False
        self.errors = LineError.NONE
        self.divert: Callable[[bytes], None] | None = None
        self.sent = 0
        self.heard = 0
        self.garbage = 0
        self.overtaken = 0
        self.now: Callable[[], float] = lambda: math.inf
        self._busy_until = -math.inf
        self._random = random
        self._fifo = fifo
        self._received = bytearray()
        self._held = bytearray()

    @property
    def waiting(self) -> int:
        """Return how many bytes wait for the host."""
        return len(self._received)

    @property
    def unsent(self) -> int:
        """Return how many bytes are not yet on the line: it is slow, or CTS forbids it."""
        left = self._busy_until - self.now()
        bytes_left = left * self.line.baud_rate / _BITS_PER_BYTE if left > 0 else 0.0
        on_the_way = math.ceil(round(bytes_left, 6))
        return on_the_way + len(self._held)

    @property
    def accepts_data(self) -> bool:
        """Return whether there is room for more from the host; without it transfers wait."""
        return len(self._held) < self._fifo

    def set_line(self, line: Line) -> None:
        """Take new settings at once; the chips learn of a new rate."""
        changed = line.baud_rate != self.line.baud_rate
        if changed:
            self.overtaken += self.unsent - len(self._held)
            self._busy_until = -math.inf
        self.line = line
        if changed:
            self._tell_rate()

    def to_chips(self, data: bytes) -> None:
        """Send what the host wrote. No board wires CTS, so hardware flow control holds it back."""
        if not self.enabled or not data:
            return
        if self.waits_for_cts:
            self._held += data
            return
        self.sent += len(data)
        self._keep_busy(len(data))
        rate = self.chips.baud_rate
        if not self.line.meets(rate):
            self.garbage += len(data)
            data = garbled(data, sent_at=self.line.baud_rate, heard_at=rate, random=self._random)
        self.from_chips(self.chips.receive_data(data))

    def from_chips(self, data: bytes) -> None:
        """Take what the chips sent."""
        if not self.enabled or not data:
            return
        self.heard += len(data)
        rate = self.chips.baud_rate
        if not self.line.meets(rate):
            self.garbage += len(data)
            self.errors |= LineError.FRAMING
            data = garbled(data, sent_at=rate, heard_at=self.line.baud_rate, random=self._random)
        if self.divert:
            self.divert(data)
            return
        room = self._fifo - len(self._received)
        if len(data) > room:
            self.errors |= LineError.OVERRUN
        self._received += data[:room]

    def take(self, most: int) -> bytes:
        """Return up to ``most`` bytes for the host and forget them."""
        data = bytes(self._received[:most])
        del self._received[:most]
        return data

    def take_errors(self) -> LineError:
        """Return what went wrong since the last call."""
        errors, self.errors = self.errors, LineError.NONE
        return errors

    def release_held(self) -> None:
        """Send what CTS held back, once it no longer does."""
        held, self._held = bytes(self._held), bytearray()
        self.to_chips(held)

    def forget_received(self) -> None:
        """Drop what waits for the host."""
        self._received.clear()

    def forget_held(self) -> None:
        """Drop what waits to be sent."""
        self._held.clear()

    def restart(self, *, enabled: bool, pins: int) -> None:
        """Be as after power came; the chips and counters stay."""
        self.enabled = enabled
        self.pins = pins
        self.dtr = self.rts = False
        self.waits_for_cts = False
        self.errors = LineError.NONE
        self.forget_received()
        self.forget_held()
        self._busy_until = -math.inf
        self.line = Line()
        self._tell_rate()

    def _tell_rate(self) -> None:
        self.chips.set_host_baud_rate(self.line.baud_rate)

    def _keep_busy(self, count: int) -> None:
        if self.line.baud_rate > 0:
            begin = max(self._busy_until, self.now())
            self._busy_until = begin + count * _BITS_PER_BYTE / self.line.baud_rate
