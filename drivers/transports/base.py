"""What every transport is to a driver: a way to move bytes, and word of its loss.

A transport is made with two callbacks and hands on bytes just as they came, cut anywhere. Its
contract, which drivers rely on and each transport's tests check:

- ``on_data`` is called on the event loop with 1 byte or more, never from within `write`.
- ``on_lost`` is called on the event loop when the port goes away by itself: exactly once, after the
  last ``on_data``, never from within `write`.
- After `close` neither is called: the driver let go, so nothing was lost.
- A write after loss or close is swallowed. A job may arrive in the same turn as an unplug, and the
  pool that brought it must not suffer for it.
"""

from collections.abc import Callable
from typing import Protocol

from drivers.errors import TransportLostError

OnData = Callable[[bytes], None]
OnLost = Callable[[TransportLostError], None]


class Transport(Protocol):
    """A port that bytes go to and come from."""

    def write(self, data: bytes) -> None:
        """Send ``data`` in order; never block, never raise for what the other end did."""
        ...

    def close(self) -> None:
        """Let go of the port at once; harmless when repeated."""
        ...
