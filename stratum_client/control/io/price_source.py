"""Where a price series comes from: a file, a page, or Nord Pool; each read is bounded in time.

Source of Nord Pool's data: pynordpool 0.4, `NordPoolClient.async_get_delivery_period`, prices per
MWh and area.
"""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from stratum_client.config_energy import PriceConfig
from stratum_client.control.io.http_get import HttpGetError, HttpUnauthorizedError, http_get
from stratum_client.control.local_time import SECONDS, shown_at
from stratum_client.control.price import (
    LARGEST,
    PricePoint,
    SeriesError,
    SeriesForm,
    points_of,
    series_in,
)

if TYPE_CHECKING:
    from pynordpool import DeliveryPeriodEntry

Row = tuple[float, float | None, Decimal]

WAIT = 20.0
"""Seconds that a page may take."""

NORDPOOL_ZONE = "Europe/Oslo"
"""Where a day of delivery begins at midnight."""

_KWH = Decimal(1000)  # in a MWh

MISSING_EXTRA = "the library for Nord Pool is missing: pip install 'stratum-client[prices]'"


class PriceError(Exception):
    """A series could not be had; ``problem`` says why in words."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


async def read_prices(config: PriceConfig, form: SeriesForm, now: float) -> tuple[PricePoint, ...]:
    """Return what the source says of today, and of tomorrow if it knows; raise PriceError."""
    try:
        match config.source:
            case "file":
                return series_in(await asyncio.to_thread(_file, config), form)
            case "http":
                return await _pages(config, form, now)
            case "nordpool":
                return await _nordpool(config, form, now)
    except SeriesError as error:
        raise PriceError(str(error)) from error
    return ()


def _file(config: PriceConfig) -> bytes:
    assert config.file
    try:
        with config.file.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise PriceError(f"{config.file}: {error.strerror}") from error


async def _pages(config: PriceConfig, form: SeriesForm, now: float) -> tuple[PricePoint, ...]:
    """Return the prices of today's page, and of tomorrow's, which may not be there yet."""
    today = await _page(_address(config.url, form, now))
    points = series_in(today, form)
    if (address := _address(config.url, form, now + SECONDS)) == _address(config.url, form, now):
        return points
    try:
        tomorrow = series_in(await _page(address), form)
    except (PriceError, SeriesError):
        return points
    return (*points, *tomorrow)


def _address(url: str, form: SeriesForm, now: float) -> str:
    day = shown_at(now, form.zone)
    for sign in ("%Y", "%m", "%d"):
        url = url.replace(sign, day.strftime(sign))
    return url


async def _page(url: str) -> bytes:
    try:
        return await http_get(url, seconds=WAIT, largest=LARGEST)
    except HttpUnauthorizedError as error:
        hint = "a key or a token goes into the address, price.url or what price.url_file names"
        raise PriceError(f"it does not let us in (401): {hint}") from error
    except HttpGetError as error:
        raise PriceError(error.problem) from error


async def _nordpool(config: PriceConfig, form: SeriesForm, now: float) -> tuple[PricePoint, ...]:
    today = shown_at(now, ZoneInfo(NORDPOOL_ZONE))
    rows = await _delivery(config, today)
    with suppress(PriceError):  # tomorrow's come in the afternoon
        rows += await _delivery(config, today + timedelta(days=1))
    return points_of(rows, form)


async def _delivery(config: PriceConfig, day: datetime) -> list[Row]:
    """Return starts, ends and prices of a kWh on one day."""
    try:
        import pynordpool  # noqa: PLC0415  # an extra, and slow
        from aiohttp import ClientError, ClientSession  # noqa: PLC0415  # comes with it
    except ImportError as error:
        raise PriceError(MISSING_EXTRA) from error
    try:
        currency = pynordpool.Currency(config.currency)
        async with asyncio.timeout(WAIT), ClientSession() as session:
            client = pynordpool.NordPoolClient(session)
            data = await client.async_get_delivery_period(day, currency, [config.area])
        return [_row(entry, config.area) for entry in data.entries]
    except TimeoutError as error:
        raise PriceError(f"Nord Pool did not answer within {WAIT:g} s") from error
    except (pynordpool.NordPoolError, ClientError, KeyError, ValueError, TypeError) as error:
        raise PriceError(f"Nord Pool: {error or type(error).__name__}") from error


def _row(entry: "DeliveryPeriodEntry", area: str) -> Row:
    price = Decimal(str(entry.entry[area])) / _KWH
    return entry.start.timestamp(), entry.end.timestamp(), price
