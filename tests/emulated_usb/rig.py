"""Stand-ins for what is around an emulated USB device: chips behind it, a bus, pyusb in front."""

import random
from dataclasses import dataclass, field
from typing import Any

import usb.core

from drivers.transports.emulated_usb.backend import EmulatedBackend
from drivers.transports.emulated_usb.bus import EmulatedBus
from drivers.transports.emulated_usb.device import Controller, EmulatedUsbDevice
from drivers.transports.emulated_usb.faults import Fault, FaultPlan
from drivers.transports.emulated_usb.identities import CABLES, STICKS, BridgeModel, UsbIdentity
from drivers.transports.emulated_usb.setup_packet import parse_setup
from drivers.transports.emulated_usb.uart_port import SerialChips


@dataclass
class EchoChips:
    """Answers with what it heard, and remembers everything."""

    baud_rate: float = 115200.0
    echo: bool = True
    heard: bytearray = field(default_factory=bytearray)
    rates: list[float] = field(default_factory=list)
    resets: list[bool] = field(default_factory=list)

    def set_host_baud_rate(self, baud_rate: float) -> None:
        self.rates.append(baud_rate)

    def receive_data(self, data: bytes) -> bytes:
        self.heard += data
        return data if self.echo else b""

    def hold_reset(self, *, low: bool) -> None:
        self.resets.append(low)


@dataclass
class Clock:
    """Time that passes when told to."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def plain(model: BridgeModel) -> UsbIdentity:
    """Return an identity with nothing special but its bridge; all CBUS pins usable."""
    for identity in (*STICKS.values(), *CABLES.values()):
        if identity.bridge is model:
            return identity
    return UsbIdentity(name="plain", vid=0xC0DE, pid=0xCAFE, bridge=model, product="Plain")


@dataclass
class Rig:
    """One device on a bus, seen by pyusb."""

    device: EmulatedUsbDevice
    bus: EmulatedBus
    backend: EmulatedBackend
    chips: EchoChips

    def find(self) -> Any:
        """Return pyusb's device, found anew."""
        return usb.core.find(backend=self.backend)

    def opened(self) -> Any:
        """Return pyusb's device with the kernel's driver detached from all its interfaces."""
        found = self.find()
        for interface in self.device.bridge.interfaces:
            if found.is_kernel_driver_active(interface.number):
                found.detach_kernel_driver(interface.number)
        return found

    def control(self, setup: str, data: str = "") -> bytes:
        """Do a captured request, given as hex, straight at the device."""
        with self.device.changed:
            return self.device.control(parse_setup(bytes.fromhex(setup)), bytes.fromhex(data))


def rig(
    identity: UsbIdentity,
    *faults: Fault,
    chips: SerialChips | None = None,
    controller: Controller = Controller.XHCI,
    **options: Any,
) -> Rig:
    """Return a rig of one device, plugged in."""
    echo = EchoChips()
    device = EmulatedUsbDevice(
        identity,
        random=random.Random(7),
        chips=(chips or echo,),
        faults=FaultPlan(faults),
        **options,
    )
    bus = EmulatedBus(controller=controller)
    bus.plug(device)
    return Rig(device, bus, EmulatedBackend(bus), echo)


def talk_ftdi(found: Any, divisor: int = 0x001A) -> None:
    """Set an FTDI bridge up as a program would: reset, rate, format, 1 ms latency."""
    for request, value in ((0, 0), (3, divisor), (4, 0x0008), (2, 0), (9, 1)):
        found.ctrl_transfer(0x40, request, value, 0)


def talk_cp210x(found: Any, rate: int = 115200, interface: int = 0) -> None:
    """Set a Silicon Labs bridge up as a program would."""
    found.ctrl_transfer(0x41, 0x00, 1, interface)
    found.ctrl_transfer(0x41, 0x03, 0x0800, interface)
    found.ctrl_transfer(0x41, 0x1E, 0, interface, rate.to_bytes(4, "little"))


def payload(packets: bytes, size: int = 64) -> bytes:
    """Return what an FTDI transfer carries: each packet without its two status bytes."""
    return b"".join(packets[at + 2 : at + size] for at in range(0, len(packets), size))
