"""The settings of meters and power limits."""

import re
from dataclasses import dataclass, field
from typing import Literal

from stratum_client.config_inrush import InrushConfig
from stratum_client.http_url import parse_http_url, place_of
from stratum_client.setting_kinds import (
    LINE,
    SECRET,
    Kind,
    NotAllowedError,
    Section,
    one_of,
    printable,
    read_as,
    seconds,
)
from stratum_client.units import UnitError, parse_power

MeterSource = Literal["tasmota", "shelly", "http", "mqtt"]

LARGEST = 1e7
"""Watts that a limit may say."""

HIGHEST = 20_000.0

_EVERY_HTTP, _EVERY_MQTT = 1.0, 10.0


def _watts(value: object) -> object:
    try:
        watts = parse_power(value)
    except UnitError as error:
        raise NotAllowedError from error
    if 0 < watts <= LARGEST:
        return watts
    raise NotAllowedError


def _http_url(value: object) -> object:
    if not isinstance(value, str):
        raise NotAllowedError
    try:
        return parse_http_url(value)
    except ValueError as error:
        raise error if str(error) else NotAllowedError from error


def _topic(value: object) -> object:
    if isinstance(value, str) and 0 < len(value) <= 256 and value.isprintable():
        if re.search("[+#]", value):
            raise ValueError(f'"{printable(value)}": a topic of one plug has no + or #')
        return value
    raise NotAllowedError


def _path(value: object) -> object:
    if isinstance(value, str) and len(value) <= 256 and value.isprintable():
        if value and not all(value.split(".")):
            raise NotAllowedError
        return value
    raise NotAllowedError


WATTS = Kind('a power with its unit, as in "1200W" or "1.2kW"', _watts)
HTTP_URL = Kind(
    "the address of a plug, as in http://192.168.1.50", _http_url, secret=True, hint=place_of
)
TOPIC = Kind("a topic of MQTT, as in tele/plug17/SENSOR", _topic)
JSON_PATH = Kind('keys with dots between them, as in "ENERGY.Power"', _path)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterConfig:
    """A plug that measures, and how to ask it.

    ``interval`` in seconds is how often it is asked, or how often it speaks by itself; a reading
    three times as old is not believed any more. Nor is one above ``highest`` watts.
    """

    source: MeterSource = field(metadata=read_as(one_of("tasmota", "shelly", "http", "mqtt")))
    url: str = field(default="", repr=False, metadata=read_as(HTTP_URL))
    topic: str = field(default="", metadata=read_as(TOPIC))
    path: str = field(default="", metadata=read_as(JSON_PATH))
    user: str = field(default="", metadata=read_as(LINE))
    password: str = field(default="", repr=False, metadata=read_as(SECRET))
    interval: float | None = field(default=None, metadata=read_as(seconds(0.2, 3600)))
    highest: float = field(default=HIGHEST, metadata=read_as(WATTS))

    @property
    def every(self) -> float:
        """Return the seconds between two readings."""
        if self.interval is not None:
            return self.interval
        return _EVERY_MQTT if self.source == "mqtt" else _EVERY_HTTP

    @property
    def problem(self) -> tuple[str, str] | None:
        """Return a key and what is wrong with it beside the others, None if nothing is."""
        if self.source == "mqtt":
            wrong = "url" if self.url else "password" if self.password else ""
            if not self.topic:
                return "source", "mqtt needs a topic, as in tele/plug17/SENSOR"
            if wrong:
                return wrong, "a plug of source mqtt has none: the broker stands in [mqtt]"
        elif not self.url:
            return "source", f"{self.source} needs the url of the plug, as in http://192.168.1.50"
        elif self.topic:
            return "topic", f"a plug of source {self.source} has none"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerConfig:
    """What measures the whole rig, and what it may take; ``limit`` in watts.

    All readings are taken and judged ``interval`` seconds apart. ``inrush`` says how it starts.
    """

    meter: MeterConfig | None = field(default=None, metadata=read_as(Section(MeterConfig)))
    limit: float | None = field(default=None, metadata=read_as(WATTS))
    interval: float = field(default=1.0, metadata=read_as(seconds(0.2, 60)))
    inrush: InrushConfig | None = field(default=None, metadata=read_as(Section(InrushConfig)))
