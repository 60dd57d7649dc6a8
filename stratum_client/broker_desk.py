"""The broker of the configuration, if there is one: a reload ends its link and begins another.

Whoever subscribed stays subscribed through that. What was not yet sent goes out by the new link, if
the rig is still called the same in topics; without a broker what is published is dropped.
"""

import asyncio
from random import Random

from drivers.api import Clock, Log
from stratum_client.config import Config
from stratum_client.config_mqtt import MqttConfig
from stratum_client.control.io.mqtt_link import MqttLink, Take, rig_topic
from stratum_client.control.io.mqtt_way import trust_of
from stratum_client.errors import ConfigError
from stratum_client.tls import CaFileError


class BrokerDesk:
    """Speaks by at most one `MqttLink` at a time, ``link``."""

    def __init__(self, config: Config, *, clock: Clock, random: Random, log: Log) -> None:
        self._rig = config.rig.name
        self._settings = config.mqtt
        self._clock = clock
        self._random = random
        self._log = log
        self._subscribed: dict[tuple[str, Take], int] = {}
        self._changed = asyncio.Event()
        self.link = self._link_to(config.mqtt)

    @property
    def topic(self) -> str:
        """Return the beginning of all topics on which this rig speaks."""
        return rig_topic(self._settings.site, self._rig)

    @property
    def is_there(self) -> bool:
        """Return whether there is a broker to speak with, near or away."""
        return self.link is not None

    @property
    def is_connected(self) -> bool:
        """Return whether what is published goes out at once."""
        return self.link is not None and self.link.is_connected

    @property
    def telemetry(self) -> float | None:
        """Return how many seconds apart the rig tells its numbers; None if it does not."""
        return self._settings.telemetry

    @property
    def lost_since(self) -> float | None:
        """Return since when the broker is away, on the monotonic clock; None if it is not."""
        return self.link.lost_since if self.link else None

    @property
    def state(self) -> str:
        """Return how things are with the broker, in words."""
        if self.link is None:
            return "none"
        return self.link.problem or "connected"

    def subscribe(self, pattern: str, take: Take, *, qos: int = 0) -> None:
        """Let ``take`` have every message whose topic fits, of this broker and the next."""
        self._subscribed[pattern, take] = qos
        if self.link:
            self.link.subscribe(pattern, take, qos=qos)

    def unsubscribe(self, pattern: str, take: Take) -> None:
        """Let ``take`` have no more messages of ``pattern``."""
        if self._subscribed.pop((pattern, take), None) is not None and self.link:
            self.link.unsubscribe(pattern, take)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        """Send a message, now or when the broker is back; may be called from a callback."""
        if self.link:
            self.link.publish(topic, payload, qos=qos)

    def check(self, config: Config) -> None:
        """Raise ConfigError for a broker that could not be gone over to; reads its CA file."""
        settings = config.mqtt
        if settings == self._settings or not (settings.url and settings.url.uses_tls):
            return
        try:
            trust_of(settings)
        except CaFileError as error:
            raise ConfigError(config.path or "configuration", f"mqtt: {error}") from error

    def configure(self, config: Config) -> None:
        """Speak with another broker from now on, or otherwise with the same."""
        before, self._settings = self._settings, config.mqtt
        if _way(before) == _way(config.mqtt):
            return
        self.link = self._link_to(config.mqtt, lost_since=self.lost_since)
        self._changed.set()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            self._changed.clear()
            link = self.link
            async with asyncio.TaskGroup() as group:
                task = group.create_task(link.run(), name="broker") if link else None
                await self._changed.wait()
                if task:
                    task.cancel()
            if link:
                self._log.info("mqtt.ended", broker=str(link.url))
            if link and self.link:
                self.link.take_over(link)

    def _link_to(self, settings: MqttConfig, lost_since: float | None = None) -> MqttLink | None:
        if settings.url is None:
            return None
        link = MqttLink(
            settings,
            self._rig,
            clock=self._clock,
            random=self._random,
            log=self._log,
            lost_since=lost_since,
        )
        for (pattern, take), qos in self._subscribed.items():
            link.subscribe(pattern, take, qos=qos)
        return link


def _way(settings: MqttConfig) -> tuple[object, ...]:
    """Return what a link is made of; groups are topics only."""
    trust = settings.ca_file
    return settings.url, settings.user, settings.password, trust, settings.site
