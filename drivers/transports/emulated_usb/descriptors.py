"""USB descriptors as a device sends them.

Source: USB 2.0 specification, section 9.6; field order and sizes from its tables.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

ENGLISH = 0x0409
"""The one language that the emulated devices' strings are in."""

_DEVICE = struct.Struct("<BBHBBBBHHHBBBB")
_CONFIGURATION = struct.Struct("<BBHBBBBB")
_INTERFACE = struct.Struct("<9B")
_ENDPOINT = struct.Struct("<BBBBHB")


class DescriptorType(IntEnum):
    """The second byte of a descriptor."""

    DEVICE = 1
    CONFIGURATION = 2
    STRING = 3
    INTERFACE = 4
    ENDPOINT = 5


class EndpointKind(IntEnum):
    """The transfer type of an endpoint."""

    BULK = 2
    INTERRUPT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint; bit 7 of ``address`` is set if it sends to the host."""

    address: int
    kind: EndpointKind = EndpointKind.BULK
    max_packet: int = 64
    interval: int = 0

    @property
    def is_in(self) -> bool:
        """Return whether it sends to the host."""
        return bool(self.address & 0x80)

    def packed(self) -> bytes:
        """Return the 7 bytes of the descriptor."""
        return _ENDPOINT.pack(
            7, DescriptorType.ENDPOINT, self.address, self.kind, self.max_packet, self.interval
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One interface; ``extra`` holds class descriptors, ``name`` is the index of a string."""

    number: int
    endpoints: tuple[Endpoint, ...]
    class_code: int = 0xFF
    subclass: int = 0
    protocol: int = 0
    name: int = 0
    extra: bytes = b""

    def header(self) -> bytes:
        """Return the 9 bytes of the interface descriptor alone."""
        return _INTERFACE.pack(
            9,
            DescriptorType.INTERFACE,
            self.number,
            0,
            len(self.endpoints),
            self.class_code,
            self.subclass,
            self.protocol,
            self.name,
        )

    def packed(self) -> bytes:
        """Return the descriptor, its class descriptors and its endpoints."""
        endpoints = b"".join(endpoint.packed() for endpoint in self.endpoints)
        return self.header() + self.extra + endpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The one configuration of a device; ``milliamperes`` is what it asks of the bus."""

    interfaces: tuple[Interface, ...]
    milliamperes: int = 100
    self_powered: bool = False

    def packed(self) -> bytes:
        """Return the descriptor with all that belongs to it."""
        interfaces = b"".join(interface.packed() for interface in self.interfaces)
        return self.header() + interfaces

    def header(self) -> bytes:
        """Return the 9 bytes of the configuration descriptor alone."""
        return _CONFIGURATION.pack(
            9,
            DescriptorType.CONFIGURATION,
            9 + sum(len(interface.packed()) for interface in self.interfaces),
            len(self.interfaces),
            1,
            0,
            0xC0 if self.self_powered else 0x80,
            min(self.milliamperes // 2, 250),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDescriptor:
    """What a device says of itself first; ``release`` is in BCD, strings are indices, 0 none."""

    vid: int
    pid: int
    release: int
    device_class: int = 0
    max_packet: int = 64
    manufacturer: int = 0
    product: int = 0
    serial: int = 0

    def packed(self) -> bytes:
        """Return the 18 bytes of the descriptor."""
        return _DEVICE.pack(
            18,
            DescriptorType.DEVICE,
            0x0200,
            self.device_class,
            0,
            0,
            self.max_packet,
            self.vid,
            self.pid,
            self.release,
            self.manufacturer,
            self.product,
            self.serial,
            1,
        )


def string_descriptor(text: str) -> bytes:
    """Return the descriptor of ``text``, UTF-16 without a terminator; cut at 126 units."""
    body = text.encode("utf-16-le")[:252]
    return bytes([len(body) + 2, DescriptorType.STRING]) + body


def languages_descriptor() -> bytes:
    """Return string descriptor 0: the languages there are."""
    return bytes([4, DescriptorType.STRING]) + ENGLISH.to_bytes(2, "little")
