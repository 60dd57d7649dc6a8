"""A tree of files shaped as Linux shows USB devices and their ttys, for discovery to read.

The shapes follow drivers/usb/class/cdc-acm.c and drivers/usb/serial/bus.c: a CDC tty hangs below
its interface, a usb-serial tty below a port device below its interface.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path


class FakeSysfs:
    """Devices under ``root``, as if it were /; ``udev`` says whether udev runs there."""

    def __init__(self, root: Path, *, udev: bool = True) -> None:
        self.root = root
        self._plugs = 0
        self._udev = udev
        (root / "sys/class/tty").mkdir(parents=True)
        (root / "dev").mkdir()
        if udev:
            (root / "run/udev/data").mkdir(parents=True)
            (root / "run/udev/control").touch()

    def plug(
        self,
        place: str,
        ttys: Sequence[str],
        *,
        vid: int = 0x1209,
        pid: int = 0x256F,
        strings: tuple[str, str, str] = ("", "", ""),
        interfaces: int | None = None,
        ready: bool = True,
    ) -> None:
        """Add a USB device at ``place`` ("1-1.2") whose n-th function is tty ``ttys[n]``.

        ``strings`` are manufacturer, product and serial. ``interfaces`` is the count in its
        descriptor, by default those it shows. Not ``ready``: udev has not seen the ttys yet.
        """
        self._plugs += 1
        device = self.root / "sys/devices/pci0000:00/usb1" / place
        device.mkdir(parents=True)
        shown = 0
        for tty in ttys:
            acm = tty.startswith("ttyACM")
            for _ in range(2 if acm else 1):
                interface = device / f"{place}:1.{shown}"
                interface.mkdir()
                (interface / "bInterfaceNumber").write_text(f"{shown:02x}\n")
                shown += 1
            first = device / f"{place}:1.{shown - (2 if acm else 1)}"
            self._tty(tty, first if acm else first / tty)
            if ready:
                self.set_up(tty)
        values = {"idVendor": f"{vid:04x}", "idProduct": f"{pid:04x}", "devnum": str(self._plugs)}
        values["bNumInterfaces"] = f" {shown if interfaces is None else interfaces}"
        values |= zip(("manufacturer", "product", "serial"), strings, strict=True)
        for name, value in values.items():
            if value:
                (device / name).write_text(value + "\n")

    def uart(self, tty: str, kind: int) -> None:
        """Add a serial port of the machine itself; ``kind`` 0 is one that does not exist."""
        parent = self.root / "sys/devices/platform/serial8250"
        parent.mkdir(parents=True, exist_ok=True)
        self._tty(tty, parent)
        (self.root / "sys/class/tty" / tty / "type").write_text(f"{kind}\n")
        self.set_up(tty)

    def console(self, tty: str) -> None:
        """Add a virtual console, which has no device."""
        (self.root / "sys/class/tty" / tty).mkdir()

    def set_up(self, tty: str) -> None:
        """Let udev finish with ``tty``."""
        if self._udev:
            number = (self.root / "sys/class/tty" / tty / "dev").read_text().strip()
            (self.root / "run/udev/data" / f"c{number}").touch()

    def unplug(self, place: str) -> None:
        """Remove the USB device at ``place``."""
        device = self.root / "sys/devices/pci0000:00/usb1" / place
        for link in list((self.root / "sys/class/tty").iterdir()):
            if link.resolve().is_relative_to(device):
                number = (link / "dev").read_text().strip()
                (self.root / "run/udev/data" / f"c{number}").unlink(missing_ok=True)
                (self.root / "dev" / link.name).unlink()
                link.unlink()
        shutil.rmtree(device)

    def _tty(self, tty: str, parent: Path) -> None:
        node = parent / "tty" / tty
        node.mkdir(parents=True)
        (node / "device").symlink_to("../..")
        (node / "dev").write_text(f"166:{sum(tty.encode())}\n")
        (self.root / "sys/class/tty" / tty).symlink_to(node)
        (self.root / "dev" / tty).touch()
