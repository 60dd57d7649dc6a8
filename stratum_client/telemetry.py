"""What a rig tells its site by MQTT: some numbers every so often, and events with who and when.

Numbers go out on ``mine/SITE/rig/ID/telemetry`` while the broker is there, one JSON object of less
than `LARGEST` bytes; events on ``.../event``, also later. docs/curtailment.md has their keys.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Protocol

from drivers.api import Clock, DeviceState, Log
from stratum_client.stats import RigStats

LARGEST = 300

LOOK_AGAIN = 10.0
"""Seconds between looks whether telemetry is wanted by now."""

TOLD = frozenset(
    {
        *("device.plugged_in", "device.unplugged", "device.absent", "port.unused"),
        *("port.unclaimed", "reload.done", "reload.refused", "config.changed"),
        *("pool.added", "pool.removed", "pool.chosen", "pool.enabled", "pool.disabled"),
        *("order.released_by_force", "claim.overridden", "window.clock_trusted"),
    }
)
"""Lines of the log that a site hears of: what came, went, or was changed, and by whom."""

HEARD = frozenset({"devices", "config", "control", "orders"})
"""The components that write them."""


class Broker(Protocol):
    """Who carries it."""

    @property
    def topic(self) -> str:
        """Return the beginning of the rig's topics."""
        ...

    @property
    def is_connected(self) -> bool:
        """Return whether what is published goes out at once."""
        ...

    @property
    def telemetry(self) -> float | None:
        """Return the seconds between two messages, None for none."""
        ...

    def publish(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        """Send a message, now or when the broker is back."""
        ...


class Telemetry:
    """Sends what ``snapshot`` says, until cancelled."""

    def __init__(self, broker: Broker, snapshot: Callable[[], RigStats], clock: Clock) -> None:
        self._broker = broker
        self._snapshot = snapshot
        self._clock = clock

    async def run(self) -> None:
        """Send, wait, and send again."""
        while True:
            broker = self._broker
            await asyncio.sleep(broker.telemetry or LOOK_AGAIN)
            if broker.telemetry and broker.is_connected:
                payload = telemetry_of(self._snapshot(), self._clock.wall())
                broker.publish(f"{broker.topic}/telemetry", payload, qos=0)


def telemetry_of(stats: RigStats, at: float) -> bytes:
    """Return the rig at a wall time in less than `LARGEST` bytes; a long reason is cut."""
    counts, power = stats.counts.json(), stats.power
    hottest = max((d.stats.temperature or 0.0 for d in stats.devices), default=0.0)
    limits = [claim.reason for claim in stats.claims if not claim.device]
    fields = {
        "at": int(at),
        "up": int(stats.uptime),
        **{fate: counts[fate] for fate in ("accepted", "rejected", "stale")},
        "errors": sum(device.stats.hardware_errors for device in stats.devices),
        "claimed": _short(stats.claimed_hashrate),
        "proven": _short(stats.counts.rates_json()["recent_hashrate"]),
        "credited": _short(stats.counts.rates_json()["credited_hashrate"]),
        "watts": round(power.watts, 1) if power else None,
        "source": str(power.source) if power else None,
        "celsius": round(hottest, 1) if hottest else None,
        "mining": sum(d.stats.state is DeviceState.MINING for d in stats.devices),
        "devices": len(stats.devices),
    }
    limit = limits[0] if limits else ""
    payload = _compact({**fields, "limit": limit or None})
    while len(payload) >= LARGEST and limit:
        limit = limit[:-1]
        payload = _compact({**fields, "limit": limit or None})
    return payload


def _compact(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def _short(rate: object) -> float:
    """Return H/s to four digits."""
    return float(f"{rate:.4g}") if isinstance(rate, int | float) else 0.0


class Events:
    """Publishes lines of the log that are `TOLD`, by a broker that may be known later."""

    def __init__(self, rig: str, clock: Clock) -> None:
        self.broker: Broker | None = None
        self._rig = rig
        self._clock = clock

    def heard_in(self, log: Log, component: str) -> Log:
        """Return ``log``, whose lines are heard here as well if they may be `TOLD`."""
        return _HeardLog(log, self._tell) if component in HEARD else log

    def _tell(self, event: str, fields: dict[str, object]) -> None:
        if self.broker and event in TOLD:
            said = {"event": event, "rig": self._rig, "at": round(self._clock.wall(), 3), **fields}
            payload = json.dumps(said, default=str).encode()
            self.broker.publish(f"{self.broker.topic}/event", payload)


class _HeardLog:
    """A log that somebody listens to."""

    def __init__(self, log: Log, tell: Callable[[str, dict[str, object]], None]) -> None:
        self._log = log
        self._tell = tell

    def debug(self, event: str, **fields: object) -> object:
        """Pass it on."""
        return self._log.debug(event, **fields)

    def info(self, event: str, **fields: object) -> object:
        """Pass it on, and tell of it."""
        self._tell(event, fields)
        return self._log.info(event, **fields)

    def warning(self, event: str, **fields: object) -> object:
        """Pass it on, and tell of it."""
        self._tell(event, fields)
        return self._log.warning(event, **fields)

    def error(self, event: str, **fields: object) -> object:
        """Pass it on, and tell of it."""
        self._tell(event, fields)
        return self._log.error(event, **fields)
