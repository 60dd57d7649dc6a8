"""What can be ordered of the devices of a running daemon: the control socket's handlers for them.

| request | other keys | result |
|---|---|---|
| devices | | devices: a list, see `DeviceOrders.listed` |
| device.enable, device.disable | device | device, state, reason, durable, problem |
| device.identify | device | device |
| device.set | device, settings: an object | device, settings |
| pause, resume | | see `device_pauses` |
"""

from collections.abc import Mapping

from drivers.api import Adjustable, Clock, Identifiable, Log
from drivers.errors import DriverError, SettingError
from stratum_client.api.control_lines import Handler, Order, OrderError, Reply
from stratum_client.device_control import DeviceControl
from stratum_client.device_pauses import DevicePauses
from stratum_client.fleet import Fleet
from stratum_client.supervise import SupervisedDevice


class DeviceOrders:
    """Follows orders to the devices of ``fleet``."""

    def __init__(self, fleet: Fleet, control: DeviceControl, *, clock: Clock, log: Log) -> None:
        self._fleet = fleet
        self._pauses = DevicePauses(control, clock=clock)
        self._clock = clock
        self._log = log

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Return the handler of each request."""
        return {
            "devices": self.listed,
            "device.enable": lambda order: self._switched(order, run=True),
            "device.disable": lambda order: self._switched(order, run=False),
            "device.identify": self._identified,
            "device.set": self._adjusted,
            **self._pauses.handlers,
        }

    def listed(self, _order: Order) -> Mapping[str, object]:
        """Return a row for each device; rates in H/s, other units as in `DeviceStats`."""
        now = self._clock.monotonic()
        return {"devices": [self._row(device, now) for device in self._fleet.devices]}

    def _row(self, device: SupervisedDevice, now: float) -> Mapping[str, object]:
        snapshot, port = device.snapshot(now), self._fleet.port_of(device.name)
        stats = snapshot.stats
        return {
            "name": device.name,
            "driver": device.driver,
            "port": port.name if port else None,
            "way": stats.details.get("way"),
            "serial": port.serial if port else "",
            "enabled": not self._pauses.is_disabled(device.name),
            "state": str(stats.state),
            "reason": stats.reason,
            "claimed_hashrate": stats.claimed_hashrate,
            "hashrate": snapshot.counts.recent_hashrate,
            "solutions": snapshot.counts.solutions,
            "hardware_errors": stats.hardware_errors,
            "temperature": stats.temperature,
            "power": stats.power,
            "frequency_mhz": stats.frequency_mhz,
        }

    async def _switched(self, order: Order, *, run: bool) -> Reply:
        device = self._named(order)
        self._log.info("device.ordered", device=device.name, run=run, by=order.by)
        switch = self._pauses.enable if run else self._pauses.disable
        problem = await switch(order, device.name)
        if run:
            device.retry_at_once()
        state = device.snapshot(self._clock.monotonic()).stats.state
        return {
            "device": device.name,
            "state": str(state),
            "reason": "" if device.setpoint.run else device.setpoint.reason,
            "durable": not problem,
            "problem": problem,
        }

    def _identified(self, order: Order) -> Mapping[str, object]:
        device = self._named(order)
        if not isinstance(device.device, Identifiable):
            raise OrderError(f"{device.name} has no way to show itself")
        try:
            device.device.identify()
        except DriverError as error:
            raise OrderError(f"{device.name}: {error}") from error
        return {"device": device.name}

    def _adjusted(self, order: Order) -> Mapping[str, object]:
        device, settings = self._named(order), order.table("settings")
        if not isinstance(device.device, Adjustable):
            raise OrderError(
                f"{device.name} cannot be set while it runs, only in the configuration"
            )
        try:
            device.device.adjust(settings)
        except SettingError as error:
            raise OrderError(f"{device.name}: {error.setting}: {error.problem}") from error
        except DriverError as error:
            raise OrderError(f"{device.name}: {error}") from error
        self._log.info("device.set", device=device.name, by=order.by, settings=settings)
        return {"device": device.name, "settings": settings}

    def _named(self, order: Order) -> SupervisedDevice:
        name = order.text("device")
        devices = {device.name: device for device in self._fleet.devices}
        if name not in devices:
            raise OrderError(f"no device is called {name!r}; there are: {', '.join(devices)}")
        return devices[name]
