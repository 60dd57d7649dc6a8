"""What a session asks the shell to do, in order."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes, in one write."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """Write ``chunk`` again and again, ``count`` times, as fast as the client reads it."""

    chunk: bytes
    count: int


@dataclass(frozen=True, slots=True)
class StopReading:
    """Leave what the client sends in the kernel, from now on."""


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection: what was written before still goes out, unless with ``reset``."""

    reason: str
    reset: bool = False


Output = Send | Stream | StopReading | Close
