"""The settings of the energy account: tariffs, what hashes earn, and the price series to follow."""

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

from stratum_client.config_power import HTTP_URL, JSON_PATH
from stratum_client.config_schedule import DAY_NAMES, HOURS
from stratum_client.control.schedule import DAYS
from stratum_client.setting_kinds import (
    FILE,
    WORDS,
    Kind,
    NotAllowedError,
    number,
    one_of,
    read_as,
    seconds,
    text,
    whole,
)

PriceSource = Literal["off", "file", "http", "nordpool"]

_WEEK = 7 * 86_400.0
_LARGEST = Decimal(10) ** 9


def _price(value: object) -> object:
    """Return money, exactly as it is written: the shortest form of a TOML number, or a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise NotAllowedError
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation as error:
        raise NotAllowedError from error
    if not found.is_finite() or abs(found) > _LARGEST:
        raise NotAllowedError
    return found


PRICE = Kind("a price, as in 11.20; below zero it is earned", _price)
CURRENCY = text(r"[^\W\d_]{1,16}", 'the name of a currency, as in "KZT" or "EUR"')
PAGE = Kind(
    "the address of a page, as in https://prices.example/today.json",
    HTTP_URL.read,
    secret=True,
    hint=HTTP_URL.hint,
)
KEY = text(r"[A-Za-z0-9_.-]{1,64}", "the name of a key or a column")


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffConfig:
    """What a kWh costs on some days, ``hours`` in minutes of the day; the first that fits holds."""

    days: tuple[str, ...] = field(default=DAYS, metadata=read_as(DAY_NAMES))
    hours: tuple[int, int] = field(default=(0, 1440), metadata=read_as(HOURS))
    price: Decimal = field(metadata=read_as(PRICE))
    currency: str = field(metadata=read_as(CURRENCY))


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyConfig:
    """The account of energy. ``hashprice`` is what 1 TH/s earns in a day, ``carbon`` g/kWh."""

    hashprice: Decimal | None = field(default=None, metadata=read_as(PRICE))
    carbon: float | None = field(default=None, metadata=read_as(number(0, 5000)))
    key_file: Path | None = field(default=None, metadata=read_as(FILE))


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceConfig:
    """A series of prices, and at which of them the rig rests.

    ``factor`` and ``add`` make a price per kWh of what the series says. ``stop_confirmations`` and
    ``start_confirmations`` are how many prices in a row it takes. ``lasts`` (seconds) is how long a
    price holds that neither says so nor is followed by another.
    """

    source: PriceSource = field(
        default="off", metadata=read_as(one_of("off", "file", "http", "nordpool"))
    )
    stop_above: Decimal | None = field(default=None, metadata=read_as(PRICE))
    start_below: Decimal | None = field(default=None, metadata=read_as(PRICE))
    stop_confirmations: int = field(default=1, metadata=read_as(whole(1, 100)))
    start_confirmations: int = field(default=1, metadata=read_as(whole(1, 100)))
    currency: str = field(default="EUR", metadata=read_as(CURRENCY))
    factor: Decimal = field(default=Decimal(1), metadata=read_as(PRICE))
    add: Decimal = field(default=Decimal(0), metadata=read_as(PRICE))
    file: Path | None = field(default=None, metadata=read_as(FILE))
    url: str = field(default="", repr=False, metadata=read_as(PAGE))
    rows: str = field(default="", metadata=read_as(JSON_PATH))
    start_key: str = field(default="start", metadata=read_as(KEY))
    end_key: str = field(default="end", metadata=read_as(KEY))
    price_key: str = field(default="price", metadata=read_as(KEY))
    area: str = field(default="", metadata=read_as(WORDS))
    every: float = field(default=300.0, metadata=read_as(seconds(10, 86_400)))
    lasts: float = field(default=3600.0, metadata=read_as(seconds(60, _WEEK)))

    @property
    def problem(self) -> tuple[str, str] | None:
        """Return a key and what is wrong with it beside the others, None if nothing is."""
        needed = {"file": self.file, "http": self.url, "nordpool": self.area}
        if self.source == "off":
            return None
        if not needed[self.source]:
            key = {"file": "file", "http": "url", "nordpool": "area"}[self.source]
            return "source", f'"{self.source}" needs {key}'
        if self.stop_above is None:
            return "source", "stop_above is missing: above which price is the rig to rest?"
        if self.start_below is not None and self.start_below > self.stop_above:
            return "start_below", "it may not be above stop_above"
        return None

    @property
    def starts_below(self) -> Decimal:
        """Return the price below which the rig runs again; by default it is that of stopping."""
        limit = self.stop_above or Decimal(0)
        return limit if self.start_below is None else self.start_below
