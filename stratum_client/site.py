"""All that the site, the grid and the price of power want of the rig, put together.

Each part states claims by `DeviceControl` or reads snapshots; none reaches the miner or a port.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random

from drivers.api import Clock, Log
from stratum_client.api.control_lines import Handler
from stratum_client.boot import Boot, this_boot
from stratum_client.config import Config
from stratum_client.control.energy import Proven
from stratum_client.control.io.mqtt_link import MqttLink
from stratum_client.control.power import Reading
from stratum_client.curtail_desk import CurtailDesk
from stratum_client.curtail_requests import CurtailRequests
from stratum_client.device_control import DeviceControl
from stratum_client.energy_desk import EnergyDesk
from stratum_client.meter_desk import MeterDesk
from stratum_client.price_desk import PriceDesk
from stratum_client.restart_desk import RestartDesk
from stratum_client.restart_memory import left_in
from stratum_client.state_file import StateFile
from stratum_client.supervise import SupervisedDevice, kept_running
from stratum_client.tune_results import FILE_NAME as TUNING_FILE_NAME
from stratum_client.tuner_desk import TunerDesk
from stratum_client.window_desk import WindowDesk


class Site:
    """Windows, and whatever else is configured; without a ``state_dir`` nothing is remembered."""

    def __init__(
        self,
        config: Config,
        *,
        control: DeviceControl,
        devices: Callable[[], Sequence[SupervisedDevice]],
        state_dir: Path | None,
        synchronized: Callable[[], bool | None],
        clock: Clock,
        random: Random,
        log_for: Callable[[str], Log],
        boot: Boot | None = None,
    ) -> None:
        self._restarts = RestartDesk(
            config,
            control=control,
            left=left_in(state_dir) if state_dir else None,
            boot=boot or this_boot(),
            clock=clock,
            random=random,
            log=log_for("control"),
        )
        self.windows = WindowDesk(
            config,
            control=control,
            devices=devices,
            synchronized=synchronized,
            clock=clock,
            log=log_for("control"),
        )
        self._random = random
        self._log = log_for("site")
        self.link = (
            MqttLink(config.mqtt, config.rig.name, clock=clock, random=random, log=log_for("mqtt"))
            if config.mqtt.url
            else None
        )
        self.meters = MeterDesk(
            config,
            control=control,
            devices=devices,
            link=self.link,
            clock=clock,
            log=log_for("power"),
        )

        self.curtail = CurtailDesk(
            config,
            control=control,
            devices=devices,
            link=self.link,
            state_dir=state_dir,
            synchronized=synchronized,
            power=lambda: self.meters.power,
            clock=clock,
            log=log_for("orders"),
        )
        self._requests = CurtailRequests(
            self.curtail, link=self.link, timezone=config.rig.timezone, log=log_for("orders")
        )
        self.tuner = TunerDesk(
            config,
            control=control,
            devices=devices,
            watts_of=self._watts_of,
            file=StateFile(state_dir / TUNING_FILE_NAME) if state_dir else None,
            clock=clock,
            log=log_for("tuner"),
        )
        self.energy = EnergyDesk(
            config,
            proven=lambda: {device.name: _proven(device) for device in devices()},
            idle_after=lambda: control.idle_after,
            state_dir=state_dir,
            clock=clock,
            random=random,
            log=log_for("energy"),
        )
        self.meters.samples.append(self.energy.sample)
        self._prices = PriceDesk(
            config,
            control=control,
            believes_clock=self.windows.believes_clock,
            clock=clock,
            log=log_for("price"),
        )

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Return the handler of each request."""
        return {**self.windows.handlers, **self._requests.handlers, **self.tuner.handlers}

    def configure(self, config: Config) -> None:
        """Take over what a reload has brought; windows are told by `Reload` itself."""
        self._restarts.configure(config)
        self.meters.configure(config)
        self.energy.configure(config)
        self._prices.configure(config)
        self.tuner.configure(config)

    def _watts_of(self, device: str) -> Reading | None:
        power = self.meters.power
        return power.devices.get(device) if power else None

    async def run(self) -> None:
        """Follow all of it until cancelled."""
        parts = {
            "restarts": self._restarts.run,
            "meters": self.meters.run,
            "orders": self.curtail.run,
            "energy": self.energy.run,
            "prices": self._prices.run,
            "tuner": self.tuner.run,
        }
        if self.link:
            parts["mqtt"] = self.link.run
        async with asyncio.TaskGroup() as group:
            group.create_task(self.windows.run(), name="windows")
            for name, run in parts.items():
                part = kept_running(name, run, random=self._random, log=self._log)
                group.create_task(part, name=name)


def _proven(device: SupervisedDevice) -> Proven:
    proven = device.seat.tally.proven
    return Proven(hashes=proven.total, shares=proven.count)
