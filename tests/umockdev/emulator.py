"""Emulated sticks in a mock /sys and /dev, told what to do by lines on its standard input.

Runs under umockdev-wrapper in Debian's python3, with the project on PYTHONPATH. ``NAME SERIAL``
pairs are its arguments. It says the mock's directory, then ``ok`` after each command: ``unplug N``,
``replug N``, ``rates N``, ``answer N HEX``; it ends with its input.
"""

import random
import sys
from typing import Any

from drivers.transports.emulated_usb.bus import EmulatedBus
from drivers.transports.emulated_usb.device import EmulatedUsbDevice
from drivers.transports.emulated_usb.identities import STICKS
from tests.umockdev.introspected import GLib, UMockdev
from tests.umockdev.usbfs import Usbfs

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


class Bench:
    """The mock and the devices in it."""

    def __init__(self, sticks: list[tuple[str, str]]) -> None:
        self._testbed = UMockdev.Testbed.new()
        self._bus = EmulatedBus()
        self._handlers: list[Any] = []
        self._devices = [
            EmulatedUsbDevice(
                STICKS[name].with_serial(serial), random=random.Random(1), chips=(Echo(),)
            )
            for name, serial in sticks
        ]
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
            f"H: descriptors={descriptors.hex().upper()}",
        )
        self._testbed.add_from_string("\n".join(lines) + "\n")
        handler = Usbfs(device)
        self._handlers.append(handler)
        self._testbed.attach_ioctl(f"/dev/{node}", handler)
        self._testbed.uevent(f"/sys{path}", "add")

    def _path(self, device: EmulatedUsbDevice) -> str:
        return f"{_HUB}/1-{device.port_numbers[0]}"


def main() -> None:
    """Serve until the input ends."""
    names = sys.argv[1::2], sys.argv[2::2]
    bench = Bench(list(zip(*names, strict=True)))
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
