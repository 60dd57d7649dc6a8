"""Smart plugs asked over real sockets: their pages, their passwords, and every kind of trouble."""

import asyncio
import re
import socket

import pytest

from stratum_client.config_power import MeterConfig
from stratum_client.control.io.http_get import HttpGetError, http_get
from stratum_client.control.io.plugs import HttpPlug, page_of
from stratum_client.control.plug_answers import PlugError
from tests.control.test_plug_answers import SHELLY_STATUS, TASMOTA_LOCKED, TASMOTA_STATUS_10
from tests.locked_plug import LockedShelly
from tests.plug_server import page, plug_server

PATIENCE = 20


async def test_a_tasmota_plug_is_asked_for_its_sensors_with_its_password() -> None:
    async with plug_server(lambda: page(TASMOTA_STATUS_10)) as server:
        meter = MeterConfig(source="tasmota", url=server.url, password="a b&c")
        assert await HttpPlug(meter).read() == 367.0

    [request] = server.requests
    first, *fields = request.split("\r\n")
    assert first == "GET /cm?cmnd=Status%2010&user=admin&password=a%20b%26c HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.port}" in fields
    assert not [field for field in fields if field.startswith("Authorization")]


async def test_a_shelly_is_asked_for_its_switch() -> None:
    async with plug_server(lambda: page(SHELLY_STATUS)) as server:
        assert await HttpPlug(MeterConfig(source="shelly", url=f"{server.url}/")).read() == 8.9

    assert server.requests[0].startswith("GET /rpc/Switch.GetStatus?id=0 HTTP/1.1\r\n")


async def test_a_shelly_with_a_password_is_told_that_we_know_it_and_never_what_it_is() -> None:
    shelly = LockedShelly(body=SHELLY_STATUS, password="a b:c é")
    async with plug_server(lambda: b"") as server:
        server.answer = shelly.answer_to(server.requests)
        plug = HttpPlug(MeterConfig(source="shelly", url=server.url, password="a b:c é"))
        assert [await plug.read() for _ in range(3)] == [8.9] * 3

    assert shelly.problems == ["no digest"], "then the same nonce serves, and its count rises"
    assert len(server.requests) == 4
    assert "a b:c" not in "".join(server.requests)


async def test_a_shelly_of_older_firmware_is_asked_for_a_challenge_each_time() -> None:
    shelly = LockedShelly(body=SHELLY_STATUS, password="sesame", reuses=False)
    async with plug_server(lambda: b"") as server:
        server.answer = shelly.answer_to(server.requests)
        plug = HttpPlug(MeterConfig(source="shelly", url=server.url, password="sesame"))
        assert [await plug.read() for _ in range(4)] == [8.9] * 4

    assert shelly.problems == ["no digest", "old nonce", "no digest", "no digest"]
    assert len(server.requests) == 8


@pytest.mark.parametrize(
    ("password", "problem", "requests"),
    [
        ("", "it wants a user and a password (401): set password_file of this meter", 1),
        ("geheim", "it does not accept this user and password (401): set password_file", 2),
    ],
)
async def test_a_shelly_that_lets_us_not_in_says_what_to_set(
    password: str, problem: str, requests: int
) -> None:
    shelly = LockedShelly(body=SHELLY_STATUS, password="sesame")
    async with plug_server(lambda: b"") as server:
        server.answer = shelly.answer_to(server.requests)
        meter = MeterConfig(source="shelly", url=server.url, password=password)
        with pytest.raises(PlugError, match=re.escape(problem)) as caught:
            await HttpPlug(meter).read()

    assert len(server.requests) == requests
    assert "geheim" not in caught.value.problem


async def test_anything_that_wants_a_digest_gets_one_after_basic_was_refused() -> None:
    plug = LockedShelly(body=b"12.5", password="sesame", realm="meter")
    async with plug_server(lambda: b"") as server:
        server.answer = plug.answer_to(server.requests)
        meter = MeterConfig(
            source="http", url=f"{server.url}/w?a=1", user="admin", password="sesame"
        )
        reader = HttpPlug(meter)
        assert [await reader.read() for _ in range(2)] == [12.5] * 2

    assert [asked.partition(" ")[0] for asked in plug.asked] == ["Basic", "Digest", "Digest"]


async def test_anything_else_is_asked_as_written_with_a_plain_password() -> None:
    async with plug_server(lambda: page(b'{"a":[{"w":12.5}]}')) as server:
        url = f"{server.url}/state?all=1"
        meter = MeterConfig(source="http", url=url, path="a.0.w", user="u", password="p")
        assert await HttpPlug(meter).read() == 12.5

    assert server.requests[0].startswith("GET /state?all=1 HTTP/1.1\r\n")
    assert "Authorization: Basic dTpw\r\n" in server.requests[0]


def test_a_page_of_its_own_is_kept() -> None:
    pm1 = MeterConfig(source="shelly", url="http://a/rpc/PM1.GetStatus?id=0")
    status_8 = MeterConfig(source="tasmota", url="http://a/cm?cmnd=Status%208", password="p")

    assert page_of(pm1) == pm1.url
    assert page_of(status_8) == f"{status_8.url}&user=admin&password=p"
    assert page_of(MeterConfig(source="tasmota", url="http://a")) == (
        "http://a/cm?cmnd=Status%2010"
    )


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (page(b"no"), "is no JSON"),
        (page(TASMOTA_LOCKED), "Need user"),
        (page(b"{}", "401 Unauthorized"), "it wants a user and a password"),
        (page(b"{}", "500 Oops"), "it answered 500"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\n\r\n", "it answered 302"),
        (page(b" " * 70_000), "more than 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000, "more than 65536 bytes"),
        (page(TASMOTA_STATUS_10)[:-5], "broke off"),
        (b"", "no HTTP server"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no HTTP server"),
    ],
)
async def test_a_plug_that_answers_wrongly_is_an_error_in_words(
    answer: bytes, problem: str
) -> None:
    async with plug_server(lambda: answer) as server:
        meter = MeterConfig(source="tasmota", url=server.url, password="geheim")
        with pytest.raises(PlugError, match=problem) as caught:
            await HttpPlug(meter).read()

    assert "geheim" not in caught.value.problem


async def test_a_plug_that_is_slow_byte_by_byte_is_given_up_at_its_deadline() -> None:
    async with plug_server(lambda: page(TASMOTA_STATUS_10), pause=0.05) as server:
        meter = MeterConfig(source="tasmota", url=server.url, interval=0.2)
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(PlugError, match="did not answer within"):
                await HttpPlug(meter).read()


async def test_a_plug_that_is_not_there_is_an_error_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    with pytest.raises(PlugError, match="nothing listens there"):
        await HttpPlug(MeterConfig(source="http", url=f"http://127.0.0.1:{port}")).read()


async def test_a_page_without_tls_at_an_https_address_is_an_error_in_words() -> None:
    async with plug_server(lambda: b"plain") as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(HttpGetError) as caught:
            await http_get(url, seconds=0.5, largest=100)

    assert caught.value.problem
