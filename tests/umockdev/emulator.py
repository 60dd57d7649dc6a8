"""Emulated sticks in a mock /sys and /dev, told what to do by lines on its standard input.

Runs under umockdev-wrapper in Debian's python3, with the project on PYTHONPATH. ``NAME SERIAL``
pairs are its arguments; after ``--scale S`` they have chips that hash for real, else they echo. It
says the mock's directory, then ``ok`` after each command: ``unplug N``,
``replug N``, ``rates N``, ``answer N HEX``; it ends with its input.
"""

import random
import sys
import time
from typing import Any

from drivers.bm13xx import emulated_search
from drivers.bm13xx.emulated_sticks import emulated_stick
from drivers.transports.emulated_usb.bus import EmulatedBus
from drivers.transports.emulated_usb.device import EmulatedUsbDevice
from drivers.transports.emulated_usb.identities import STICKS
from tests.umockdev.introspected import GLib, UMockdev
from tests.umockdev.usbfs import Usbfs

_TURN = 20
"""Milliseconds between two turns of hashing."""

_HUB = "/devices/pci0000:00/0000:00:14.0/usb1"


class Echo:
    """Chips that answer with what they heard."""

    baud_rate = 115200.0

    def set_host_baud_rate(self, baud_rate: float) -> None:
        """Take no notice."""

    def receive_data(self, data: bytes) -> bytes:
        """Return what was heard."""
        return data

    def hold_reset(self, *, low: bool) -> None:
        """Take no notice."""


class Chips:
    """A stick's chips, which hash a little in each turn of GLib's loop."""

    baud_rate = 0.0  # they judge the host's for themselves

    def __init__(self, name: str, scale: float) -> None:
        self._emulated = emulated_stick(name, random=random.Random(2), scale=scale)
        self._chain = self._emulated.chain

    def set_host_baud_rate(self, baud_rate: float) -> None:
        """Take the rate of the bridge."""
        self._chain.host_baud = round(baud_rate) or None

    def receive_data(self, data: bytes) -> bytes:
        """Return what the chips answer at once."""
        return self._emulated.receive_data(data, time.monotonic())

    def hold_reset(self, *, low: bool) -> None:
        """Take the level of the reset line."""
        self._chain.hold_reset(low=low)

    def hash(self, device: EmulatedUsbDevice) -> bool:
        """Hash what is due and send what was found; return that there is more to come."""
        search = self._emulated.search(time.monotonic())
        if search is not None:
            hits = emulated_search.run(search, bytearray(1))
            device.write(self._emulated.responses(search, hits))
        return True


class Bench:
    """The mock and the devices in it; their chips hash if there is a ``scale``."""

    def __init__(self, sticks: list[tuple[str, str]], scale: float) -> None:
        self._testbed = UMockdev.Testbed.new()
        self._bus = EmulatedBus()
        self._handlers: list[Any] = []
        self._devices = [self._made(name, serial, scale) for name, serial in sticks]
        for device in self._devices:
            self._plug(device)

    def obey(self, line: str) -> str:
        """Do a command; return the answer."""
        word, *arguments = line.split()
        device = self._devices[int(arguments[0])]
        match word:
            case "unplug":
                path = self._path(device)
                self._bus.unplug(device)
                self._testbed.uevent(f"/sys{path}", "remove")
                for interface in device.bridge.interfaces:
                    place = path.rpartition("/")[2]
                    self._testbed.remove_device(f"/sys{path}/{place}:1.{interface.number}")
                self._testbed.remove_device(f"/sys{path}")
            case "replug":
                self._plug(device)
            case "rates":
                return " ".join(str(port.line.baud_rate) for port in device.bridge.ports)
            case "answer":
                device.write(bytes.fromhex(arguments[1]))
            case _:
                raise ValueError(line)
        return "ok"

    @property
    def root(self) -> str:
        """Return the directory that stands for the file system."""
        return str(self._testbed.get_root_dir())

    def _made(self, name: str, serial: str, scale: float) -> EmulatedUsbDevice:
        identity = STICKS[name].with_serial(serial)
        if not scale:
            return EmulatedUsbDevice(identity, random=random.Random(1), chips=(Echo(),))
        chips = Chips(name, scale)
        device = EmulatedUsbDevice(identity, random=random.Random(1), chips=(chips,))
        GLib.timeout_add(_TURN, chips.hash, device)
        return device

    def _plug(self, device: EmulatedUsbDevice) -> None:
        self._bus.plug(device)
        path, address = self._path(device), device.address
        descriptors = device.standard.device.packed() + device.standard.configuration.packed()
        node = f"bus/usb/001/{address:03}"
        lines = (
            f"P: {path}",
            f"N: {node}",
            "E: SUBSYSTEM=usb",
            "E: DEVTYPE=usb_device",
            "E: BUSNUM=001",
            f"E: DEVNUM={address:03}",
            f"E: DEVNAME=/dev/{node}",
            "A: busnum=1",
            f"A: devnum={address}",
            f"A: speed={480 if device.bridge.high_speed else 12}",
            "A: bConfigurationValue=1",
            f"A: bNumInterfaces= {len(device.bridge.interfaces)}",
            f"A: idVendor={device.identity.vid:04x}",
            f"A: idProduct={device.identity.pid:04x}",
            f"A: manufacturer={device.identity.manufacturer}",
            f"A: product={device.identity.product}",
            f"A: serial={device.identity.serial}",
            f"H: descriptors={descriptors.hex().upper()}",
            *self._interface_lines(device),
        )
        self._testbed.add_from_string("\n".join(lines) + "\n")
        handler = Usbfs(device)
        self._handlers.append(handler)
        self._testbed.attach_ioctl(f"/dev/{node}", handler)
        self._testbed.uevent(f"/sys{path}", "add")

    def _interface_lines(self, device: EmulatedUsbDevice) -> list[str]:
        """Return the interfaces as sysfs shows them, with a kernel driver at work."""
        path = self._path(device)
        lines = []
        for interface in device.bridge.interfaces:
            lines += [
                "",
                f"P: {path}/{path.rpartition('/')[2]}:1.{interface.number}",
                "E: SUBSYSTEM=usb",
                "E: DEVTYPE=usb_interface",
                f"A: bInterfaceNumber={interface.number:02x}",
                "A: bInterfaceClass=ff",
                "A: bInterfaceSubClass=ff",
                f"A: driver={device.bridge.kernel_driver}",
            ]
        return lines

    def _path(self, device: EmulatedUsbDevice) -> str:
        return f"{_HUB}/1-{device.port_numbers[0]}"


def main() -> None:
    """Serve until the input ends."""
    arguments, scale = sys.argv[1:], 0.0
    if arguments[0] == "--scale":
        scale, arguments = float(arguments[1]), arguments[2:]
    bench = Bench(list(zip(arguments[::2], arguments[1::2], strict=True)), scale)
    loop = GLib.MainLoop()

    def readable(*_: object) -> bool:
        line = sys.stdin.readline()
        if not line:
            loop.quit()
            return False
        say(bench.obey(line))
        return True

    GLib.io_add_watch(0, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, readable)
    say(bench.root)
    loop.run()


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
