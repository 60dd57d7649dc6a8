"""The eight bytes that begin a control transfer.

Source: USB 2.0 specification, section 9.3.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

SETUP_SIZE = 8

_LAYOUT = struct.Struct("<BBHHH")


class Kind(IntEnum):
    """Who defines a request: bits 6..5 of the request type."""

    STANDARD = 0
    CLASS = 1
    VENDOR = 2
    RESERVED = 3


class Recipient(IntEnum):
    """What a request is for: bits 4..0 of the request type; other values are reserved."""

    DEVICE = 0
    INTERFACE = 1
    ENDPOINT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One control request; ``length`` is that of the data stage in bytes, either way."""

    request_type: int
    request: int
    value: int = 0
    index: int = 0
    length: int = 0

    @property
    def is_in(self) -> bool:
        """Return whether the data stage goes to the host."""
        return bool(self.request_type & 0x80)

    @property
    def kind(self) -> Kind:
        """Return who defines the request."""
        return Kind(self.request_type >> 5 & 3)

    @property
    def recipient(self) -> int:
        """Return what the request is for, one of `Recipient` or a reserved number."""
        return self.request_type & 0x1F


def parse_setup(packet: bytes) -> Setup:
    """Return the request of an 8-byte setup packet; ValueError for another size."""
    if len(packet) != SETUP_SIZE:
        raise ValueError(f"a setup packet has {SETUP_SIZE} bytes, not {len(packet)}")
    request_type, request, value, index, length = _LAYOUT.unpack(packet)
    return Setup(
        request_type=request_type, request=request, value=value, index=index, length=length
    )
