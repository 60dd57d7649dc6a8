"""The meters at work: readings taken, judged and passed on, and caps held by them.

Each look becomes a `RigPower` for all who subscribed; the limits of the configuration are claims of
level user, and what operating points may add up to is told to `DeviceControl` as a correction.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence

from drivers.api import Clock, DeviceState, Log
from stratum_client.config import Config
from stratum_client.config_power import MeterConfig
from stratum_client.control.cap import Cap
from stratum_client.control.claims import Claim, Level, Limit
from stratum_client.control.device_caps import DeviceCaps
from stratum_client.control.meter import DeviceWatts, Look, Meter
from stratum_client.control.power import CapHeld, RigPower, Source
from stratum_client.device_control import DeviceControl
from stratum_client.plug_watch import Broker, PlugWatch, PolledPlug, SpeakingPlug
from stratum_client.supervise import SupervisedDevice

ISSUER = "power.limit"
"""Who states the limits of the configuration."""

RIG = ""
"""The name under which the whole rig's plug is kept."""

_SMALLEST = 1e-6


class MeterDesk:
    """Looks every ``power.interval``; ``samples`` are called with each look, and must not raise.

    Topics of plugs that speak over ``broker`` are subscribed to here and in `configure`, which is
    told once the broker has been.
    """

    def __init__(
        self,
        config: Config,
        *,
        control: DeviceControl,
        devices: Callable[[], Sequence[SupervisedDevice]],
        broker: Broker,
        clock: Clock,
        log: Log,
    ) -> None:
        self.samples: list[Callable[[RigPower], None]] = []
        self.power: RigPower | None = None
        self.held: CapHeld | None = None
        self._control = control
        self._devices = devices
        self._broker = broker
        self._had_broker = broker.is_there
        self._clock = clock
        self._log = log
        self._meter = Meter()
        self._cap = Cap()
        self._device_caps = DeviceCaps()
        self._told_watts: dict[str, float] = {}
        self._device_limits: dict[str, float] = {}
        self._stated: dict[str, Claim] = {}
        self._plugs: dict[str, PlugWatch] = {}
        self._topics: set[str] = set()
        self._changed = asyncio.Event()
        self._told_source: Source | None = None
        self._told_held: tuple[object, ...] = ()
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Go by other meters and limits from now on."""
        self._interval = config.power.interval
        self._rig_limit = config.power.limit
        before = self._device_limits
        self._device_limits = {one.name: one.limit for one in config.devices if one.limit}
        meters = {device.name: device.meter for device in config.devices}
        wanted = {RIG: config.power.meter, **meters}
        if self._had_broker != self._broker.is_there:
            self._had_broker = self._broker.is_there
            speaking = (name for name, one in self._plugs.items() if isinstance(one, SpeakingPlug))
            for name in tuple(speaking):
                del self._plugs[name]
        self._plugs = {
            name: self._plug(name, meter) for name, meter in wanted.items() if meter is not None
        }
        self._listen()
        self._told_watts = {
            name: self._told_watts[name] if before.get(name) == limit else limit
            for name, limit in self._device_limits.items()
        }
        limited = {*self._device_limits, *([RIG] if self._rig_limit else [])}
        self._stated = {name: claim for name, claim in self._stated.items() if name in limited}
        self._control.take(Level.USER, ISSUER, list(self._limits()))
        self._changed.set()

    async def run(self) -> None:
        """Take readings until cancelled; after a crash of ours what was read is not known."""
        try:
            await self._run()
        except Exception:
            self.power = self.held = None
            raise

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(plug.run(), name=f"meter {name or 'of the rig'}")
                    for name, plug in self._plugs.items()
                ]
                tasks.append(group.create_task(self._look_on(), name="meter readings"))
                await self._changed.wait()
                for task in tasks:
                    task.cancel()

    async def _look_on(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(self._interval)

    def look(self) -> None:
        """Judge what is known now, hold the cap by it and pass it on."""
        now = self._clock.monotonic()
        said = {name: plug.said for name, plug in self._plugs.items()}
        devices = [_watts_of(device, now) for device in self._devices()]
        look = self._meter.look(
            at=now,
            wall=self._clock.wall(),
            devices=devices,
            plug=said.pop(RIG, None),
            plugs=said,
        )
        self.power = look.power
        self._tell_source(look)
        self._hold_devices(devices, look.power)
        self._hold(look)
        for take in self.samples:
            take(look.power)

    # -- plugs

    def _plug(self, name: str, config: MeterConfig) -> PlugWatch:
        """Return what follows a plug: as before where nothing changed."""
        before = self._plugs.get(name)
        if before and before.config == config:
            return before
        shown = name or "rig"
        if config.source != "mqtt":
            return PolledPlug(config, shown, clock=self._clock, log=self._log)
        return SpeakingPlug(
            config, shown, has_broker=self._had_broker, clock=self._clock, log=self._log
        )

    def _listen(self) -> None:
        """Hear all plugs that speak, and no others."""
        speaking = [one for one in self._plugs.values() if isinstance(one, SpeakingPlug)]
        before, self._topics = self._topics, {plug.config.topic for plug in speaking}
        for topic in before - self._topics:
            self._broker.unsubscribe(topic, self._heard)
        for topic in self._topics - before:
            self._broker.subscribe(topic, self._heard)

    def _heard(self, topic: str, payload: bytes) -> None:
        """Pass a message on to all plugs that speak so: one may have several lines."""
        for plug in self._plugs.values():
            if isinstance(plug, SpeakingPlug) and plug.config.topic == topic:
                plug.heard(payload)

    def _tell_source(self, look: Look) -> None:
        total = look.power.total
        if self._told_source is not total.source:
            matters = self._plugs or self._control.budget
            tell = self._log.warning if total.note and matters else self._log.info
            watts = round(total.watts, 1)
            tell("meter.source", source=str(total.source), watts=watts, note=total.note)
            self._told_source = total.source

    # -- limits

    def _limits(self) -> Iterator[Claim]:
        if self._rig_limit:
            yield self._limit(RIG, Limit(rig_watts=self._rig_limit), ISSUER)
        for name, limit in self._device_limits.items():
            told = self._told_watts[name]
            by_plug = "" if told == limit else f": {limit:g} W by its plug"
            yield self._limit(name, Limit(watts=told), "device.limit", by_plug)

    def _limit(self, device: str, limit: Limit, key: str, remark: str = "") -> Claim:
        """Return the claim of one limit; the same as before where nothing changed."""
        claim = Claim(
            level=Level.USER,
            issuer=ISSUER,
            device=device,
            limit=limit,
            cause=f"{key} of the configuration{remark}",
            since=self._clock.wall(),
        )
        old = self._stated.get(device)
        if old is None or (old.limit, old.cause) != (claim.limit, claim.cause):
            self._stated[device] = old = claim
        return old

    def _hold_devices(self, devices: Sequence[DeviceWatts], power: RigPower) -> None:
        """Let devices with a limit and a plug plan with what the plug leaves them."""
        for device in devices:
            if limit := self._device_limits.get(device.name):
                reading = power.devices.get(device.name)
                told = self._device_caps.told(device, limit, reading, power)
                self._told_watts[device.name] = round(told, 1)
        self._control.take(Level.USER, ISSUER, list(self._limits()))

    def _hold(self, look: Look) -> None:
        """Let devices plan with so much that the lowest cap in watts is kept."""
        self._cap.seen(look, self._planned())
        budget, limit = self._control.budget, self._lowest()
        if budget is None or limit is None:
            self.held, self._told_held = None, ()
            self._control.correct(1.0)
            return
        allowed = self._cap.budget(limit)
        if budget.watts < limit:  # a share of full power binds
            allowed = min(allowed, budget.watts)
        self._control.correct(max(allowed / budget.watts, _SMALLEST))
        self.held = CapHeld(watts=limit, by=_held_by(look, self._cap))
        self._tell_held(self.held, look.power.total.source)

    def _tell_held(self, held: CapHeld, source: Source) -> None:
        """Say when another cap holds, or it is held by something else."""
        told = held.watts, source, self._cap.is_measured
        if told != self._told_held:
            tell = self._log.info if self._cap.is_measured else self._log.warning
            tell("power.cap_held", watts=held.watts, by=held.by)
            self._told_held = told

    def _lowest(self) -> float | None:
        """Return the lowest cap in watts on the whole rig that is in force."""
        claims = self._control.claims.in_force(self._clock.wall()).claims
        stated = (c.limit.rig_watts for c in claims if not c.device and c.limit.run)
        return min((watts for watts in stated if watts is not None), default=None)

    def _planned(self) -> float:
        decisions = (self._control.decision(device.name) for device in self._devices())
        return sum(decision.planned.watts for decision in decisions if decision.planned)


def _held_by(look: Look, cap: Cap) -> str:
    """Return in words by what a cap is held."""
    total = look.power.total
    match total.source:
        case Source.PLUG:
            return "the rig's plug"
        case Source.DRIVER if not total.note:
            return "the devices' own meters"
    learnt = f", corrected by {cap.calibration.ratio:.2f}" if cap.calibration.told else ""
    model = "the model" if total.source is Source.MODEL else "meters and models of the devices"
    return f"{model}{learnt}{f'; {total.note}' if total.note else ''}"


def _watts_of(device: SupervisedDevice, now: float) -> DeviceWatts:
    stats = device.snapshot(now).stats
    return DeviceWatts(
        name=device.name,
        is_mining=stats.state is DeviceState.MINING,
        measured=stats.power,
        modelled=stats.modelled_power,
    )
