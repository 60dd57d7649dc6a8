"""The emulated USB bus: devices are plugged into ports of it, pulled and put back."""

from collections.abc import Callable
from functools import partial
from threading import Lock

from drivers.transports.emulated_usb.device import Controller, EmulatedUsbDevice

OnChange = Callable[[EmulatedUsbDevice], None]
"""Told of a device that came, went, or changed its driver; from whatever thread did it."""

_HIGHEST_ADDRESS = 127


class EmulatedBus:
    """One bus behind one host controller; may be used from any thread."""

    def __init__(self, number: int = 1, *, controller: Controller = Controller.XHCI) -> None:
        self.number = number
        self.controller = controller
        self._lock = Lock()
        self._ports: dict[tuple[int, ...], EmulatedUsbDevice] = {}
        self._listeners: list[OnChange] = []
        self._last_address = 1  # the root hub's

    @property
    def devices(self) -> tuple[EmulatedUsbDevice, ...]:
        """Return what is plugged in, in the order of the ports."""
        with self._lock:
            return tuple(device for _, device in sorted(self._ports.items()) if device.plugged)

    def plug(self, device: EmulatedUsbDevice, port_numbers: tuple[int, ...] | None = None) -> None:
        """Plug a device into a port, the first free one by default; harmless when it is there.

        ``port_numbers`` are the ports of the hubs on the way. Raises ValueError for a port that
        is taken.
        """
        if device.plugged:
            return
        with self._lock:
            path = port_numbers or self._path_of(device)
            if self._ports.get(path, device) is not device:
                raise ValueError(f"port {path} of bus {self.number} is taken")
            self._ports = {at: other for at, other in self._ports.items() if other is not device}
            self._ports[path] = device
            device.bus_number, device.port_numbers = self.number, path
            device.address = self._new_address()
            device.controller = self.controller
            device.pull_plug = partial(self.unplug, device)
            device.driver_changed = partial(self._tell, device)
        device.plugged_in()
        self._tell(device)

    def unplug(self, device: EmulatedUsbDevice) -> None:
        """Pull a device; its port is kept for it. Harmless when it is not plugged in."""
        if device.plugged:
            device.plugged_out()
            self._tell(device)

    def replug(self, device: EmulatedUsbDevice) -> None:
        """Put a device back into its port, under a new address."""
        self.plug(device)

    def remove(self, device: EmulatedUsbDevice) -> None:
        """Pull a device and free its port."""
        self.unplug(device)
        with self._lock:
            self._ports = {at: other for at, other in self._ports.items() if other is not device}

    def listen(self, on_change: OnChange) -> Callable[[], None]:
        """Tell of changes from now on; call what is returned to hear no more."""
        with self._lock:
            self._listeners.append(on_change)
        return partial(self._forget, on_change)

    def _tell(self, device: EmulatedUsbDevice) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for on_change in listeners:
            on_change(device)

    def _forget(self, on_change: OnChange) -> None:
        with self._lock:
            if on_change in self._listeners:
                self._listeners.remove(on_change)

    def _path_of(self, device: EmulatedUsbDevice) -> tuple[int, ...]:
        for path, other in self._ports.items():
            if other is device:
                return path
        port = 1
        while (port,) in self._ports:
            port += 1
        return (port,)

    def _new_address(self) -> int:
        taken = {device.address for device in self._ports.values() if device.plugged}
        address = self._last_address
        for _ in range(_HIGHEST_ADDRESS):
            address = address % _HIGHEST_ADDRESS + 1
            if address > 1 and address not in taken:
                break
        self._last_address = address
        return address
