"""The HTTP server of the metrics: any bytes are met, nobody holds it up, mining never waits."""

import asyncio
import contextlib
import socket
import urllib.request
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.api import rim
from stratum_client.api.http_lines import MAX_HEAD, Request, Response, request_in
from stratum_client.api.rim import MAX_CONNECTIONS, Rim
from stratum_client.config_file import read_config
from stratum_client.config_metrics import ListenAddress
from stratum_client.errors import ConfigError
from stratum_client.loop_lag import TOO_LATE, WINDOW, LoopLag
from tests.stand_ins import RecordingLog

PATIENCE = 20.0


@given(st.binary(max_size=300), st.integers(1, 40))
def test_any_bytes_are_a_request_a_refusal_or_not_yet_all(data: bytes, step: int) -> None:
    found = request_in(data)

    assert found is None or isinstance(found, Request | Response)
    first = None
    for end in range(step, len(data) + step, step):
        first = first or request_in(data[:end])
    assert type(first) is type(found)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", Request(method="GET", path="/metrics")),
        (b"\r\nHEAD /healthz?a=b HTTP/1.0\n\n", Request(method="HEAD", path="/healthz")),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n", None),
        (b"GET / HTTP/2\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET metrics HTTP/1.1\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"\x16\x03\x01\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"POST / HTTP/1.1\r\n\r\n", HTTPStatus.METHOD_NOT_ALLOWED),
        (b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"x" * (MAX_HEAD + 1), HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    ],
)
def test_requests_are_told_apart(data: bytes, expected: object) -> None:
    found = request_in(data)

    assert (found.status if isinstance(found, Response) else found) == expected


async def page() -> Response:
    return Response(body=b"some numbers\n")


async def crashing() -> Response:
    raise ZeroDivisionError("a bug")


async def endless() -> Response:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


PAGES = {"/metrics": page, "/crash": crashing, "/endless": endless}


@contextlib.asynccontextmanager
async def serving(log: RecordingLog) -> AsyncIterator[Rim]:
    server = Rim("127.0.0.1", 0, PAGES, log)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(server.run())
        async with asyncio.timeout(PATIENCE):
            while not server.port:  # noqa: ASYNC110  # it has no event for that
                await asyncio.sleep(0)
        yield server
        task.cancel()


async def reply_to(server: Rim, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    data = b""
    with contextlib.suppress(ConnectionError):
        writer.write(request)
        async with asyncio.timeout(PATIENCE):
            while piece := await reader.read(65536):
                data += piece
    writer.close()
    return data


async def test_an_ordinary_client_gets_the_page() -> None:
    async with serving(RecordingLog()) as server:
        url = f"http://127.0.0.1:{server.port}/metrics"
        assert await asyncio.to_thread(lambda: urllib.request.urlopen(url).read()) == (
            b"some numbers\n"
        )
        head = await reply_to(server, b"HEAD /metrics HTTP/1.1\r\n\r\n")

    assert b"Content-Length: 13\r\n" in head
    assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /other HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /crash HTTP/1.1\r\n\r\n", b"500"),
        (b"DELETE /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 100_000, b""),
    ],
)
async def test_what_cannot_be_served_is_told(request_line: bytes, status: bytes) -> None:
    log = RecordingLog()
    async with serving(log) as server:
        reply = await reply_to(server, request_line)
        assert (await reply_to(server, b"GET /metrics HTTP/1.1\r\n\r\n")).endswith(b"numbers\n")

    assert reply.startswith(b"HTTP/1.1 " + status) or reply == b"", "a reset may swallow a refusal"
    assert bool(log.named("metrics.crashed")) is (status == b"500")


@pytest.mark.parametrize(
    "request_line", [b"", b"GET /metrics HT", b"GET /endless HTTP/1.1\r\n\r\n"]
)
async def test_who_takes_too_long_is_hung_up_on(
    request_line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rim, "REQUEST_LIMIT", 0.05)
    monkeypatch.setattr(rim, "REPLY_LIMIT", 0.05)
    async with serving(RecordingLog()) as server:
        assert b"200" not in await reply_to(server, request_line)


async def test_dripping_bytes_keeps_no_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rim, "REQUEST_LIMIT", 0.1)
    async with serving(RecordingLog()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)

        async def drip() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as group:
            dripping = group.create_task(drip())
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(PATIENCE):
                    assert await reader.read() == b""
            dripping.cancel()
        writer.close()


async def test_only_so_many_are_served_at_once_and_others_are_told() -> None:
    async with serving(RecordingLog()) as server:
        held = [
            await asyncio.open_connection("127.0.0.1", server.port) for _ in range(MAX_CONNECTIONS)
        ]
        async with asyncio.timeout(PATIENCE):
            while len(server.connections) < MAX_CONNECTIONS:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0)

        assert (await reply_to(server, b"GET /metrics HTTP/1.1\r\n\r\n")).startswith(
            b"HTTP/1.1 503 "
        )
        for _, writer in held:
            writer.close()


async def test_an_address_in_use_is_told_once_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rim, "TRY_AGAIN", 0.01)
    log = RecordingLog()
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        async with asyncio.TaskGroup() as group:
            task = group.create_task(Rim("127.0.0.1", port, PAGES, log).run())
            async with asyncio.timeout(PATIENCE):
                while not log.named("metrics.unavailable"):  # noqa: ASYNC110  # logs tell nobody
                    await asyncio.sleep(0.005)
                holder.close()
                while not log.named("metrics.ready"):  # noqa: ASYNC110  # as above
                    await asyncio.sleep(0.005)
            task.cancel()

    [problem] = log.named("metrics.unavailable")
    assert problem["error"] == "address already in use" or "in use" in str(problem["error"])


# --- the setting ---


def listen_in(text: str) -> ListenAddress | None:
    config = read_config(f"[metrics]\nlisten = {text}\n".encode(), name="c.toml", environ={})
    return config.metrics.listen


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('"127.0.0.1:9332"', "127.0.0.1:9332"),
        ('"localhost:0"', "127.0.0.1:0"),
        ('"[::1]:80"', "[::1]:80"),
        ('"off"', "None"),
    ],
)
def test_an_address_of_this_machine_is_taken(text: str, shown: str) -> None:
    assert str(listen_in(text)) == shown


@pytest.mark.parametrize("text", ['"9332"', '"host:1"', '"127.0.0.1:65536"', "9332", "true", '""'])
def test_what_is_no_address_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"c.toml:2: metrics.listen: expected .off. or an addr"):
        listen_in(text)


def test_nothing_listens_that_nobody_asked_for() -> None:
    assert read_config(b"", name="c.toml", environ={}).metrics.listen is None


# --- the lag of the loop ---


def test_the_worst_lag_of_a_minute_is_told_and_warned_of_once() -> None:
    log = RecordingLog()
    lag = LoopLag(log)
    lags = [(0.0, 0.001), (1.0, 0.2), (2.0, 0.06), (30.0, 0.01), (59.0, 0.1), (70.0, 0.02)]

    seen = []
    for now, seconds in lags:
        lag.measured(seconds, now)
        seen.append(lag.worst())

    assert seen == [0.001, 0.2, 0.2, 0.2, 0.2, 0.1]
    assert lag.worst_ever == 0.2
    assert [warning["seconds"] for warning in log.named("loop.late")] == [0.2]
    lag.measured(TOO_LATE * 2, 1.0 + WINDOW)
    assert len(log.named("loop.late")) == 2


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 2)), max_size=30))
def test_the_worst_lag_is_that_of_the_window(steps: list[tuple[float, float]]) -> None:
    lag, now, history = LoopLag(RecordingLog()), 0.0, []
    for passed, seconds in steps:
        now += passed
        lag.measured(seconds, now)
        history.append((now, seconds))

        assert lag.worst() == max(s for at, s in history if now - at <= WINDOW)
