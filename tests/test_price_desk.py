"""A price series at work: from its source to the board that rests, stale ones included."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from stratum_client.config import Config, RigConfig
from stratum_client.config_energy import PriceConfig
from stratum_client.control.claims import Level
from stratum_client.control.io.price_source import MISSING_EXTRA, PriceError, read_prices
from stratum_client.control.price import PricePoint, SeriesForm
from stratum_client.device_control import DeviceControl
from stratum_client.miner import Miner
from stratum_client.price_desk import PriceDesk
from stratum_client.supervise import SupervisedDevice
from tests.plug_server import page, plug_server
from tests.stand_ins import RecordingLog
from tests.test_window_desk import Board, JumpingClock

NOW = JumpingClock.WALL_AT_START  # Sunday 15 June 2025, 15:06:40 UTC
HOUR = 3600.0
FOLLOWED = PriceConfig(
    source="file", file=Path("unused"), stop_above=Decimal("0.25"), start_below=Decimal("0.20")
)
CONFIG = Config(rig=RigConfig(name="rig", timezone="UTC"), price=FOLLOWED)


def hours(*prices: str) -> tuple[PricePoint, ...]:
    return tuple(
        PricePoint(start=NOW + n * HOUR, end=NOW + (n + 1) * HOUR, price=Decimal(price))
        for n, price in enumerate(prices)
    )


class Bench:
    """One board under the desk, and a source that says what a test wants."""

    def __init__(self, *prices: str, config: Config = CONFIG) -> None:
        self.clock = JumpingClock()
        self.log = RecordingLog()
        self.points: tuple[PricePoint, ...] = hours(*prices)
        self.problem = ""
        self.hangs = False
        self.board = Board()
        seat = Miner(self.clock).seat("board")
        device = SupervisedDevice(
            self.board, driver="test", seat=seat, random=Random(1), log=self.log
        )
        self.control = DeviceControl(lambda: [device], file=None, clock=self.clock, log=self.log)
        self.believes = True
        self.desk = PriceDesk(
            config,
            control=self.control,
            believes_clock=lambda: self.believes,
            clock=self.clock,
            log=self.log,
            read=self._read,
        )

    async def _read(
        self, config: PriceConfig, form: SeriesForm, now: float
    ) -> tuple[PricePoint, ...]:
        if self.hangs:
            await asyncio.Event().wait()
        if self.problem:
            raise PriceError(self.problem)
        return self.points

    def runs(self) -> bool:
        return self.board.setpoint.run

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.desk.run())
            yield
            task.cancel()


@pytest.mark.virtual_time
async def test_it_rests_at_the_stroke_of_a_dear_hour_and_runs_again_below() -> None:
    bench = Bench("0.10", "0.30", "0.22", "0.10")
    async with bench.working():
        await asyncio.sleep(3599)
        assert bench.runs()
        await asyncio.sleep(2)
        assert not bench.runs()
        assert "price: above 0.25 EUR/kWh since Sun 16:06:40" in bench.board.setpoint.reason
        await asyncio.sleep(HOUR)
        assert not bench.runs(), "between the two limits nothing changes"
        await asyncio.sleep(HOUR)
        assert bench.runs()
    [claim] = bench.log.named("claim.stated")
    assert claim["level"] == str(Level.PRICE)


@pytest.mark.virtual_time
async def test_with_no_price_for_now_windows_alone_hold() -> None:
    bench = Bench("0.30")
    async with bench.working():
        await asyncio.sleep(1)
        assert not bench.runs()
        await asyncio.sleep(HOUR)
        assert bench.runs()
    assert bench.log.named("price.stale") == [
        {"reason": "no price is known for now: windows alone hold"}
    ]


@pytest.mark.virtual_time
async def test_prices_that_are_known_hold_while_the_source_is_away() -> None:
    bench = Bench("0.30", "0.30", "0.10")
    async with bench.working():
        await asyncio.sleep(1)
        bench.problem = "nothing listens there"
        await asyncio.sleep(HOUR)
        assert not bench.runs()
        await asyncio.sleep(HOUR)
        assert bench.runs()
        bench.problem, bench.points = "", hours("0.10", "0.10", "0.10", "0.30")
        await asyncio.sleep(HOUR)
        assert not bench.runs()
    assert len(bench.log.named("price.unread")) == 1, "said once"
    assert len(bench.log.named("price.read_again")) == 1


@pytest.mark.virtual_time
async def test_a_source_that_does_not_answer_delays_nobodys_rest() -> None:
    bench = Bench("0.10", "0.30", "0.10")
    async with bench.working():
        await asyncio.sleep(HOUR - 50)
        bench.hangs = True
        await asyncio.sleep(51)
        assert not bench.runs()
        await asyncio.sleep(HOUR)
        assert bench.runs()
        await asyncio.sleep(HOUR)
    assert len(bench.log.named("price.stale")) == 1


@pytest.mark.virtual_time
async def test_a_clock_that_is_not_believed_tells_no_price() -> None:
    bench = Bench("0.30")
    bench.believes = False
    async with bench.working():
        await asyncio.sleep(1)
        assert bench.runs()
        bench.believes = True
        await asyncio.sleep(31)
        assert not bench.runs()


@pytest.mark.virtual_time
async def test_a_reload_follows_other_limits_at_once_and_none_when_it_is_off() -> None:
    bench = Bench("0.30", "0.30")
    async with bench.working():
        await asyncio.sleep(1)
        bench.desk.configure(replace(CONFIG, price=replace(FOLLOWED, stop_above=Decimal(1))))
        await asyncio.sleep(1)
        assert bench.runs()
        bench.desk.configure(CONFIG)
        await asyncio.sleep(1)
        assert not bench.runs()
        bench.desk.configure(replace(CONFIG, price=PriceConfig()))
        assert bench.runs()
        await asyncio.sleep(2 * HOUR)
        assert bench.runs()


# --- sources ---

FORM = SeriesForm()
ROWS = [{"start": NOW, "price": 0.3}]


async def test_a_file_is_read_and_one_that_is_gone_is_told(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(ROWS))

    [point] = await read_prices(replace(FOLLOWED, file=path), FORM, NOW)
    assert (point.start, str(point.price)) == (NOW, "0.3")

    path.unlink()
    with pytest.raises(PriceError, match="No such file"):
        await read_prices(replace(FOLLOWED, file=path), FORM, NOW)
    path.write_text("nonsense")
    with pytest.raises(PriceError, match="no price in it"):
        await read_prices(replace(FOLLOWED, file=path), FORM, NOW)


class Pages:
    """An HTTP server; what it is asked for is noted, what is not there is a 404."""

    def __init__(self, pages: dict[str, object]) -> None:
        self.asked: list[str] = []
        self._pages = pages

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split()[1].decode()
        self.asked.append(path)
        found = next((body for part, body in self._pages.items() if part in path), None)
        body = b"" if not found else json.dumps(found).encode()
        status = "204 No Content" if found == {} else "200 OK" if body else "404 Not Found"
        fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"HTTP/1.1 {status}\r\n{fields}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def serving(pages: dict[str, object]) -> AsyncIterator[tuple[Pages, str]]:
    server_of = Pages(pages)
    server = await asyncio.start_server(server_of.serve, "127.0.0.1", 0)
    async with server:
        yield server_of, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_page_of_each_day_is_asked_for_today_and_tomorrow() -> None:
    tomorrow = [{"start": NOW + 86_400, "price": 0.4}]
    async with serving({"2025-06-15": ROWS, "2025-06-16": tomorrow}) as (pages, url):
        config = replace(FOLLOWED, source="http", url=f"{url}/v1/%Y-%m-%d.json")
        points = await read_prices(config, FORM, NOW)

    assert pages.asked == ["/v1/2025-06-15.json", "/v1/2025-06-16.json"]
    assert [str(point.price) for point in points] == ["0.3", "0.4"]


async def test_a_page_of_tomorrow_that_is_not_there_yet_costs_nothing() -> None:
    async with serving({"2025-06-15": ROWS}) as (_, url):
        config = replace(FOLLOWED, source="http", url=f"{url}/%Y-%m-%d")
        assert len(await read_prices(config, FORM, NOW)) == 1
        with pytest.raises(PriceError, match="404"):
            await read_prices(config, FORM, NOW + 86_400)


async def test_a_page_that_wants_a_key_says_where_it_goes_and_not_what_was_tried() -> None:
    async with plug_server(lambda: page(b"{}", "401 Unauthorized")) as server:
        config = replace(FOLLOWED, source="http", url=f"{server.url}/?token=verysecret")
        with pytest.raises(PriceError, match=r"price\.url_file") as caught:
            await read_prices(config, FORM, NOW)

    assert "verysecret" not in caught.value.problem


def delivery(day: str, *prices: float) -> object:
    """Return an answer of Nord Pool's data portal, as pynordpool reads it."""
    entries = [
        {
            "deliveryStart": f"{day}T{hour:02}:00:00Z",
            "deliveryEnd": f"{day}T{hour + 1:02}:00:00Z",
            "entryPerArea": {"FI": price},
        }
        for hour, price in enumerate(prices)
    ]
    return {
        "deliveryDateCET": day,
        "updatedAt": "2025-06-14T10:55:58.9728151Z",
        "multiAreaEntries": entries,
        "blockPriceAggregates": [],
        "areaAverages": [],
        "areaStates": [],
        "currency": "EUR",
        "exchangeRate": 1,
    }


async def test_nord_pools_prices_of_a_mwh_become_prices_of_a_kwh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pynordpool = pytest.importorskip("pynordpool")
    config = replace(FOLLOWED, source="nordpool", area="FI")
    answers = {"2025-06-15": delivery("2025-06-15", 12.5, -3.1), "2025-06-16": {}}
    async with serving(answers) as (pages, url):
        monkeypatch.setattr(pynordpool, "API", url)
        points = await read_prices(config, FORM, NOW)
        with pytest.raises(PriceError, match="Nord Pool: "):
            await read_prices(replace(config, area="SE9"), FORM, NOW)

    assert [(point.end - point.start, str(point.price)) for point in points] == [
        (HOUR, "0.0125"),
        (HOUR, "-0.0031"),
    ]
    assert "date=2025-06-15" in pages.asked[0]
    assert "deliveryArea=FI" in pages.asked[0]


async def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynordpool", None)

    with pytest.raises(PriceError) as caught:
        await read_prices(replace(FOLLOWED, source="nordpool", area="FI"), FORM, NOW)

    assert caught.value.problem == MISSING_EXTRA
