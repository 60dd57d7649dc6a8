"""Chips that live on an event loop, as a bridge sees them from the threads that do USB.

Everything is handed over to the loop in order: data, rates and the reset line. What the chips
send goes back by `EmulatedUsbDevice.write`.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

_Value = TypeVar("_Value")


def _unnoticed(_value: int | bool) -> None:
    """Take notice of nothing."""


class LoopChips:
    """`SerialChips` on the running loop. ``on_reset`` is told True for a low line: reset.

    ``baud_rate`` returns the rate of the chips; 0, the default, leaves it to them to judge the
    rate they are told. After the loop was closed everything is dropped.
    """

    def __init__(
        self,
        *,
        on_data: Callable[[bytes], None],
        on_baud_rate: Callable[[int], None] = _unnoticed,
        on_reset: Callable[[bool], None] = _unnoticed,
        baud_rate: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_data = on_data
        self._on_baud_rate = on_baud_rate
        self._on_reset = on_reset
        self._baud_rate = baud_rate

    @property
    def baud_rate(self) -> float:
        """Return the rate of the chips, 0 if they judge for themselves."""
        return self._baud_rate()

    def set_host_baud_rate(self, baud_rate: float) -> None:
        """Hand over the bridge's rate, in whole bit/s."""
        self._hand_over(self._on_baud_rate, round(baud_rate))

    def receive_data(self, data: bytes) -> bytes:
        """Hand over what arrived; the answer comes later."""
        self._hand_over(self._on_data, data)
        return b""

    def hold_reset(self, *, low: bool) -> None:
        """Hand over the level of the reset line."""
        self._hand_over(self._on_reset, low)

    def _hand_over(self, callback: Callable[[_Value], None], value: _Value) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, value)
        except RuntimeError:  # the loop is closed: the chips are gone with it
            return
