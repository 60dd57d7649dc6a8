"""One smart plug, asked again and again or listened to; what it said last is kept."""

import asyncio
from typing import Protocol

from drivers.api import Clock, Log
from stratum_client.config_power import MeterConfig
from stratum_client.control.io.mqtt_link import Take
from stratum_client.control.io.plugs import HttpPlug
from stratum_client.control.meter import PlugWatts
from stratum_client.control.plug_answers import PlugError, watts_in

NO_BROKER = "there is no broker that it could speak to: set url in [mqtt]"


class Broker(Protocol):
    """What is asked of the broker."""

    @property
    def is_there(self) -> bool:
        """Return whether there is one in the configuration."""
        ...

    def subscribe(self, pattern: str, take: Take, *, qos: int = 0) -> None:
        """Let ``take`` have every message whose topic fits."""
        ...

    def unsubscribe(self, pattern: str, take: Take) -> None:
        """Let ``take`` have no more of them."""
        ...


class _Notes:
    """Keeps what a plug said, and logs each new problem and its end."""

    def __init__(self, config: MeterConfig, name: str, clock: Clock, log: Log) -> None:
        self.said = PlugWatts(every=config.every, highest=config.highest)
        self._every, self._highest = config.every, config.highest
        self._name = name
        self._clock = clock
        self._log = log
        self._told = ""

    def read(self, watts: float) -> None:
        now = self._clock.monotonic()
        if self._told or self.said.watts is None:
            self._log.info("meter.ready", meter=self._name, watts=round(watts, 1))
            self._told = ""
        self.said = PlugWatts(watts=watts, at=now, every=self._every, highest=self._highest)

    def failed(self, problem: str) -> None:
        said = self.said
        self.said = PlugWatts(
            watts=said.watts,
            at=said.at,
            problem=problem,
            every=self._every,
            highest=self._highest,
        )
        if problem != self._told:
            self._log.warning("meter.unreadable", meter=self._name, error=problem)
            self._told = problem


class PolledPlug:
    """A plug that is asked over HTTP; ``name`` says in the log what it measures."""

    def __init__(self, config: MeterConfig, name: str, *, clock: Clock, log: Log) -> None:
        self.config = config
        self._notes = _Notes(config, name, clock, log)
        self._plug = HttpPlug(config)
        self._clock = clock

    @property
    def said(self) -> PlugWatts:
        """Return what it said last."""
        return self._notes.said

    async def run(self) -> None:
        """Ask it at its interval until cancelled."""
        while True:
            began = self._clock.monotonic()
            try:
                self._notes.read(await self._plug.read())
            except PlugError as error:
                self._notes.failed(error.problem)
            passed = self._clock.monotonic() - began
            await asyncio.sleep(max(self.config.every - passed, 0.05))


class SpeakingPlug:
    """A plug that speaks by itself over MQTT."""

    def __init__(
        self, config: MeterConfig, name: str, *, has_broker: bool, clock: Clock, log: Log
    ) -> None:
        self.config = config
        self._notes = _Notes(config, name, clock, log)
        if not has_broker:
            self._notes.failed(NO_BROKER)

    @property
    def said(self) -> PlugWatts:
        """Return what it said last."""
        return self._notes.said

    def heard(self, payload: bytes) -> None:
        """Take a message of its topic."""
        try:
            self._notes.read(watts_in(payload, self.config.path))
        except PlugError as error:
            self._notes.failed(error.problem)

    async def run(self) -> None:
        """Wait: messages come by themselves."""
        await asyncio.get_running_loop().create_future()


PlugWatch = PolledPlug | SpeakingPlug
