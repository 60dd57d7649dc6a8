"""Which USB bridges there are, with and without a tty, and what is plugged in where.

All is read from sysfs: no device is opened, so it needs no permission and disturbs nobody. One USB
device is one port, known by its ttys and by its place (``usb:1-1.2``: bus 1, port 1, port 2), which
opens it directly. Without sysfs, libusb is asked. Nothing here is for the event loop.

Source: Linux, Documentation/ABI (sysfs-bus-usb); the names in /sys/bus/usb/devices.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from drivers import discovery
from drivers.api import PortInfo
from drivers.discovery import Found, is_at
from drivers.transports.bridges.detect import kind_of
from drivers.transports.errors import PortOpenError
from drivers.transports.port_paths import usb_path
from drivers.transports.usb_device import PREFIX, devices, place_of
from drivers.transports.usb_sysfs import node_of

FACTORY_SERIALS = {(0x10C4, 0xEA60): {"0001"}}
"""Serial numbers that a maker gives to every chip alike: they tell nobody apart.

Source: Silicon Labs, CP2102 data sheet (default of the serial string).
"""

_ROOT = Path("/")
_ACM = ("02", "02")


def ports(root: Path = _ROOT) -> tuple[PortInfo, ...]:
    """Return all ports there are now: ttys, and USB bridges that have none."""
    return tuple(found.port for found in scan(root))


def port_at(paths: Iterable[str], root: Path = _ROOT) -> PortInfo:
    """Return what is known of the device with one of ``paths``, which the result keeps as given.

    A path may be a tty, a link to one, or a place; of an unknown device only paths are known.
    """
    wanted = tuple(paths)
    for port in ports(root):
        if any(is_at(port, path) for path in wanted):
            return replace(port, paths=wanted)
    return PortInfo(paths=wanted)


def node_at(path: str, root: Path = _ROOT) -> Path | None:
    """Return the node that opens the device at a place, None where there is no such device."""
    directory = root / "sys/bus/usb/devices" / path.removeprefix(PREFIX)
    bus, address = _text(directory / "busnum"), _text(directory / "devnum")
    return node_of(int(bus), int(address), root) if bus and address else None


def identity(port: PortInfo) -> tuple[object, ...]:
    """Return what a device keeps when plugged in anew: its serial number, else its place.

    A number that its maker gives to all of them is none.
    """
    ids = (port.vid, port.pid)
    if port.serial and port.serial not in FACTORY_SERIALS.get(ids, ()):
        return (*ids, port.serial)
    return (*ids, usb_path(port)) if usb_path(port) else port.paths


def is_still(known: PortInfo, now: PortInfo) -> bool:
    """Return whether the device of two scans is the same and has gained no tty since.

    One that is driven directly has lost its tty to that, and gets it back afterwards.
    """
    place = usb_path(known)
    is_same = replace(now, paths=known.paths) == known
    return is_same and bool(place) and place in now.paths and {*now.paths} <= {*known.paths}


def libusb_ports(backend: object | None = None) -> tuple[PortInfo, ...]:
    """Return the USB bridges that a pyusb IBackend knows, libusb unless given."""
    return tuple(found.port for found in LibusbScanner(backend)())


class LibusbScanner:
    """Scans what a pyusb IBackend knows, libusb unless given; usable where `scan` is.

    Strings are asked of a device once per plug, since that opens it. One that does not tell them
    (no permission, just unplugged) has none. Nothing is found where libusb is missing or fails.
    """

    def __init__(self, backend: object | None = None) -> None:
        self._backend = backend
        self._known: dict[str, PortInfo] = {}

    def __call__(self) -> tuple[Found, ...]:
        """Return the bridges there are now."""
        present: dict[str, PortInfo] = {}
        with suppress(OSError, PortOpenError):
            for device in devices(self._backend):
                if kind_of(device.idVendor, device.idProduct) or _has_acm(device):
                    key = f"{PREFIX}{place_of(device)}#{device.address}"
                    present[key] = self._known.get(key) or _described(device)
        self._known = {key: port for key, port in present.items() if _says_something(port)}
        return tuple(
            Found(port=port, attachment=key, ready=True) for key, port in sorted(present.items())
        )


_by_libusb = LibusbScanner()


def scan(
    root: Path = _ROOT, *, without_sysfs: Callable[[], Sequence[Found]] = _by_libusb
) -> tuple[Found, ...]:
    """Return the ports there are now, ready or not: those of `discovery.scan` first."""
    terminals = discovery.scan(root)
    directory = root / "sys/bus/usb/devices"
    if not directory.is_dir():
        return (*terminals, *without_sysfs())
    bridges = {attachment(device): device for device in _bridges(directory)}
    merged = [_with_place(one, bridges.pop(one.attachment, None)) for one in terminals]
    others = [_without_tty(device, key, root) for key, device in sorted(bridges.items())]
    return (*merged, *others)


def attachment(device: Path) -> str:
    """Return what `discovery.scan` calls a USB device with a tty, from its directory."""
    return f"{device.resolve()}#{_text(device / 'devnum')}"


def _bridges(directory: Path) -> Iterator[Path]:
    """Yield the directory of each bridge; hubs and interfaces have a colon or no port."""
    for device in _entries(directory):
        if ":" in device.name or not device.name[:1].isdecimal():
            continue
        vid, pid = _number(device / "idVendor"), _number(device / "idProduct")
        if kind_of(vid, pid) or any(_kind(one) == _ACM for one in _interfaces(device)):
            yield device


def _with_place(found: Found, device: Path | None) -> Found:
    """Return a port with its place as its last path, if it is a bridge chip.

    A board whose own controller is the bridge gains nothing by being driven directly.
    """
    if device is None or not kind_of(found.port.vid, found.port.pid):
        return found
    return replace(found, port=replace(found.port, paths=(*found.port.paths, _place(device))))


def _without_tty(device: Path, key: str, root: Path) -> Found:
    """Return a bridge that has no tty: not yet, not here, or taken from the kernel's driver."""
    port = PortInfo(
        paths=(_place(device),),
        vid=_number(device / "idVendor"),
        pid=_number(device / "idProduct"),
        serial=_text(device / "serial"),
        manufacturer=_text(device / "manufacturer"),
        product=_text(device / "product"),
    )
    interfaces = _interfaces(device)
    is_taken = bool(interfaces) and all((one / "driver").exists() for one in interfaces)
    return Found(port=port, attachment=key, ready=is_taken and _is_set_up(device, root))


def _is_set_up(device: Path, root: Path) -> bool:
    """Return whether udev, where it runs, has made the device's node accessible."""
    if not (root / "run/udev/control").exists():
        return True
    return (root / "run/udev/data" / f"c{_text(device / 'dev')}").exists()


def _place(device: Path) -> str:
    return PREFIX + device.name


def _interfaces(device: Path) -> list[Path]:
    """Return an interface's directories; the device's own has them, under its real name."""
    return [one for one in _entries(device) if one.name.startswith(f"{device.name}:")]


def _kind(interface: Path) -> tuple[str, str]:
    return _text(interface / "bInterfaceClass"), _text(interface / "bInterfaceSubClass")


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:  # just unplugged
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:  # no such property, or just unplugged
        return ""


def _number(path: Path) -> int:
    try:
        return int(_text(path), 16)
    except ValueError:
        return 0


def _described(device: Any) -> PortInfo:  # noqa: ANN401 - pyusb has no types
    return PortInfo(
        paths=(PREFIX + place_of(device),),
        vid=device.idVendor,
        pid=device.idProduct,
        manufacturer=_string(device, "manufacturer"),
        product=_string(device, "product"),
        serial=_string(device, "serial_number"),
    )


def _says_something(port: PortInfo) -> bool:
    return bool(port.manufacturer or port.product or port.serial)


def _string(device: Any, name: str) -> str:  # noqa: ANN401 - as above
    # ValueError: "no langid", also for want of permission; IndexError: an empty descriptor
    with suppress(OSError, ValueError, IndexError, NotImplementedError):
        return getattr(device, name) or ""
    return ""


def _has_acm(device: Any) -> bool:  # noqa: ANN401 - as above
    with suppress(OSError, ValueError, IndexError, NotImplementedError):
        return any(
            (interface.bInterfaceClass, interface.bInterfaceSubClass) == (2, 2)
            for configuration in device
            for interface in configuration
        )
    return False
