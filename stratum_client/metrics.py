"""The numbers of a snapshot as Prometheus metrics; docs/control.md has them as a table.

Names and units follow https://prometheus.io/docs/practices/naming/: base units, ``_total`` for
counters. Labels are pool, device, chip, fate, state and the like, all of them bounded: by the
configuration, by what is plugged in, or here.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from drivers.api import DeviceState
from stratum_client.control.claims import Level
from stratum_client.control.energy_account import EnergyOf, EnergyStats
from stratum_client.control.order_answers import BOUNDS, OrderStats
from stratum_client.control.tuning_views import Phase
from stratum_client.pool_roles import PoolRole
from stratum_client.stats import Metered, NamedDevice, PoolState, PoolStats, RigStats, ShareCounts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

PREFIX = "stratum_client_"

MAX_DETAILS = 256
"""Details of one device that have no metric of their own."""

MAX_CHIPS = 512

_LONGEST_LABEL = 300

_MHZ = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    name: str
    text: str
    value: float | None
    labels: Mapping[str, str]
    is_counter: bool


def exposition(stats: RigStats) -> bytes:
    """Return all metrics in Prometheus' text format; needs no event loop, so a thread may call."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(stats))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


def families(stats: RigStats) -> list[Metric]:
    """Return the metrics of a snapshot, each name once."""
    found: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
    for sample in _samples(stats):
        if sample.value is None:
            continue
        family = found.get(sample.name)
        if family is None:
            kind = CounterMetricFamily if sample.is_counter else GaugeMetricFamily
            family = kind(PREFIX + sample.name, sample.text, labels=list(sample.labels))
            found[sample.name] = family
        labels = [value[:_LONGEST_LABEL] for value in sample.labels.values()]
        family.add_metric(labels, sample.value)
    return [*found.values(), _idle_times(stats.orders)]


class _Snapshot(Collector):
    def __init__(self, stats: RigStats) -> None:
        self._stats = stats

    def collect(self) -> list[Metric]:
        """Return the metrics, as prometheus_client asks for them."""
        return families(self._stats)


def _idle_times(orders: OrderStats) -> Metric:
    totals = list(accumulate(orders.idle_counts))
    bounds = [*(str(bound) for bound in BOUNDS), "+Inf"]
    name, text = "order_idle_seconds", "Time from an order to rest until all devices were idle."
    family = HistogramMetricFamily(PREFIX + name, text)
    family.add_metric([], list(zip(bounds, totals, strict=True)), orders.idle_sum)
    return family


def _gauge(name: str, text: str, value: float | None, **labels: str) -> _Sample:
    return _Sample(name=name, text=text, value=value, labels=labels, is_counter=False)


def _counter(name: str, text: str, value: float, **labels: str) -> _Sample:
    return _Sample(
        name=name.removesuffix("_total"), text=text, value=value, labels=labels, is_counter=True
    )


def _samples(stats: RigStats) -> Iterator[_Sample]:
    yield _gauge("info", "The rig and the program.", 1, rig=stats.rig, version=stats.version)
    yield _gauge("uptime_seconds", "Time since the start of the daemon.", stats.uptime)
    yield _gauge(
        "event_loop_lag_seconds",
        "Worst delay of the event loop in the last minute.",
        stats.loop_lag,
    )
    yield _gauge(
        "idle_after_order_seconds",
        "Time from the last order to rest until all its devices were idle.",
        stats.idle_after,
    )
    orders = stats.orders
    yield _counter("orders_obeyed_total", "Orders to curtail that were obeyed.", orders.obeyed)
    text = "Orders after which a device was not idle in time."
    yield _counter("orders_late_total", text, orders.late)
    for why, count in orders.refused.items():
        yield _counter("orders_refused_total", "Orders that were refused.", count, why=why)
    yield from _power_samples("", stats.power, {})
    if stats.energy:
        yield from _energy_samples("", stats.energy.rig, {})
        yield from _money_samples(stats.energy)
    cap = stats.cap.watts if stats.cap else None
    yield _gauge("power_cap_watts", "Lowest limit of the power of the whole rig.", cap)
    errors = sum(device.stats.hardware_errors for device in stats.devices)
    yield _counter("hardware_errors_total", "Solutions that missed the chip's own test.", errors)
    yield _gauge(
        "claimed_hashes_per_second", "What devices say of themselves.", stats.claimed_hashrate
    )
    yield from _counts("", stats.counts, {})
    for level in Level:
        count = sum(claim.level is level for claim in stats.claims)
        yield _gauge("claims", "Limits in force, by who states them.", count, level=str(level))
    for pool in stats.pools:
        yield from _pool_samples(pool)
    for device in stats.devices:
        yield from _device_samples(device)


def _counts(prefix: str, counts: ShareCounts, labels: Mapping[str, str]) -> Iterator[_Sample]:
    for fate, count in counts.fates.items():
        text = "Shares by what became of them."
        yield _counter(f"{prefix}shares_total", text, count, **labels, fate=str(fate))
    rates = (
        ("proven", "that checked solutions prove, since the start.", counts.proven_hashrate),
        ("recent", "that checked solutions prove, lately.", counts.recent_hashrate),
        ("credited", "that accepted shares stand for.", counts.credited_hashrate),
    )
    for name, text, value in rates:
        yield _gauge(f"{prefix}{name}_hashes_per_second", f"Hash rate {text}", value, **labels)
    for name, text, value in (
        ("proven_uncertainty_ratio", "Standard error of the proven hash rate.", counts.uncertainty),
        ("best_difficulty", "Difficulty of the best solution.", counts.best_difficulty),
    ):
        yield _gauge(f"{prefix}{name}", text, value, **labels)
    yield _counter(f"{prefix}solutions_total", "Solutions checked.", counts.solutions, **labels)
    yield _counter(f"{prefix}blocks_total", "Blocks found.", counts.blocks, **labels)


def _power_samples(
    prefix: str, power: Metered | None, labels: Mapping[str, str]
) -> Iterator[_Sample]:
    """Yield watts that are believed; a device's own are `power_watts` of what it tells."""
    if power is None:
        return
    labels = {**labels, "source": str(power.source)}
    name = f"{prefix}believed_watts" if prefix else "power_watts"
    yield _gauge(name, "Power drawn, by what is believed most.", power.watts, **labels)
    name = f"{prefix}power_age_seconds"
    yield _gauge(name, "Time since the power was read.", power.age, **labels)


def _energy_samples(prefix: str, energy: EnergyOf, labels: Mapping[str, str]) -> Iterator[_Sample]:
    for source, watt_hours in energy.total.watt_hours.items():
        joules, text = float(watt_hours) * 3600, "Energy since the start, by what measured it."
        yield _counter(f"{prefix}energy_joules_total", text, joules, **labels, source=str(source))
    text = "Time since the start for which no power is known."
    unmetered = float(energy.total.unmetered)
    yield _counter(f"{prefix}energy_unmetered_seconds_total", text, unmetered, **labels)
    for name, text, value in (
        ("energy_today_joules", "Energy since local midnight.", energy.today.total * 3600),
        (
            "energy_today_modelled_joules",
            "Energy since local midnight that nobody has measured.",
            energy.today.modelled * 3600,
        ),
        (
            "energy_today_unmetered_seconds",
            "Time since local midnight for which no power is known.",
            energy.today.unmetered,
        ),
    ):
        yield _gauge(f"{prefix}{name}", text, float(value), **labels)
    sums = {"now": energy.now, "hour": energy.hour, "today": energy.today}
    for window, one in sums.items():
        efficiency, text = one.joules_per_terahash, "Energy for 10^12 proven hashes."
        found = None if efficiency is None else float(efficiency)
        yield _gauge(f"{prefix}joules_per_terahash", text, found, **labels, window=window)


def _money_samples(energy: EnergyStats) -> Iterator[_Sample]:
    rate, per_hour = energy.rate, energy.cost_per_hour
    if rate:
        text = "Price of a kWh."
        yield _gauge("energy_price_per_kwh", text, float(rate.price), currency=rate.currency)
    if rate and per_hour is not None:
        text = "Cost of an hour at the power drawn now."
        yield _gauge("energy_cost_per_hour", text, float(per_hour), currency=rate.currency)
    if rate and (per_terahash := energy.cost_per_terahash) is not None:
        text = "Cost of 10^12 hashes, by what they took in the last hour."
        cost = float(per_terahash)
        yield _gauge("energy_cost_per_terahash", text, cost, currency=rate.currency)
    for currency, cost_today in energy.costs.items():
        text = "Cost of energy since local midnight."
        yield _gauge("energy_cost_today", text, float(cost_today), currency=currency)
    if energy.ledger:
        text = "Lines in the energy ledger."
        yield _gauge("energy_ledger_lines", text, energy.ledger.line)


def _pool_samples(pool: PoolStats) -> Iterator[_Sample]:
    labels = {"pool": pool.name}
    yield from _counts("pool_", pool.counts, labels)
    for state in PoolState:
        text = "1 for the state that the pool's session is in."
        yield _gauge("pool_state", text, pool.state is state, **labels, state=str(state))
    for role in PoolRole if pool.role else ():
        text = "1 for what the pool is to the rig."
        yield _gauge("pool_role", text, pool.role is role, **labels, role=str(role))
    wanted, achieved = (pool.dealt.wanted, pool.dealt.achieved) if pool.dealt else (None, None)
    for name, text, value in (
        ("quota_wanted_ratio", "Part of the hashes it should get.", wanted),
        ("quota_achieved_ratio", "Part of the hashes it got.", achieved),
        ("difficulty", "Share difficulty in force.", pool.difficulty),
        ("height", "Block height of the job.", pool.height),
        ("network_difficulty", "Difficulty of the job's chain.", pool.network_difficulty),
        ("round_trip_seconds", "Time from the last share to its answer.", pool.round_trip),
    ):
        yield _gauge(f"pool_{name}", text, value, **labels)


def _device_samples(device: NamedDevice) -> Iterator[_Sample]:
    labels, stats = {"device": device.name}, device.stats
    yield from _counts("device_", device.counts, labels)
    for state in DeviceState:
        text = "1 for the state that the device is in."
        yield _gauge("device_state", text, stats.state is state, **labels, state=str(state))
    text = "Solutions that missed the chip's own test."
    yield _counter("device_hardware_errors_total", text, stats.hardware_errors, **labels)
    mhz = stats.frequency_mhz
    for name, text, value in (
        ("claimed_hashes_per_second", "What the device says of itself.", stats.claimed_hashrate),
        ("temperature_celsius", "The device's hottest reading.", stats.temperature),
        ("power_watts", "Power drawn.", stats.power),
        ("frequency_hertz", "Clock of the chips.", None if mhz is None else mhz * _MHZ),
    ):
        yield _gauge(f"device_{name}", text, value, **labels)
    yield from _power_samples("device_", device.power, labels)
    if device.energy:
        yield from _energy_samples("device_", device.energy, labels)
    yield from _limit_samples(device)
    yield from _tuning_samples(device)
    yield from _detail_samples(device)


def _tuning_samples(device: NamedDevice) -> Iterator[_Sample]:
    labels, note = {"device": device.name}, device.tuning
    if note is None:
        return
    for phase in Phase:
        text = "1 for what the device's tuner is at."
        yield _gauge("device_tuner_phase", text, note.phase is phase, **labels, phase=str(phase))
    yield _counter("device_tuner_steps_total", "Steps of the tuner.", note.steps, **labels)
    best = note.best
    joules = best.joules_per_terahash if best else None
    per_hash = None if joules is None else joules * 1e-12
    for name, text, value in (
        ("hertz", "Clock that was found best.", best.mhz * _MHZ if best else None),
        ("joules_per_hash", "Energy of a hash there.", per_hash),
        ("error_ratio", "Share of errors there.", best.error_ratio if best else None),
    ):
        yield _gauge(f"device_tuned_{name}", text, value, **labels)


def _limit_samples(device: NamedDevice) -> Iterator[_Sample]:
    labels, decision = {"device": device.name}, device.decision
    limit = decision.limit
    for claim in decision.binding[:1]:
        yield _gauge(
            "device_limit_info",
            "What holds the device back, and why.",
            1,
            **labels,
            level=str(claim.level),
            limit=decision.stated,
            reason=decision.reason,
        )
    yield _gauge("device_may_run", "0 when a limit keeps the device idle.", limit.run, **labels)
    hertz = None if limit.mhz is None else limit.mhz * _MHZ
    yield _gauge("device_limit_watts", "Power allowed.", limit.watts, **labels)
    yield _gauge("device_limit_hertz", "Clock allowed.", hertz, **labels)


# --- what only some devices have ---


def _detail_samples(device: NamedDevice) -> Iterator[_Sample]:
    labels, rest = {"device": device.name}, dict(device.stats.details)
    volts, percent = _number(rest.pop("voltage", None)), _number(rest.pop("fan_percent", None))
    yield _gauge("device_volts", "Core voltage.", volts, **labels)
    ratio = None if percent is None else percent / 100
    yield _gauge("device_fan_ratio", "How fast the fan is told to run.", ratio, **labels)
    for sensor, value in _numbers(rest.pop("temperatures", None)):
        yield _gauge("device_sensor_celsius", "One sensor.", value, **labels, sensor=sensor)
    for fan, value in _numbers(rest.pop("fan_rpm", None)):
        text = "One fan, in revolutions per second."
        yield _gauge("device_fan_hertz", text, value / 60, **labels, fan=fan)
    yield from _chip_samples(device.name, rest.pop("per_chip", None))
    for name, value in list(_numbers(rest))[:MAX_DETAILS]:
        text = "What else the device tells, in the units that it uses."
        yield _gauge("device_detail", text, value, **labels, detail=name)


def _chip_samples(device: str, chips: object) -> Iterator[_Sample]:
    for number, chip in enumerate(chips[:MAX_CHIPS] if isinstance(chips, list) else ()):
        for name, value in _numbers(chip):
            kind = name.removesuffix("_hashrate")
            unit = "_hashes_per_second" if kind != name else ""
            text = f"One chip: {kind.replace('_', ' ')}."
            labels = {"device": device, "chip": str(number)}
            if name in {"nonces", "errors"}:
                yield _counter(f"chip_{name}_total", text, value, **labels)
            elif name in {"proven_hashrate", "nominal_hashrate", "cores_seen"}:
                yield _gauge(f"chip_{kind}{unit}", text, value, **labels)
            else:
                yield _gauge("chip_detail", "What else is told.", value, **labels, detail=name)


def _numbers(details: object, prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers in ``details`` under dotted names; of a list of plain values its length."""
    if isinstance(details, Mapping):
        for key, value in details.items():
            name = f"{prefix}.{key}" if prefix else str(key)
            yield from _numbers(value, name)
    elif isinstance(details, list | tuple):
        if any(isinstance(item, Mapping | list | tuple) for item in details):
            for number, item in enumerate(details):
                yield from _numbers(item, f"{prefix}.{number}")
        else:
            yield prefix, float(len(details))
    elif (number_found := _number(details)) is not None:
        yield prefix, number_found


def _number(value: object) -> float | None:
    if not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
