"""The settings of the MQTT broker: orders, acknowledgements and meter readings go over it."""

from dataclasses import dataclass, field
from pathlib import Path

from stratum_client.pool_url import PoolUrlError, parse_pool_url
from stratum_client.setting_kinds import (
    FILE,
    HOST_LABEL,
    LINE,
    SECRET,
    Kind,
    NotAllowedError,
    printable,
    read_as,
    seconds,
)

NO_SITE = "site"
"""What stands in topics where a site was given no name."""

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttUrl:
    """Where a broker is, and whether it is reached by TLS."""

    host: str
    port: int
    uses_tls: bool

    def __str__(self) -> str:
        """Return the address as it stands in a configuration."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.uses_tls else 'mqtt'}://{host}:{self.port}"


def parse_mqtt_url(address: str) -> MqttUrl:
    """Return the broker at ``address``; raise ValueError with what is wrong with it."""
    scheme, separator, rest = address.strip().partition("://")
    port = _PORTS.get(scheme.lower())
    if not separator or port is None:
        raise ValueError(
            f'"{printable(scheme)}" is no scheme of MQTT: a broker is written as'
            " mqtt://HOST:1883, or mqtts://HOST:8883 for TLS"
        )
    authority = rest.removesuffix("/")
    if not authority.rpartition("]")[2].count(":"):
        authority = f"{authority}:{port}"
    try:
        place = parse_pool_url(f"tcp://{authority}")
    except PoolUrlError as error:
        raise ValueError(str(error).replace("a pool address", "the address")) from error
    return MqttUrl(host=place.host, port=place.port, uses_tls=scheme.lower() == "mqtts")


def _url(value: object) -> object:
    if isinstance(value, str):
        return parse_mqtt_url(value)
    raise NotAllowedError


def _groups(value: object) -> object:
    """Return the names of groups; an array, or a text with commas between them."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise NotAllowedError
    return tuple(dict.fromkeys(str(HOST_LABEL.read(name.strip())) for name in names))


def _every(value: object) -> object:
    return None if value == "off" or value is False else _TIME.read(value)


_TIME = seconds(1, 3600)
EVERY = Kind(f'{_TIME.allowed}, or "off"', _every)
MQTT_URL = Kind("the address of a broker, as in mqtt://broker.example:1883", _url)
GROUPS = Kind('an array of names of letters, digits, "-", "_" and "."', _groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConfig:
    """A broker, and what this rig is called there; without ``url`` there is none.

    ``site`` is that of `rig.site`, where nothing else is given here.
    """

    url: MqttUrl | None = field(default=None, metadata=read_as(MQTT_URL))
    user: str = field(default="", metadata=read_as(LINE))
    password: str = field(default="", repr=False, metadata=read_as(SECRET))
    ca_file: Path | None = field(default=None, metadata=read_as(FILE))
    site: str = field(default=NO_SITE, metadata=read_as(HOST_LABEL))
    groups: tuple[str, ...] = field(default=(), metadata=read_as(GROUPS))
    telemetry: float | None = field(default=10.0, metadata=read_as(EVERY))
