"""The settings of the daemon, as frozen values; each field is one key of the configuration.

What a key accepts stands beside it and is applied by `config_reader`; files, environment and
command line are read in `config_file` and `config_arguments`. Nothing here does I/O.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from stratum_client.config_access import ApiConfig, SecurityConfig
from stratum_client.config_curtail import CurtailConfig
from stratum_client.config_energy import EnergyConfig, PriceConfig, TariffConfig
from stratum_client.config_ledger import LedgerConfig
from stratum_client.config_metrics import MetricsConfig
from stratum_client.config_mqtt import MqttConfig
from stratum_client.config_power import WATTS, MeterConfig, PowerConfig
from stratum_client.config_schedule import (
    ZONE,
    CalendarConfig,
    ScheduleConfig,
    WindowConfig,
    local_zone,
)
from stratum_client.config_thermal import DEGREES, ThermalConfig
from stratum_client.config_tuning import TuningConfig
from stratum_client.config_work import WorkConfig
from stratum_client.http_url import secrets_in
from stratum_client.pool_url import PoolUrl
from stratum_client.proxy_url import ProxyUrl
from stratum_client.setting_kinds import (
    ADDRESS,
    ANYTHING,
    BOOLEAN,
    DIFFICULTY,
    DIRECTORY,
    FILE,
    HOST_LABEL,
    LINE,
    NAME,
    PATH,
    PINS,
    POOL_URL,
    PROXY,
    PROXY_OR_NONE,
    SCHEMA,
    SECONDS,
    SECRET,
    SWITCH,
    USER,
    VERSION_MASK,
    WORDS,
    FreeTable,
    Kind,
    Section,
    number,
    one_of,
    read_as,
    seconds,
    whole,
)

DEFAULT_PASSWORD = "x"
"""What miners send when a pool wants none."""

DEFAULT_VERSION_MASK = 0x1FFFE000
"""The bits of BIP 320."""

Switch = Literal["auto", "on", "off"]
LogFormat = Literal["auto", "console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
Verify = Literal["system", "ca-file", "pin", "insecure"]

_FREQUENCY = number(1, 10_000, "auto")


def _megahertz(value: object) -> object:
    text = (
        re.fullmatch(r"([0-9]{1,5}(?:\.[0-9]{1,6})?) ?MHz", value)
        if isinstance(value, str)
        else None
    )
    return _FREQUENCY.read(float(text[1]) if text else value)


MEGAHERTZ = Kind(f'{_FREQUENCY.allowed} of MHz, as in 500 or "500MHz"', _megahertz)

LEVEL = one_of("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long to wait for a pool, and for how long to leave it alone; seconds, if not a count."""

    connect: float = field(default=10.0, metadata=read_as(SECONDS))
    connect_tor: float = field(default=60.0, metadata=read_as(SECONDS))
    tls: float = field(default=10.0, metadata=read_as(SECONDS))

    configure: float = field(default=10.0, metadata=read_as(SECONDS))
    subscribe: float = field(default=30.0, metadata=read_as(SECONDS))
    authorize: float = field(default=30.0, metadata=read_as(SECONDS))
    first_job: float = field(default=60.0, metadata=read_as(SECONDS))  # after authorize

    # No line of any kind: the floor, then so many intervals between jobs, up to the cap.
    silence: float = field(default=90.0, metadata=read_as(SECONDS))
    silence_jobs: int = field(default=3, metadata=read_as(whole(1, 100)))
    silence_cap: float = field(default=600.0, metadata=read_as(SECONDS))

    submit: float = field(default=30.0, metadata=read_as(SECONDS))  # a later answer is late
    submit_late_in_a_row: int = field(default=3, metadata=read_as(whole(1, 1000)))
    submit_lost: float = field(default=60.0, metadata=read_as(SECONDS))
    partial_line: float = field(default=60.0, metadata=read_as(SECONDS))
    write: float = field(default=5.0, metadata=read_as(SECONDS))  # the send buffer stays full
    keepalive: float = field(default=240.0, metadata=read_as(SECONDS))  # nothing sent: show life

    # The kernel counts these in whole seconds.
    tcp_keepalive_idle: float = field(default=45.0, metadata=read_as(seconds(1, 32_767)))
    tcp_keepalive_interval: float = field(default=15.0, metadata=read_as(seconds(1, 32_767)))
    tcp_keepalive_count: int = field(default=3, metadata=read_as(whole(1, 127)))

    # Pauses double from the first to the cap; a healthy session resets them.
    retry_first: float = field(default=1.0, metadata=read_as(SECONDS))
    retry_cap: float = field(default=60.0, metadata=read_as(SECONDS))
    retry_after_close: float = field(default=1.0, metadata=read_as(SECONDS))
    retry_reset: float = field(default=60.0, metadata=read_as(SECONDS))  # a share was accepted
    retry_reset_jobs: float = field(default=300.0, metadata=read_as(SECONDS))  # jobs alone
    authorize_retry: float = field(default=60.0, metadata=read_as(SECONDS))
    authorize_retry_cap: float = field(default=1800.0, metadata=read_as(SECONDS))
    failover: float = field(default=15.0, metadata=read_as(SECONDS))
    old_jobs: float = field(default=60.0, metadata=read_as(SECONDS))  # worked on after a pool died

    @property
    def longest_pause(self) -> float:
        """Return the seconds within which a pool is dialled again, whatever has happened."""
        dialling = self.connect_tor + self.connect + self.tls + self.submit_lost
        return 2 * max(self.retry_cap, self.authorize_retry_cap) + dialling


ASCENDING = (
    ("silence", "silence_cap"),
    ("submit", "submit_lost"),
    ("retry_first", "retry_cap"),
    ("authorize_retry", "authorize_retry_cap"),
)
"""Pairs of deadlines of which the second may not be the shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """Whom to take for a pool whose address asks for TLS; ``pin_sha256`` are digests of 32 bytes.

    ``system`` trusts the machine's CAs, ``ca-file`` those in ``ca_file`` too; pins must match then
    as well. ``pin`` trusts whoever has a pinned certificate or key, ``insecure`` anybody.
    """

    verify: Verify = field(
        default="system", metadata=read_as(one_of("system", "ca-file", "pin", "insecure"))
    )
    ca_file: Path | None = field(default=None, metadata=read_as(FILE))
    pin_sha256: tuple[bytes, ...] = field(default=(), metadata=read_as(PINS))


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutConfig:
    """What the coinbase of each job must pay, for pools that pay their miners directly."""

    address: str = field(metadata=read_as(ADDRESS))
    min_percent: float = field(default=97.0, metadata=read_as(number(0, 100)))
    on_mismatch: Literal["alert", "leave"] = field(
        default="alert", metadata=read_as(one_of("alert", "leave"))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconnectConfig:
    """How far a pool may send us by `client.reconnect`."""

    allow: Literal["same-domain", "same-host", "never"] = field(
        default="same-domain", metadata=read_as(one_of("same-domain", "same-host", "never"))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """One pool and how to behave there."""

    name: str = field(default="", metadata=read_as(NAME))
    url: PoolUrl = field(metadata=read_as(POOL_URL))
    user: str = field(metadata=read_as(USER))
    password: str = field(default=DEFAULT_PASSWORD, repr=False, metadata=read_as(SECRET))
    suggest_difficulty: float | Literal["auto", "off"] = field(
        default="auto", metadata=read_as(DIFFICULTY)
    )
    share_interval: float = field(default=6.0, metadata=read_as(seconds(0.1, 3600)))
    minimum_difficulty: float = field(default=0.0, metadata=read_as(number(0, 2.0**128)))
    extranonce_subscribe: Switch = field(default="auto", metadata=read_as(SWITCH))
    configure: bool = field(default=True, metadata=read_as(BOOLEAN))
    pipeline: bool = field(default=True, metadata=read_as(BOOLEAN))
    version_bits: Literal["auto", "mask", "xor"] = field(
        default="auto", metadata=read_as(one_of("auto", "mask", "xor"))
    )
    version_rolling_mask: int = field(default=DEFAULT_VERSION_MASK, metadata=read_as(VERSION_MASK))
    submit_stale: bool = field(default=False, metadata=read_as(BOOLEAN))
    quota: float = field(default=1.0, metadata=read_as(number(0.001, 1e6)))
    payout: PayoutConfig | None = field(default=None, metadata=read_as(Section(PayoutConfig)))
    reconnect: ReconnectConfig = field(
        default=ReconnectConfig(), metadata=read_as(Section(ReconnectConfig))
    )
    deadlines: Deadlines = field(default=Deadlines(), metadata=read_as(Section(Deadlines)))
    # None: not given, which is the default trust, and what [network] says of the proxy.
    tls: TlsConfig | None = field(default=None, metadata=read_as(Section(TlsConfig)))
    proxy: ProxyUrl | Literal["none"] | None = field(
        default=None, repr=False, metadata=read_as(PROXY_OR_NONE)
    )

    @property
    def trust(self) -> TlsConfig:
        """Return whom to take for the pool."""
        return self.tls or TlsConfig()

    @property
    def via(self) -> ProxyUrl | None:
        """Return the proxy to dial through, as this pool is to use it; None dials directly."""
        return self.proxy.for_pool(self.name) if isinstance(self.proxy, ProxyUrl) else None

    @property
    def subscribes_extranonce(self) -> bool:
        """Return whether to ask for extranonce changes; ``auto`` knows who needs it."""
        if self.extranonce_subscribe != "auto":
            return self.extranonce_subscribe == "on"
        nicehash = f".{self.url.host}".removesuffix(".").endswith(".nicehash.com")
        return nicehash or "xnsub" in self.url.flags


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMatch:
    """What a port must look like for a device to be found there; empty and None match all."""

    board: str = field(default="", metadata=read_as(WORDS))
    serial: str = field(default="", metadata=read_as(LINE))
    manufacturer: str = field(default="", metadata=read_as(LINE))
    product: str = field(default="", metadata=read_as(LINE))
    vid: int | None = field(default=None, metadata=read_as(whole(0, 0xFFFF)))
    pid: int | None = field(default=None, metadata=read_as(whole(0, 0xFFFF)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfig:
    """One device: who drives it or how it is recognized, where, and the driver's settings.

    ``driver`` may be ``emulated:BOARD``; ``port`` one or two device nodes joined by ``+``, or a
    place on USB such as ``usb:1-1.2``. ``limit`` is in watts, ``meter`` a plug of its own.
    """

    name: str = field(default="", metadata=read_as(NAME))
    driver: str = field(default="", metadata=read_as(WORDS))
    match: DeviceMatch | None = field(default=None, metadata=read_as(Section(DeviceMatch)))
    port: str = field(default="", metadata=read_as(PATH))
    settings: Mapping[str, object] = field(
        default_factory=dict, metadata=read_as(FreeTable(ANYTHING))
    )
    frequency: float | Literal["auto"] = field(default="auto", metadata=read_as(MEGAHERTZ))
    max_temp: float | None = field(default=None, metadata=read_as(DEGREES))
    limit: float | None = field(default=None, metadata=read_as(WATTS))
    meter: MeterConfig | None = field(default=None, metadata=read_as(Section(MeterConfig)))

    @property
    def driver_settings(self) -> Mapping[str, object]:
        """Return all that its driver is to know, under the driver's own names."""
        more: dict[str, object] = {}
        if self.frequency != "auto":
            more["frequency"] = self.frequency
        if self.max_temp is not None:
            more["max_temperature"] = self.max_temp
        return {**self.settings, **more}

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the ports one by one, the data port first; a ``+`` inside a name stays."""
        if "/" in self.port:
            return tuple(re.split(r"\+(?=/|usb:)", self.port))
        return tuple(self.port.split("+")) if self.port else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """What is logged, and in which form."""

    format: LogFormat = field(default="auto", metadata=read_as(one_of("auto", "console", "json")))
    level: LogLevel = field(default="info", metadata=read_as(LEVEL))
    levels: Mapping[str, LogLevel] = field(default_factory=dict, metadata=read_as(FreeTable(LEVEL)))


def host_name() -> str:
    """Return this machine's name up to the first dot, made of letters, digits and ``-``."""
    name = re.sub("[^A-Za-z0-9-]+", "-", os.uname().nodename.partition(".")[0]).strip("-")
    return name[:63] or "rig"


@dataclass(frozen=True, slots=True, kw_only=True)
class RigConfig:
    """The machine."""

    name: str = field(default_factory=host_name, metadata=read_as(HOST_LABEL))
    site: str = field(default="", metadata=read_as(HOST_LABEL))
    timezone: str = field(default_factory=local_zone, metadata=read_as(ZONE))


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """How this machine gets to all pools that do not say otherwise."""

    proxy: ProxyUrl | None = field(default=None, repr=False, metadata=read_as(PROXY))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings. ``warnings`` are sentences for the log: it works, but a human should look."""

    schema: int = field(default=1, metadata=read_as(SCHEMA))
    state_dir: Path | None = field(default=None, metadata=read_as(DIRECTORY))
    rig: RigConfig = field(default_factory=RigConfig, metadata=read_as(Section(RigConfig)))
    log: LogConfig = field(default_factory=LogConfig, metadata=read_as(Section(LogConfig)))
    metrics: MetricsConfig = field(
        default=MetricsConfig(), metadata=read_as(Section(MetricsConfig))
    )
    network: NetworkConfig = field(
        default=NetworkConfig(), metadata=read_as(Section(NetworkConfig))
    )
    work: WorkConfig = field(default=WorkConfig(), metadata=read_as(Section(WorkConfig)))
    ledger: LedgerConfig = field(default=LedgerConfig(), metadata=read_as(Section(LedgerConfig)))
    deadlines: Deadlines = field(default=Deadlines(), metadata=read_as(Section(Deadlines)))
    pools: tuple[PoolConfig, ...] = field(
        default=(), metadata=read_as(Section(PoolConfig, many=True), "pool")
    )
    devices: tuple[DeviceConfig, ...] = field(
        default=(), metadata=read_as(Section(DeviceConfig, many=True), "device")
    )
    windows: tuple[WindowConfig, ...] = field(
        default=(), metadata=read_as(Section(WindowConfig, many=True), "window")
    )
    schedule: ScheduleConfig = field(
        default=ScheduleConfig(), metadata=read_as(Section(ScheduleConfig))
    )
    calendars: tuple[CalendarConfig, ...] = field(
        default=(), metadata=read_as(Section(CalendarConfig, many=True), "calendar")
    )
    thermal: ThermalConfig = field(
        default=ThermalConfig(), metadata=read_as(Section(ThermalConfig))
    )
    tuning: TuningConfig = field(default=TuningConfig(), metadata=read_as(Section(TuningConfig)))
    mqtt: MqttConfig = field(default=MqttConfig(), metadata=read_as(Section(MqttConfig)))
    curtail: CurtailConfig = field(
        default=CurtailConfig(), metadata=read_as(Section(CurtailConfig))
    )
    power: PowerConfig = field(default=PowerConfig(), metadata=read_as(Section(PowerConfig)))
    tariffs: tuple[TariffConfig, ...] = field(
        default=(), metadata=read_as(Section(TariffConfig, many=True), "tariff")
    )
    energy: EnergyConfig = field(default=EnergyConfig(), metadata=read_as(Section(EnergyConfig)))
    price: PriceConfig = field(default=PriceConfig(), metadata=read_as(Section(PriceConfig)))
    api: ApiConfig = field(default=ApiConfig(), metadata=read_as(Section(ApiConfig)))
    security: SecurityConfig = field(
        default=SecurityConfig(), metadata=read_as(Section(SecurityConfig))
    )
    path: Path | None = None
    warnings: tuple[str, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the values that must appear in no log.

        A proxy's user name is printed nowhere, but not hunted for: it may be a common word.
        """
        proxies = (self.network.proxy, *(pool.proxy for pool in self.pools))
        given = (self.power.meter, *(device.meter for device in self.devices))
        meters = tuple(meter for meter in given if meter)
        keys = (key.secret for key in self.curtail.keys)
        logins = (
            *(proxy.password for proxy in proxies if isinstance(proxy, ProxyUrl)),
            *(meter.password for meter in meters),
        )
        spelt = (form for password in logins for form in (password, quote(password, safe="")))
        urls = (self.price.url, *(meter.url for meter in meters))
        asked = (word for url in urls for word in secrets_in(url))
        pools = (pool.password for pool in self.pools)
        found = (*pools, *spelt, self.mqtt.password, *asked, *keys)
        return tuple(dict.fromkeys(word for word in found if word not in {"", DEFAULT_PASSWORD}))
