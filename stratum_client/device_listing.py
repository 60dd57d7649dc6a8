"""What `stratum-client devices` shows: ports and their troubles, drivers and what they are for.

As values, as JSON and as a table. Reads files and /proc, and opens no port.

JSON of a port: port (the name for --device NAME@PORT), paths, vid and pid (4 hex digits or null),
manufacturer, product, serial, driver (null if nobody takes it by itself), candidates (drivers to
choose from), possible (drivers of devices with such ids, if it says no more), claim (the argument
that claims it for the first of either, or null), ways ("tty" and "usb", as far as there are),
device (its name in the running daemon, or null), way (by which that has it, or null), problems
(sentences).

JSON of a driver: name (for --device), kind (chip, board, software or null), chips, ports (how many
device nodes it needs), driver (who drives it), emulated (whether emulated:NAME works), problem.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from drivers import registry, usb_discovery
from drivers.api import Described, PortInfo, Product
from drivers.discovery import is_at
from drivers.errors import DriverError
from drivers.transports import usb_device, usb_errors
from drivers.transports.errors import PortOpenError
from drivers.transports.open_port import permission_advice
from drivers.transports.port_holders import holders_of
from drivers.transports.port_paths import tty_paths, usb_path
from drivers.transports.ways import TTY, USB
from stratum_client.config import DeviceConfig
from stratum_client.device_finder import Verdict
from stratum_client.status_layout import LONGEST_PART
from stratum_client.units import scaled
from stratum_client.wire import printable

_WIDEST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class PortRow:
    """One port."""

    verdict: Verdict
    device: str = ""
    way: str = ""
    problems: tuple[str, ...] = ()

    def json(self) -> dict[str, object]:
        """Return the row as documented above."""
        port = self.verdict.port
        return {
            "port": port.name,
            "paths": list(port.paths),
            "vid": f"{port.vid:04x}" if port.vid else None,
            "pid": f"{port.pid:04x}" if port.vid else None,
            "manufacturer": port.manufacturer,
            "product": port.product,
            "serial": port.serial,
            "driver": self.verdict.driver or None,
            "candidates": list(self.verdict.candidates),
            "possible": list(self.verdict.possible),
            "claim": self.verdict.claim or None,
            "ways": list(ways_to(port)),
            "device": self.device or None,
            "way": self.way or None,
            "problems": list(self.problems),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverRow:
    """One driver; ``product`` is None for one that does not say what it is for."""

    name: str
    product: Product | None = None
    emulated: bool = False
    problem: str = ""

    def json(self) -> dict[str, object]:
        """Return the row as documented above."""
        product = self.product
        return {
            "name": self.name,
            "kind": product.kind if product else None,
            "chips": product.chips if product else None,
            "ports": product.ports if product else None,
            "driver": product.family or self.name if product else self.name,
            "emulated": self.emulated,
            "problem": self.problem or None,
        }


def port_rows(
    found: Iterable[Verdict], devices: Sequence[Mapping[str, object]] = ()
) -> list[PortRow]:
    """Return a row for each port; ``devices`` are what the running daemon says it has."""
    rows = []
    for verdict in found:
        port = verdict.port
        mined = (one for one in devices if one.get("port") and _shares_node(port, one["port"]))
        device = next(mined, {})
        name, way = str(device.get("name", "")), str(device.get("way") or "")
        problems = () if name else _problems(verdict)
        rows.append(PortRow(verdict=verdict, device=name, way=way, problems=problems))
    return rows


def ways_to(port: PortInfo) -> tuple[str, ...]:
    """Return by which ways a port can be reached; nobody asks that of a UART of the machine."""
    found = ((TTY, tty_paths(port)), (USB, usb_path(port)))
    return tuple(way for way, paths in found if paths and port.vid)


def library_problems(rows: Iterable[PortRow]) -> list[str]:
    """Return why no USB device can be driven directly, once, if there is one to drive."""
    if not any(usb_path(row.verdict.port) for row in rows):
        return []
    try:
        usb_device.libusb()
    except PortOpenError as error:
        return [str(error)]
    return []


def driver_rows() -> list[DriverRow]:
    """Return a row for each driver there is; raise DriverClashError when packages collide."""
    return [_driver_row(name) for name in registry.names()]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return lines with the columns of ``rows`` aligned under ``head``; the last may be long."""
    lines = [list(head)]
    for *cells, last in rows:
        lines.append([*(printable(cell, _WIDEST) for cell in cells), printable(last, 4 * _WIDEST)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [_aligned(line, widths) for line in lines]


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{c:<{w}}" for c, w in zip(cells, widths, strict=True)).rstrip()


def port_lines(rows: Sequence[PortRow]) -> list[str]:
    """Return ports as a table, what is wrong with one indented below it."""
    cells = [
        (
            row.verdict.port.name,
            _what(row.verdict.port),
            row.verdict.port.serial or "-",
            row.verdict.driver or "-",
            ", ".join(ways_to(row.verdict.port)) or "-",
            row.device or "-",
        )
        for row in rows
    ]
    head, *lines = table(("PORT", "WHAT", "SERIAL", "TAKEN FOR", "WAYS", "MINED WITH AS"), cells)
    shown = [head]
    for row, line in zip(rows, lines, strict=True):
        shown += [line, *(f"    {problem}" for problem in row.problems)]
    return shown


def driver_lines(rows: Sequence[DriverRow]) -> list[str]:
    """Return drivers as a table."""
    shown = []
    for row in rows:
        product = row.product
        kind, chips = (product.kind, product.chips) if product else ("-", "-")
        ports = str(product.ports) if product else "-"
        family = (product.family if product else "") or row.name
        emulated = f"emulated:{row.name}" if row.emulated else "-"
        shown.append((row.name, kind, chips or "-", ports, family, emulated, row.problem))
    return table(("NAME", "KIND", "CHIPS", "PORTS", "DRIVER", "WITHOUT HARDWARE", ""), shown)


def device_lines(devices: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the devices of a running daemon as a table, why one does so indented below it."""
    cells = [
        (
            str(device["name"]),
            str(device["driver"]),
            str(device["port"] or "-"),
            str(device.get("way") or "-"),
            str(device["state"]) if device["enabled"] else f"{device['state']}, disabled",
            scaled(float(str(device["claimed_hashrate"])), "H/s"),
            _with_unit(device["temperature"], "°C"),
            _with_unit(device["frequency_mhz"], "MHz"),
        )
        for device in devices
    ]
    heads = ("DEVICE", "DRIVER", "PORT", "WAY", "STATE", "CLAIMS", "HEAT", "CLOCK")
    return explained(table(heads, cells), [device["reason"] for device in devices])


def explained(lines: Sequence[str], reasons: Sequence[object]) -> list[str]:
    """Return a table with a reason indented below each row that has one."""
    head, *rows = lines
    shown = [head]
    for row, reason in zip(rows, reasons, strict=True):
        text = printable(reason, LONGEST_PART)
        shown += [row, f"    {text}"] if text else [row]
    return shown


def _with_unit(value: object, unit: str) -> str:
    return "-" if value is None else f"{float(str(value)):.0f} {unit}"


def _driver_row(name: str) -> DriverRow:
    try:
        driver = registry.driver(name)
    except DriverError as error:
        return DriverRow(name=name, problem=str(error))
    return DriverRow(
        name=name,
        product=driver.product if isinstance(driver, Described) else None,
        emulated=registry.emulation_of(driver) is not None,
    )


def _problems(verdict: Verdict) -> tuple[str, ...]:
    port = verdict.port
    problems = [_taken_by_nobody(verdict)] if verdict.problem else []
    for path in tty_paths(port):
        if not os.access(path, os.R_OK | os.W_OK):
            problems.append(f"{path}: {permission_advice(path)}")
        elif holders := holders_of(path):
            problems.append(f"{path}: in use by {' and '.join(holders)}")
    if problem := _usb_problem(verdict):
        problems.append(problem)
    return tuple(problems)


def _usb_problem(verdict: Verdict) -> str:
    """Return why a device cannot be driven directly, if it is known or has no tty."""
    port = verdict.port
    place = usb_path(port)
    if not place or (tty_paths(port) and not verdict.drivers):
        return ""
    node = usb_discovery.node_at(place)
    if node is None or os.access(node, os.R_OK | os.W_OK):
        return ""
    return f"{place}: {usb_errors.permission_advice(node)}"


def _taken_by_nobody(verdict: Verdict) -> str:
    if verdict.possible:
        return _unclaimed(verdict)
    if verdict.candidates or verdict.port.vid:
        return verdict.problem
    return f"a UART does not say what is on it; name it, as in --device bm1366@{verdict.port.name}"


def _unclaimed(verdict: Verdict) -> str:
    """Return how to claim a port; by its tty if that alone may be opened."""
    port = verdict.port
    told = f'{verdict.problem}, or a [[device]] with port = "{usb_path(port) or port.name}"'
    node = usb_discovery.node_at(usb_path(port)) if usb_path(port) else None
    if node is None or not tty_paths(port) or os.access(node, os.R_OK | os.W_OK):
        return told
    return f"{told}; with via=tty, as this user may not open {usb_path(port)} itself"


def _what(port: PortInfo) -> str:
    ids = f"{port.vid:04x}:{port.pid:04x}" if port.vid else "a UART of this machine"
    return " ".join(filter(None, (port.manufacturer, port.product, ids)))


def _shares_node(port: PortInfo, name: object) -> bool:
    return any(is_at(port, path) for path in DeviceConfig(port=str(name)).paths)
