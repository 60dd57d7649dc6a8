"""The bitaxe-raw control protocol, the requests: what a host asks of a board's controller.

Frame: ``LEN_lo LEN_hi ID BUS PAGE COMMAND DATA...``; LEN is the whole frame, BUS is 0, numbers are
little-endian. The firmware takes one frame per USB packet: one write per request, never two
requests under way. Replies are in `bitaxe_raw_replies`.

Page 9 means *system* on emberOne and *fan* on Bonanza: identify the board before using it.

Source: the firmwares korbin/bitaxe-raw src/control/mod.rs, 256foundation/emberone-usbserial-fw
src/control/mod.rs, bitaxeorg/bitaxe-raw src/control/mod.rs; 256foundation/mujina
mujina-miner/src/mgmt_protocol/bitaxe_raw.
"""

from dataclasses import dataclass
from typing import Self

NO_ID = 0xFF
"""The reply's id when the firmware could not parse the request; never a request's own id."""

LONGEST_READ = 60
"""Bytes: the reply must fit one USB packet of 64, or the firmware drops it."""

_I2C, _GPIO, _ADC, _LED, _FAN, _SYSTEM = 5, 6, 7, 8, 9, 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One control request; ``payload_size`` is None if the firmware answers nothing at all.

    ``payloads`` are the only payloads that success can have, where they are known.
    """

    name: str
    page: int
    command: int
    data: bytes = b""
    payload_size: int | None
    payloads: tuple[bytes, ...] = ()

    def frame(self, request_id: int) -> bytes:
        """Return the bytes to send; ``request_id`` is 0 to 254."""
        if not 0 <= request_id < NO_ID:
            raise ValueError(f"a request id is 0 to 254, not {request_id}")
        head = bytes([request_id, 0, self.page, self.command])
        return (len(self.data) + 6).to_bytes(2, "little") + head + self.data

    def allows(self, payload: bytes) -> bool:
        """Tell whether a success can carry ``payload``."""
        return not self.payloads or payload in self.payloads


def set_i2c_frequency(hertz: int) -> Request:
    """Return the request that sets the bus clock; the firmware echoes the 4 bytes."""
    data = hertz.to_bytes(4, "little")
    name = f"I2C at {hertz} Hz"
    return Request(name=name, page=_I2C, command=0x10, data=data, payload_size=4, payloads=(data,))


def i2c_write(address: int, data: bytes) -> Request:
    """Return the request that writes ``data`` (at most 256 bytes) to a 7-bit ``address``."""
    if len(data) > 256:
        raise ValueError(f"the firmware refuses to write {len(data)} bytes")
    counts = (bytes([len(data) & 0xFF]), bytes([len(data) + 1 & 0xFF]))
    return Request(
        name=f"I2C write to {address:02x}: {data[:8].hex(' ')}",
        page=_I2C,
        command=0x20,
        data=bytes([_bus_address(address)]) + data,
        payload_size=1,
        payloads=counts,  # the firmware counts without the address; a fork might not
    )


def i2c_read(address: int, count: int) -> Request:
    """Return the request that reads ``count`` (1 to 60) bytes from ``address``."""
    name = f"I2C read of {count} from {address:02x}"
    data = bytes([_bus_address(address), _read_count(count)])
    return Request(name=name, page=_I2C, command=0x30, data=data, payload_size=count)


def i2c_write_read(address: int, data: bytes, count: int) -> Request:
    """Return the request that writes ``data``, then reads 1 to 60 bytes, bus held between."""
    return Request(
        name=f"I2C read of {count} from {address:02x} at {data[:8].hex(' ')}",
        page=_I2C,
        command=0x40,
        data=bytes([_bus_address(address), *data, _read_count(count)]),
        payload_size=count,
    )


def gpio_read(pin: int) -> Request:
    """Return the request for the level of ``pin``: 00 or 01."""
    levels = (b"\x00", b"\x01")
    name = f"read of GPIO {pin}"
    return Request(name=name, page=_GPIO, command=pin, payload_size=1, payloads=levels)


def gpio_write(pin: int, *, high: bool) -> Request:
    """Return the request that drives ``pin``; the reply is the level it then has."""
    return Request(
        name=f"GPIO {pin} {'high' if high else 'low'}",
        page=_GPIO,
        command=pin,
        data=bytes([high]),
        payload_size=1,
        payloads=(b"\x00", b"\x01"),
    )


def adc_read_vdd() -> Request:
    """Return the request for the supply's raw count: 2 bytes, low byte first."""
    return Request(name="ADC read of VDD", page=_ADC, command=0x50, payload_size=2)


def adc_read_vin() -> Request:
    """Return the request for the input's raw count, as above; emberOne only."""
    return Request(name="ADC read of VIN", page=_ADC, command=0x51, payload_size=2)


def set_led(red: int, green: int, blue: int) -> Request:
    """Return the request for the LED's colour, 0 to 255 each; emberOne only."""
    data = bytes([red, green, blue])
    return Request(name="LED", page=_LED, command=0x10, data=data, payload_size=3, payloads=(data,))


def bonanza_set_fan(percent: int) -> Request:
    """Return the request for a fan duty of 0 to 100; Bonanza only, page 9 is shared."""
    if not 0 <= percent <= 100:
        raise ValueError(f"a duty is 0 to 100 percent, not {percent}")
    name = f"fan at {percent} %"
    return Request(name=name, page=_FAN, command=0x10, data=bytes([percent]), payload_size=0)


def bonanza_read_tachometer() -> Request:
    """Return the request for the fan's rpm: 2 bytes, low byte first; Bonanza only."""
    return Request(name="fan tachometer", page=_FAN, command=0x20, payload_size=2)


def ember_reboot() -> Request:
    """Return the request that restarts the board's controller; emberOne only, no reply."""
    data = bytes.fromhex("deadbeef")
    return Request(name="reboot", page=_SYSTEM, command=0x01, data=data, payload_size=None)


def ember_reboot_to_bootloader() -> Request:
    """Return the request that starts the boot loader; emberOne only, no reply."""
    data = bytes.fromhex("b00710ad")
    name = "reboot to boot loader"
    return Request(name=name, page=_SYSTEM, command=0x02, data=data, payload_size=None)


def _bus_address(address: int) -> int:
    if not 0 <= address < 0x80:
        raise ValueError(f"an I2C address has 7 bits, not {address:#x}")
    return address


def _read_count(count: int) -> int:
    if not 1 <= count <= LONGEST_READ:
        raise ValueError(f"one request reads 1 to {LONGEST_READ} bytes, not {count}")
    return count


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """What a USB ``bcdDevice`` of 0xJJMN says: hardware revision JJ, firmware M.N."""

    hardware: int
    minor: int
    patch: int

    @classmethod
    def of(cls, bcd_device: int) -> Self:
        """Return the versions in ``bcd_device``; there is no request that asks for them."""
        return cls(hardware=bcd_device >> 8, minor=bcd_device >> 4 & 0xF, patch=bcd_device & 0xF)
