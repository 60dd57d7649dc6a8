"""All that the site, the grid and the price of power want of the rig, put together.

Each part states claims by `DeviceControl` or reads snapshots; none reaches the miner or a port.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from drivers.api import Clock, Log
from stratum_client.api.control_lines import Handler
from stratum_client.boot import Boot, this_boot
from stratum_client.broker_desk import BrokerDesk
from stratum_client.config import Config
from stratum_client.control.energy import Proven
from stratum_client.control.power import Reading
from stratum_client.curtail_desk import CurtailDesk
from stratum_client.curtail_requests import CurtailRequests
from stratum_client.device_control import DeviceControl
from stratum_client.energy_desk import EnergyDesk
from stratum_client.meter_desk import MeterDesk
from stratum_client.order_key_ring import key_ring
from stratum_client.price_desk import PriceDesk
from stratum_client.restart_desk import RestartDesk
from stratum_client.restart_memory import left_in
from stratum_client.state_file import StateFile
from stratum_client.supervise import SupervisedDevice, kept_running
from stratum_client.tune_results import FILE_NAME as TUNING_FILE_NAME
from stratum_client.tuner_desk import TunerDesk
from stratum_client.window_desk import WindowDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What all parts are made with; each takes what it needs."""

    config: Config
    control: DeviceControl
    devices: Callable[[], Sequence[SupervisedDevice]]
    state_dir: Path | None
    synchronized: Callable[[], bool | None]
    clock: Clock
    random: Random
    log_for: Callable[[str], Log]


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
        given = _Given(
            config=config,
            control=control,
            devices=devices,
            state_dir=state_dir,
            synchronized=synchronized,
            clock=clock,
            random=random,
            log_for=log_for,
        )
        self._random = random
        self._log = log_for("site")
        self._restarts = _restarts(given, boot or this_boot())
        self.windows = _windows(given)
        self.broker = BrokerDesk(config, clock=clock, random=random, log=log_for("mqtt"))
        self.meters = _meters(given, self.broker)
        self.curtail = _orders(given, self.broker, self.meters, self.windows)
        self._requests = CurtailRequests(
            self.curtail, broker=self.broker, timezone=config.rig.timezone, log=log_for("orders")
        )
        self.tuner = _tuner(given, self.meters)
        self.energy = _energy(given)
        self.meters.samples.append(self.energy.sample)
        self._prices = _prices(given, self.windows)

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Return the handler of each request."""
        return {**self.windows.handlers, **self._requests.handlers, **self.tuner.handlers}

    def check(self, config: Config) -> None:
        """Raise ConfigError for what `configure` could not take over; reads files."""
        key_ring(config)
        self.broker.check(config)

    def configure(self, config: Config) -> None:
        """Take over what a reload has brought; windows are told by `Reload` itself."""
        self._restarts.configure(config)
        self.curtail.configure(config)  # before the broker: what is old it need not hear of
        self.broker.configure(config)
        self.meters.configure(config)
        self.energy.configure(config)
        self._prices.configure(config)
        self.tuner.configure(config)

    async def run(self) -> None:
        """Follow all of it until cancelled."""
        parts = {
            "restarts": self._restarts.run,
            "meters": self.meters.run,
            "orders": self.curtail.run,
            "energy": self.energy.run,
            "prices": self._prices.run,
            "tuner": self.tuner.run,
            "mqtt": self.broker.run,
        }
        async with asyncio.TaskGroup() as group:
            group.create_task(self.windows.run(), name="windows")
            for name, run in parts.items():
                part = kept_running(name, run, random=self._random, log=self._log)
                group.create_task(part, name=name)


# --- each part, made of what is given ---


def _restarts(given: _Given, boot: Boot) -> RestartDesk:
    return RestartDesk(
        given.config,
        control=given.control,
        left=left_in(given.state_dir) if given.state_dir else None,
        boot=boot,
        clock=given.clock,
        random=given.random,
        log=given.log_for("control"),
    )


def _windows(given: _Given) -> WindowDesk:
    return WindowDesk(
        given.config,
        control=given.control,
        devices=given.devices,
        synchronized=given.synchronized,
        clock=given.clock,
        log=given.log_for("control"),
    )


def _meters(given: _Given, broker: BrokerDesk) -> MeterDesk:
    return MeterDesk(
        given.config,
        control=given.control,
        devices=given.devices,
        broker=broker,
        clock=given.clock,
        log=given.log_for("power"),
    )


def _orders(
    given: _Given, broker: BrokerDesk, meters: MeterDesk, windows: WindowDesk
) -> CurtailDesk:
    return CurtailDesk(
        given.config,
        control=given.control,
        devices=given.devices,
        broker=broker,
        state_dir=given.state_dir,
        synchronized=windows.believes_clock,
        power=lambda: meters.power,
        clock=given.clock,
        log=given.log_for("orders"),
    )


def _tuner(given: _Given, meters: MeterDesk) -> TunerDesk:
    def watts_of(device: str) -> Reading | None:
        return meters.power.devices.get(device) if meters.power else None

    state_dir = given.state_dir
    return TunerDesk(
        given.config,
        control=given.control,
        devices=given.devices,
        watts_of=watts_of,
        file=StateFile(state_dir / TUNING_FILE_NAME) if state_dir else None,
        clock=given.clock,
        log=given.log_for("tuner"),
    )


def _energy(given: _Given) -> EnergyDesk:
    return EnergyDesk(
        given.config,
        proven=lambda: {device.name: _proven(device) for device in given.devices()},
        idle_after=lambda: given.control.idle_after,
        state_dir=given.state_dir,
        clock=given.clock,
        random=given.random,
        log=given.log_for("energy"),
    )


def _prices(given: _Given, windows: WindowDesk) -> PriceDesk:
    return PriceDesk(
        given.config,
        control=given.control,
        believes_clock=windows.believes_clock,
        clock=given.clock,
        log=given.log_for("price"),
    )


def _proven(device: SupervisedDevice) -> Proven:
    proven = device.seat.tally.proven
    return Proven(hashes=proven.total, shares=proven.count)
