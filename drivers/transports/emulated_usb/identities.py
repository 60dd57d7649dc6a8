"""The emulated USB devices by name: what each says it is, its bridge, and how its chips are reset.

Data of its own: the drivers' tables are not looked at. Where nobody wrote down what a stick says,
it says what its bridge says when it leaves the factory.

Source: kanoi/cgminer (usbutils.c, driver-gekko.c, driver-icarus.c) and luke-jr/bfgminer
(driver-icarus.c, driver-antminer.c, driver-erupter.c); for factory strings the makers of the
bridges. Assumed: serial numbers, what is asked of the bus, which boards have their own supply.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from drivers.transports.emulated_usb.cdc_acm import CdcAcmBridge
from drivers.transports.emulated_usb.cp210x import CP2102, CP2102N, CP2105, Cp210xBridge
from drivers.transports.emulated_usb.ftdi import FT232H, FT232R, FT_X, FtdiBridge
from drivers.transports.emulated_usb.pl2303 import Pl2303Bridge

if TYPE_CHECKING:
    from random import Random

    from drivers.transports.emulated_usb.bridge import Bridge


class BridgeModel(Enum):
    """The bridges there are."""

    FT232R = "FT232R"
    FT_X = "FT-X"
    FT232H = "FT232H"
    CP2102 = "CP2102"
    CP2102N = "CP2102N"
    CP2105 = "CP2105"
    PL2303 = "PL2303"
    CDC_ACM = "CDC-ACM"
    CDC_ACM_PAIR = "CDC-ACM, two ports"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetWire:
    """The pins of a port that hold the chips in reset, unless all of ``mask`` are ``released``."""

    mask: int
    released: int
    port: int = 0

    def holds(self, pins: int) -> bool:
        """Return whether chips are in reset at these levels."""
        return pins & self.mask != self.released


@dataclass(frozen=True, slots=True, kw_only=True)
class UsbIdentity:
    """What a device is on the bus; empty strings are not there at all.

    ``self_powered`` chips go on when USB is pulled; ``milliamperes`` is what it asks of the bus.
    """

    name: str
    vid: int
    pid: int
    bridge: BridgeModel
    manufacturer: str = ""
    product: str = ""
    serial: str = ""
    milliamperes: int = 500
    self_powered: bool = False
    reset: ResetWire | None = None

    def with_serial(self, serial: str) -> "UsbIdentity":
        """Return the same kind of device with another serial number."""
        return replace(self, serial=serial)


def new_bridge(identity: UsbIdentity, random: "Random") -> "Bridge":
    """Return the bridge of a device."""
    return _MAKERS[identity.bridge](identity, random)


def _ftdi_maker(spec_name: str) -> "Callable[[UsbIdentity, Random], Bridge]":
    spec = {"R": FT232R, "X": FT_X, "H": FT232H}[spec_name]

    def make(identity: UsbIdentity, random: "Random") -> FtdiBridge:
        pins = 0x0F if identity.reset else 0
        return FtdiBridge(spec, random=random, vid=identity.vid, pid=identity.pid, io_pins=pins)

    return make


_MAKERS: "Mapping[BridgeModel, Callable[[UsbIdentity, Random], Bridge]]" = {
    BridgeModel.FT232R: _ftdi_maker("R"),
    BridgeModel.FT_X: _ftdi_maker("X"),
    BridgeModel.FT232H: _ftdi_maker("H"),
    BridgeModel.CP2102: lambda _, random: Cp210xBridge(CP2102, random=random),
    BridgeModel.CP2102N: lambda _, random: Cp210xBridge(CP2102N, random=random),
    BridgeModel.CP2105: lambda _, random: Cp210xBridge(CP2105, random=random),
    BridgeModel.PL2303: lambda _, random: Pl2303Bridge(random=random),
    BridgeModel.CDC_ACM: lambda _, random: CdcAcmBridge(random=random),
    BridgeModel.CDC_ACM_PAIR: lambda _, random: CdcAcmBridge(random=random, ports=2),
}

_CBUS1 = ResetWire(mask=0x02, released=0x02)
_ENABLES = ResetWire(mask=0x07, released=0x00)
_FACTORY_CP2102 = UsbIdentity(
    name="cp2102-cable",
    vid=0x10C4,
    pid=0xEA60,
    bridge=BridgeModel.CP2102,
    manufacturer="Silicon Labs",
    product="CP2102 USB to UART Bridge Controller",
    serial="0001",
    milliamperes=100,
)


def _bm1384(name: str, board: str, *, self_powered: bool = False) -> UsbIdentity:
    return replace(
        _FACTORY_CP2102,
        name=name,
        manufacturer="GekkoScience",
        product=f"{board} BM1384 Bitcoin Miner",
        serial="00000001",
        milliamperes=500,
        self_powered=self_powered,
    )


def _ft_x(name: str, board: str, *, self_powered: bool = False) -> UsbIdentity:
    return UsbIdentity(
        name=name,
        vid=0x0403,
        pid=0x6015,
        bridge=BridgeModel.FT_X,
        manufacturer="GekkoScience",
        product=f"{board} Bitcoin Miner",
        serial="10000001",
        reset=_CBUS1,
        self_powered=self_powered,
    )


def _cp2105(name: str, board: str, *, self_powered: bool = False) -> UsbIdentity:
    return UsbIdentity(
        name=name,
        vid=0x10C4,
        pid=0xEA70,
        bridge=BridgeModel.CP2105,
        manufacturer="Silicon Labs",
        product=f"GekkoScience {board}",
        serial="20000001",
        reset=_ENABLES,
        self_powered=self_powered,
    )


_STICKS = (
    _bm1384("compac", "Compac"),
    _bm1384("2pac", "2Pac"),
    _bm1384("terminus", "Terminus", self_powered=True),
    _ft_x("newpac", "NewPac"),
    _ft_x("r606", "R606", self_powered=True),
    _ft_x("compac-f", "CompacF"),
    _ft_x("r909", "R909", self_powered=True),
    _cp2105("compac-a1", "Compac A1"),
    _cp2105("compac-a2", "Compac A2"),
    _cp2105("terminus-a1", "Terminus A1", self_powered=True),
    _cp2105("terminus-a2", "Terminus A2", self_powered=True),
    replace(_FACTORY_CP2102, name="block-erupter", product="Block Erupter", milliamperes=500),
    replace(_FACTORY_CP2102, name="antminer-u1", product="Antminer U1", milliamperes=500),
    replace(_FACTORY_CP2102, name="antminer-u2", product="Antminer U2", milliamperes=500),
    replace(_FACTORY_CP2102, name="antminer-u3", self_powered=True),
    replace(_FACTORY_CP2102, name="rbox", self_powered=True),
    UsbIdentity(
        name="icarus",
        vid=0x067B,
        pid=0x2303,
        bridge=BridgeModel.PL2303,
        manufacturer="Prolific Technology Inc.",
        product="USB-Serial Controller",
        milliamperes=100,
        self_powered=True,
    ),
    UsbIdentity(
        name="lancelot",
        vid=0x0403,
        pid=0x6001,
        bridge=BridgeModel.FT232R,
        manufacturer="FTDI",
        product="FT232R USB UART",
        serial="A9000001",
        milliamperes=90,
        self_powered=True,
    ),
    UsbIdentity(
        name="cairnsmore1",
        vid=0x0403,
        pid=0x6014,
        bridge=BridgeModel.FT232H,
        manufacturer="FTDI",
        product="Cairnsmore1",
        serial="FT000001",
        milliamperes=90,
        self_powered=True,
    ),
)
_CABLES = (
    _FACTORY_CP2102,
    replace(
        _FACTORY_CP2102,
        name="cp2102n-cable",
        bridge=BridgeModel.CP2102N,
        product="CP2102N USB to UART Bridge Controller",
    ),
    UsbIdentity(
        name="ft-x-cable",
        vid=0x0403,
        pid=0x6015,
        bridge=BridgeModel.FT_X,
        manufacturer="FTDI",
        product="FT231X USB UART",
        serial="DB000001",
        milliamperes=90,
    ),
)

STICKS: Mapping[str, UsbIdentity] = {stick.name: stick for stick in _STICKS}
"""Every miner on a USB stick that can be emulated."""

CABLES: Mapping[str, UsbIdentity] = {cable.name: cable for cable in _CABLES}
"""Devices that are no miners, though they look like some."""
