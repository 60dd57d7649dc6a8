"""Opening a USB serial bridge: found, taken from the kernel's driver, started; all of it blocks."""

import time
from contextlib import ExitStack
from dataclasses import dataclass

from drivers.errors import TransportLostError
from drivers.transports.bridges.bridge import EIGHT_N_1, Bridge, Control, LineFormat, Rate
from drivers.transports.bridges.detect import bridge_of
from drivers.transports.errors import (
    BaudRateError,
    LineControlError,
    PortBusyError,
    PortOpenError,
)
from drivers.transports.port_holders import holders_of
from drivers.transports.usb_device import Endpoints, UsbDevice, find_device
from drivers.transports.usb_errors import Fault, Patience, fault_of, open_error
from drivers.transports.usb_sysfs import terminals_of

_BUSY_PATIENCE = 1.0  # s; our own last use of the device may still be ending
_BUSY_PAUSE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A claimed and started bridge, not yet in anyone's service; made by `connect`."""

    device: UsbDevice
    bridge: Bridge
    endpoints: Endpoints
    rate: Rate
    lines: int


def connect(
    path: str,
    *,
    baud_rate: int,
    uart: int,
    line_format: LineFormat,
    lines: int,
    latency_ms: int,
    backend: object | None,
) -> Connection:
    """Find, claim and start a bridge; raises as `usb_bulk.open_usb_port`."""
    deadline = time.monotonic() + _BUSY_PATIENCE
    while True:
        device = find_device(path, backend)
        with ExitStack() as undo:
            undo.callback(device.close)
            try:
                bridge = known_bridge(device, uart, line_format=line_format, latency_ms=latency_ms)
                rate = near_rate(bridge, path, baud_rate)
                _leave_others_alone(device)
                endpoints = _start(device, bridge, rate, lines)
            except OSError as error:
                device.close()  # or we ourselves were among who holds it
                if fault_of(error) is Fault.BUSY and time.monotonic() < deadline:
                    time.sleep(_BUSY_PAUSE)
                    continue
                raise open_error(path, device.node, error) from error
            undo.pop_all()
        return Connection(device=device, bridge=bridge, endpoints=endpoints, rate=rate, lines=lines)


def _start(device: UsbDevice, bridge: Bridge, rate: Rate, lines: int) -> Endpoints:
    device.claim(bridge.interfaces)
    endpoints = device.endpoints(bridge.interfaces[-1])
    for control in bridge.start(rate, lines):
        device.perform(control)
    return endpoints


def known_bridge(
    device: UsbDevice,
    uart: int,
    *,
    line_format: LineFormat = EIGHT_N_1,
    latency_ms: int = 1,
) -> Bridge:
    """Return the device's bridge; raise PortOpenError if it is none that we know."""
    bridge = bridge_of(
        device.descriptors(), device.ask, uart=uart, line_format=line_format, latency_ms=latency_ms
    )
    if bridge is None:
        raise PortOpenError(device.path, f"it has no serial bridge number {uart} known here")
    return bridge


def near_rate(bridge: Bridge, path: str, baud_rate: int) -> Rate:
    """Return how the bridge makes ``baud_rate``; raise BaudRateError if it is too far off."""
    rate = bridge.rate(baud_rate) if baud_rate > 0 else Rate(reached=0.0)
    if not rate.is_near(baud_rate) or not rate.controls:
        raise BaudRateError(path, asked=baud_rate, got=round(rate.reached))
    return rate


def _leave_others_alone(device: UsbDevice) -> None:
    """Raise PortBusyError if a program uses the device's tty: detaching would take it away."""
    if device.node is None:
        return
    holders = {holder for tty in terminals_of(device.place) for holder in holders_of(str(tty))}
    if holders:
        raise PortBusyError(device.path, tuple(sorted(holders)))


def perform(device: UsbDevice, control: Control, patience: Patience, *, pins: str = "") -> None:
    """Do a request, again if it fails for once; raises as `asked`."""
    asked(device, control, patience, pins=pins)


def asked(device: UsbDevice, control: Control, patience: Patience, *, pins: str = "") -> bytes:
    """Do a request, again if it fails for once; return what came in. Raises TransportLostError.

    Raises LineControlError when the bridge refuses to set ``pins``; a refusal of anything else is
    a loss.
    """
    while True:
        try:
            answer = device.perform(control)
        except OSError as error:
            if fault_of(error) is Fault.STALLED and pins:
                raise LineControlError(device.path, pins, "the bridge refuses") from error
            if reason := _why_lost(error, control, patience):
                raise TransportLostError(device.path, reason) from error
        else:
            patience.succeeded()
            return answer


def _why_lost(error: OSError, control: Control, patience: Patience) -> str:
    """Return why a request that failed so will not be repeated, empty if it will."""
    match fault_of(error):
        case Fault.STALLED:
            return f"refuses request {control.setup().hex()}"
        case Fault.QUIET:
            return "does not answer a request"
        case _:
            return patience.verdict(error)
