"""Every number of the status is a metric, and what is served is Prometheus' text format."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from prometheus_client.parser import text_string_to_metric_families

from drivers.api import DeviceState, DeviceStats, OperatingPoint
from stratum_client.control.claims import IDLE, Claim, Claims, Level, Limit
from stratum_client.control.energy_account import EnergyOf, EnergyStats, LedgerEnd
from stratum_client.control.energy_records import EnergySum
from stratum_client.control.governor import DeviceFacts, decide
from stratum_client.control.power import CapHeld, Source
from stratum_client.control.tariff import Rate
from stratum_client.health import health_of
from stratum_client.job import Fate
from stratum_client.metrics import MAX_DETAILS, exposition, families
from stratum_client.pool_roles import PoolRole
from stratum_client.stats import Metered, NamedDevice, PoolState, PoolStats, RigStats, ShareCounts
from tests.test_status_text import RIGS


class Distinct:
    """Hands out numbers, each one once."""

    def __init__(self) -> None:
        self._last = 1000

    def __call__(self) -> int:
        self._last += 1
        return self._last

    def counts(self) -> ShareCounts:
        return ShareCounts(
            fates={fate: self() for fate in Fate},
            solutions=self(),
            blocks=self(),
            best_difficulty=self() + 0.5,
            proven_hashrate=self() + 0.5,
            recent_hashrate=self() + 0.5,
            credited_hashrate=self() + 0.5,
            uncertainty=1 / self(),
        )

    def pool(self, name: str) -> PoolStats:
        return PoolStats(
            name=name,
            url="stratum+tcp://pool.example:3333",
            state=PoolState.MINING,
            problem="",
            user="a.b",
            difficulty=self() + 0.5,
            height=self(),
            network_difficulty=self() + 0.5,
            round_trip=1 / self(),
            counts=self.counts(),
        )

    def device(self, name: str, claims: Claims) -> NamedDevice:
        chips = [
            {
                "nonces": self(),
                "errors": self(),
                "proven_hashrate": self() + 0.5,
                "nominal_hashrate": self() + 0.5,
                "cores_seen": self(),
            }
            for _ in range(3)
        ]
        details: dict[str, object] = {
            "voltage": 1 / self(),
            "fan_percent": 100 / self(),
            "fan_rpm": {"left": self() * 60},
            "temperatures": {"die": self() + 0.25, "board": self() + 0.25},
            "per_chip": chips,
            "dropped": {"stale": self(), "deeper": {"still": self()}},
            "threads": self(),
            "board": "bitaxe",
            "degraded": True,
            "chips_silent": [self(), self()],
        }
        stats = DeviceStats(
            state=DeviceState.MINING,
            claimed_hashrate=self() + 0.5,
            hardware_errors=self(),
            temperature=self() + 0.5,
            power=self() + 0.5,
            frequency_mhz=float(self()),
            details=details,
        )
        return NamedDevice(
            name=name,
            driver="bm1370",
            stats=stats,
            counts=self.counts(),
            power=Metered(watts=self() + 0.5, source=Source.MODEL, age=1 / self()),
            energy=self.energy(),
            decision=decide(claims, [DeviceFacts(name=name)], 0.0)[name],
        )

    def energy(self) -> EnergyOf:
        now, hour, today = (
            EnergySum(
                watt_hours={Source.PLUG: Decimal(self()), Source.MODEL: Decimal(self())},
                terahashes=Decimal(self()) / 7,
                unmetered=Decimal(self()),
            )
            for _ in range(3)
        )
        return EnergyOf(now=now, hour=hour, today=today)


def rig() -> RigStats:
    distinct, claims = Distinct(), Claims()
    for issuer, limit in (("a", Limit(watts=2.5)), ("b", Limit(mhz=distinct()))):
        claim = Claim(level=Level.USER, issuer=issuer, limit=limit, cause=issuer, since=1.0)
        claims = claims.stated(claim)
    return RigStats(
        rig="c04",
        version="1.2",
        uptime=float(distinct()),
        counts=distinct.counts(),
        pools=(distinct.pool("main"), distinct.pool("backup")),
        devices=(distinct.device("cpu", claims), distinct.device("gamma", claims)),
        claims=claims.claims,
        loop_lag=1 / distinct(),
        idle_after=1 / distinct(),
        power=Metered(watts=distinct() + 0.5, source=Source.PLUG, age=1 / distinct()),
        cap=CapHeld(watts=float(distinct()), by="the rig's plug"),
        energy=EnergyStats(
            rig=distinct.energy(),
            rate=Rate(price=Decimal(distinct()), currency="KZT"),
            watts=Decimal(distinct()),
            costs={"KZT": Decimal(distinct())},
            ledger=LedgerEnd(line=distinct(), digest="00"),
        ),
    )


TO_BASE_UNITS = {
    "today_wh": 3600,
    "modelled_wh": 3600,
    "frequency_mhz": 1e6,
    "max_mhz": 1e6,
    "fan_percent": 0.01,
    "fan_rpm": 1 / 60,
}


def numbers(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    """Yield every number of a status with its path, in base units; of plain lists the length."""
    match value:
        case bool() | str() | None:
            return
        case int() | float():
            known = (TO_BASE_UNITS[key] for key in path if key in TO_BASE_UNITS)
            yield ".".join(path), value * next(known, 1)
        case Mapping():
            for key, inner in value.items():
                yield from numbers(inner, (*path, key))
        case list() if all(isinstance(item, int) for item in value) and value:
            yield ".".join(path), len(value)
        case list():
            for number, inner in enumerate(value):
                yield from numbers(inner, (*path, str(number)))


def test_every_number_of_the_status_is_a_metric() -> None:
    samples = [sample for family in families(rig()) for sample in family.samples]
    values = {round(sample.value, 9) for sample in samples}

    stated = list(numbers(rig().summary()))

    missing = [path for path, value in stated if round(value, 9) not in values]
    # The rig's sum of hardware errors is one more number that nobody else has.
    assert missing == []
    assert len(stated) > 100


def test_what_is_served_is_read_again_with_the_right_types() -> None:
    text = exposition(rig()).decode()

    read = {family.name: family for family in text_string_to_metric_families(text)}

    assert read["stratum_client_shares"].type == "counter"
    assert read["stratum_client_device_temperature_celsius"].type == "gauge"
    assert read["process_resident_memory_bytes"].samples[0].value > 1e6
    [info] = read["stratum_client_info"].samples
    assert info.labels == {"rig": "c04", "version": "1.2"}
    for family in read.values():
        series = [(one.name, *sorted(one.labels.items())) for one in family.samples]
        assert len(series) == len(set(series)), family.name
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)


@settings(max_examples=25)
@given(RIGS)
def test_any_snapshot_is_served_and_read_again(stats: RigStats) -> None:
    text = exposition(stats).decode()

    names = [family.name for family in text_string_to_metric_families(text)]

    assert len(names) == len(set(names))
    assert "stratum_client_uptime_seconds" in names


@pytest.mark.parametrize(
    ("limit", "words"),
    [(IDLE, "idle"), (Limit(rig_watts=40), "at most 40 W of the whole rig")],
)
def test_the_reason_is_the_same_words_as_in_the_status(limit: Limit, words: str) -> None:
    claim = Claim(
        level=Level.USER,
        issuer="pause",
        limit=limit,
        cause='paused by "me"',
        remark="a\\b",
        since=0.0,
    )
    points = (OperatingPoint(mhz=500, watts=30, hashrate=1e12),)
    facts = DeviceFacts(name="cpu", points=points)
    decision = decide(Claims().stated(claim), [facts], 1.0)["cpu"]
    device = NamedDevice(
        name="cpu",
        driver="cpu",
        stats=DeviceStats(state=DeviceState.IDLE),
        counts=Distinct().counts(),
        decision=decision,
    )
    stats = RigStats(uptime=1.0, counts=Distinct().counts(), pools=(), devices=(device,))

    read = text_string_to_metric_families(exposition(stats).decode())

    samples = [s for family in read for s in family.samples if s.name.endswith("limit_info")]
    status: Any = stats.summary()
    assert [sample.labels["reason"] for sample in samples] == [claim.reason]
    assert status["devices"][0]["limit"]["reason"] == claim.reason
    assert [sample.labels["limit"] for sample in samples] == [words]
    assert status["devices"][0]["limit"]["limit"] == words
    assert status["devices"][0]["limit"]["max_watts"] == (40 if limit.run else None)


def test_a_driver_cannot_flood_the_metrics() -> None:
    details = {f"detail {number}": number for number in range(10_000)}
    device = NamedDevice(
        name="x" * 5000,
        driver="plug-in",
        stats=DeviceStats(state=DeviceState.MINING, details=details),
        counts=Distinct().counts(),
    )
    stats = RigStats(uptime=1.0, counts=Distinct().counts(), pools=(), devices=(device,))

    samples = [sample for family in families(stats) for sample in family.samples]

    assert sum(sample.name.endswith("device_detail") for sample in samples) == MAX_DETAILS
    assert max(len(label) for sample in samples for label in sample.labels.values()) <= 300


# --- health ---


def snapshot(state: PoolState, *, idle: bool) -> RigStats:
    distinct = Distinct()
    pool = distinct.pool("main")
    pool = PoolStats(**{name: getattr(pool, name) for name in pool.__slots__} | {"state": state})
    claims = Claims()
    if idle:
        claims = claims.stated(
            Claim(level=Level.USER, issuer="pause", limit=IDLE, cause="paused", since=0.0)
        )
    devices = (distinct.device("cpu", claims),)
    return RigStats(uptime=1.0, counts=distinct.counts(), pools=(pool,), devices=devices)


@pytest.mark.parametrize(
    ("state", "idle", "is_well", "words"),
    [
        (PoolState.MINING, False, True, "pool main serves"),
        (PoolState.DISCONNECTED, False, False, "no pool serves: main is disconnected"),
        (PoolState.WAITING, False, False, "main is waiting"),
        (PoolState.DISCONNECTED, True, True, "idle as intended: paused"),
        (PoolState.MINING, True, True, "idle as intended: paused"),
    ],
)
def test_health_is_a_serving_pool_or_an_intended_rest(
    state: PoolState, idle: bool, is_well: bool, words: str
) -> None:
    found, reason = health_of(snapshot(state, idle=idle))

    assert found is is_well
    assert words in reason


def test_a_pool_that_could_serve_but_is_not_wanted_is_called_by_its_role() -> None:
    stats = snapshot(PoolState.MINING, idle=False)
    standby = replace(stats.pools[0], role=PoolRole.STANDBY)

    assert health_of(replace(stats, pools=(standby,))) == (
        False,
        "no pool serves: main is standby",
    )


def test_without_pools_nothing_is_well() -> None:
    stats = RigStats(uptime=1.0, counts=Distinct().counts(), pools=(), devices=())

    assert health_of(stats) == (False, "there is no pool")
