"""What a tuner has to know of one device, read from its snapshots.

Only what chips themselves counted is taken; what pools say of shares is nobody's fault here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from drivers.api import DeviceState, DeviceStats
from stratum_client.control.claims import FREE, Claims, Decision, Level, Limit
from stratum_client.control.power import Reading, Source
from stratum_client.control.tuning_evidence import Look
from stratum_client.port_device import PortDevice
from stratum_client.supervise import SupervisedDevice
from stratum_client.wire import printable

HASHES_PER_DIFFICULTY = 1 << 32
"""How many hashes, on average, one of difficulty 1 costs."""

UNCOUNTED = "the device does not tell what its chips find"
THROTTLED = "throttled by heat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a device did since the last snapshot: good and bad nonces of each chip."""

    seconds: float
    mhz: float
    chips: tuple[tuple[int, int], ...]


class DeviceEye:
    """Follows one device from snapshot to snapshot."""

    def __init__(self) -> None:
        self.crash = ""
        self.work: Work | None = None
        self._was_mining = False
        self._starts = 0.0
        self._chips: tuple[tuple[int, int], ...] = ()
        self._at = 0.0

    def see(self, stats: DeviceStats, now: float, *, may_run: bool) -> None:
        """Take note of a snapshot: `crash` and `work` tell what happened since the last."""
        is_mining = stats.state is DeviceState.MINING
        starts = _number(stats.details, "starts")
        self.crash = ""
        if self._was_mining and may_run:
            if stats.state is DeviceState.FAILED:
                self.crash = printable(stats.reason, 100) or "it failed"
            elif starts > self._starts:
                self.crash = "its chips had to be started anew"
        self.work = self._done(stats, now) if is_mining and self._was_mining else None
        self._chips, self._at = _chips(stats.details), now
        self._was_mining, self._starts = is_mining, starts

    def _done(self, stats: DeviceStats, now: float) -> Work | None:
        before, after = self._chips, _chips(stats.details)
        if len(before) != len(after) or now <= self._at or stats.frequency_mhz is None:
            return None
        chips = tuple((b[0] - a[0], b[1] - a[1]) for a, b in zip(before, after, strict=True))
        if any(good < 0 or bad < 0 for good, bad in chips):
            return None  # it began to count anew
        return Work(seconds=now - self._at, mhz=stats.frequency_mhz, chips=chips)


def board_keys(devices: Sequence[SupervisedDevice]) -> Mapping[str, str]:
    """Return by which name each device's board is remembered: its serial number, if it has one.

    Bridges of one make may all have the same: those are told apart by their devices' names.
    """
    serials = {device.name: _serial(device) for device in devices}
    named = {name: f"device {name}" for name, serial in serials.items() if not serial}
    for name, serial in serials.items():
        if serial:
            is_alone = list(serials.values()).count(serial) == 1
            named[name] = serial if is_alone else f"{serial} {name}"
    return named


def look_of(stats: DeviceStats, reading: Reading | None, now: float) -> Look | str:
    """Return what a tuner sees of a device that mines, or why there is nothing to see."""
    if stats.state is not DeviceState.MINING or stats.frequency_mhz is None:
        return ""
    nonces, ticket = _number(stats.details, "nonces"), _number(stats.details, "ticket_difficulty")
    if "nonces" not in stats.details or ticket <= 0:
        return UNCOUNTED
    watts = reading.watts if reading else (stats.power or stats.modelled_power)
    is_modelled = reading.source is Source.MODEL if reading else stats.power is None
    return Look(
        now=now,
        mhz=stats.frequency_mhz,
        hashrate=stats.claimed_hashrate,
        pace=stats.claimed_hashrate / (ticket * HASHES_PER_DIFFICULTY),
        good=int(nonces),
        bad=stats.hardware_errors,
        watts=watts,
        is_modelled=is_modelled,
        temperature=stats.temperature,
    )


def hindrance_of(stats: DeviceStats) -> str:
    """Return why a device cannot be judged as it is now."""
    if _number(stats.details, "throttle_steps") > 0:
        return f"{THROTTLED}: {stats.reason}" if stats.reason else THROTTLED
    return ""


def others_allow(
    device: str, decision: Decision, claims: Claims, own: Limit, now: float
) -> tuple[Limit, str]:
    """Return what everybody but the tuner allows, and why."""
    limit = decision.limit
    stated = [
        claim.limit.mhz
        for claim in claims.claims
        if claim.level > Level.TUNER
        and claim.concerns(device)
        and claim.holds(now)
        and claim.limit.mhz is not None
    ]
    mhz = min(stated, default=None)
    if limit.mhz is not None and (own.mhz is None or limit.mhz < own.mhz):
        mhz = limit.mhz
    watts = limit.watts
    if watts is not None and own.watts is not None and watts >= own.watts:
        watts = None
    because = "; ".join(c.reason for c in decision.binding if c.level > Level.TUNER)
    return replace(FREE, run=limit.run, mhz=mhz, watts=watts), because


def _serial(device: SupervisedDevice) -> str:
    port = device.device.port if isinstance(device.device, PortDevice) else None
    serial = port.serial if port else ""
    return serial[:100] if serial.isprintable() else ""


def _number(details: Mapping[str, object], key: str) -> float:
    value = details.get(key)
    return float(value) if isinstance(value, int | float) else 0.0


def _chips(details: Mapping[str, object]) -> tuple[tuple[int, int], ...]:
    rows = details.get("per_chip")
    return tuple(
        (int(_number(row, "nonces")), int(_number(row, "errors")))
        for row in (rows if isinstance(rows, list | tuple) else ())
        if isinstance(row, Mapping)
    )[:512]
