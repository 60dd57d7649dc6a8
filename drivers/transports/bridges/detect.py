"""Which bridge a USB device is, by its ids, its release number and, of some, an answer."""

from enum import Enum

from drivers.transports.bridges.bridge import EIGHT_N_1, Ask, Bridge, Descriptors, LineFormat
from drivers.transports.bridges.cdc import CdcAcm
from drivers.transports.bridges.cp210x import Cp210x, cp210x_part
from drivers.transports.bridges.ftdi import Ftdi, ftdi_chip
from drivers.transports.bridges.pl2303 import Pl2303, pl2303_kind

_CP210X_PIDS = {0xEA60, 0xEA61, 0xEA63, 0xEA70, 0xEA71}


class BridgeKind(Enum):
    """A family of bridges that share their requests."""

    FTDI = "FTDI"
    CP210X = "CP210x"
    PL2303 = "PL2303"


def kind_of(vid: int, pid: int) -> BridgeKind | None:
    """Return the family by ids alone; None of what is no bridge, or a CDC device with any ids."""
    match vid:
        case 0x0403:
            return BridgeKind.FTDI
        case 0x10C4 if pid in _CP210X_PIDS:
            return BridgeKind.CP210X
        case 0x067B:
            return BridgeKind.PL2303
    return None


def bridge_of(
    device: Descriptors,
    ask: Ask,
    *,
    uart: int = 0,
    line_format: LineFormat = EIGHT_N_1,
    latency_ms: int = 1,
) -> Bridge | None:
    """Return the device's bridge number ``uart``, counted from 0; None if it is none we know.

    ``latency_ms`` is what an FTDI chip may wait before it hands over what it received.
    """
    match kind_of(device.vid, device.pid):
        case BridgeKind.FTDI:
            return Ftdi(
                chip=ftdi_chip(device.bcd_device, device.pid),
                interface=uart,
                latency_ms=latency_ms,
                line_format=line_format,
            )
        case BridgeKind.CP210X:
            return Cp210x(part=cp210x_part(ask), interface=uart, line_format=line_format)
        case BridgeKind.PL2303:
            return Pl2303(kind=pl2303_kind(device, ask), line_format=line_format)
    if uart < len(device.functions):
        control, data = device.functions[uart]
        return CdcAcm(control=control, data=data, line_format=line_format)
    return None
