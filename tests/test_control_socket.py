"""The control socket: any bytes get a reply or the documented end, and nobody can hold it up."""

import asyncio
import contextlib
import json
import os
import pwd
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum_client.api import control_client, control_socket
from stratum_client.api.control_client import NoDaemonError, ask
from stratum_client.api.control_lines import (
    MAX_LINE,
    MAX_LINES_AT_ONCE,
    ControlSession,
    Handler,
    Order,
    OrderError,
)
from stratum_client.api.control_socket import MAX_CONNECTIONS, SOCKET_NAME, ControlSocket
from tests.stand_ins import RecordingLog

PATIENCE = 20.0


def follow(what: str, fields: Mapping[str, object]) -> Mapping[str, object]:
    if what == "refuse":
        raise OrderError("not today")
    return {"did": what, **fields}


def parsed(replies: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in replies.splitlines()]


# --- the conversation ---


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=20))
def test_any_bytes_get_one_reply_for_each_line(pieces: list[bytes]) -> None:
    session, sent = ControlSession(follow), b"".join(pieces)

    replies = parsed(b"".join(session.receive_data(piece) for piece in pieces))

    assert not session.closed
    assert len(replies) == sum(bool(line.strip()) for line in sent.split(b"\n")[:-1])
    for reply in replies:
        assert reply.keys() in ({"ok", "result"}, {"ok", "error"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@settings(deadline=None)
@given(JSON | st.dictionaries(st.sampled_from(["do", "device", "settings"]), JSON))
def test_any_json_gets_a_reply(request: object) -> None:
    line = json.dumps(request).encode() + b"\n"

    [reply] = parsed(ControlSession(follow).receive_data(line))

    understood = isinstance(request, dict) and isinstance(request.get("do"), str)
    assert reply["ok"] is (understood and request["do"] != "refuse")  # type: ignore[index]  # seen


@settings(deadline=None)
@given(st.integers(1, 30))
def test_replies_do_not_depend_on_how_requests_are_cut(step: int) -> None:
    sent = b'{"do": "a"}\r\n\n  \n{"do": "refuse"}\n[]\n{"do": 1}\n\xff\n' + b"[" * 5000 + b"\n"
    session = ControlSession(follow)

    cut = b"".join(session.receive_data(sent[n : n + step]) for n in range(0, len(sent), step))

    assert cut == ControlSession(follow).receive_data(sent)
    assert [reply.get("error") for reply in parsed(cut)] == [
        None,
        "not today",
        *['not an object with "do"'] * 2,
        *["not JSON"] * 2,
    ]


@pytest.mark.parametrize("end", [b"", b"\n", b'\n{"do": "a"}\n'])
def test_a_line_without_end_gets_a_last_word(end: bytes) -> None:
    session = ControlSession(follow)

    replies = session.receive_data(b'{"do": "b"}\n' + b"x" * (MAX_LINE + 1) + end)

    assert [reply["ok"] for reply in parsed(replies)] == [True, False]
    assert session.closed
    assert session.receive_data(b'{"do": "c"}\n') == b""


def test_too_many_requests_at_once_get_a_last_word() -> None:
    session = ControlSession(follow)

    replies = parsed(session.receive_data(b"[]\n" * 10_000))

    assert len(replies) == MAX_LINES_AT_ONCE + 1
    assert "at once" in replies[-1]["error"]
    assert session.closed


@given(st.lists(st.booleans(), max_size=8), st.integers(1, 60))
def test_replies_keep_the_order_of_requests_though_some_take_their_time(
    slow: list[bool], step: int
) -> None:
    begun: list[int] = []

    def follow_slowly(what: str, fields: Mapping[str, object]) -> Mapping[str, object] | None:
        number = fields["n"]
        assert isinstance(number, int)
        begun.append(number)
        return None if slow[number] else {"n": number}

    session, replies = ControlSession(follow_slowly), b""
    sent = b"".join(b'{"do": "a", "n": %d}\n' % number for number in range(len(slow)))
    for start in range(0, len(sent), step):
        replies += session.receive_data(sent[start : start + step])
    while session.is_waiting:
        assert len(parsed(replies)) == begun[-1], "what is behind waits"
        replies += session.answer({"n": begun[-1]})

    assert [reply["result"]["n"] for reply in parsed(replies)] == list(range(len(slow)))


def test_a_refusal_may_come_late_too() -> None:
    session = ControlSession(lambda what, fields: None)
    session.receive_data(b'{"do": "a"}\n')

    assert parsed(session.answer(OrderError("the disk is full"))) == [
        {"ok": False, "error": "the disk is full"}
    ]


# --- the socket ---


async def later(order: Order) -> Mapping[str, object]:
    for _ in range(5):
        await asyncio.sleep(0)
    if order.fields.get("crash"):
        raise ZeroDivisionError("a plug-in's bug")
    if order.fields.get("refuse"):
        raise OrderError("not today")
    return {"did": "later"}


def crash(order: Order) -> Mapping[str, object]:
    raise ZeroDivisionError("a plug-in's bug")


HANDLERS: Mapping[str, Handler] = {
    "echo": lambda order: {"by": order.by, **order.fields},
    "refuse": lambda order: follow("refuse", {}),
    "text": lambda order: {"is": order.text("key")},
    "table": lambda order: {"is": order.table("key")},
    "big": lambda order: {"is": "x" * 4_000_000},
    "crash": crash,
    "later": later,
}


@contextlib.asynccontextmanager
async def serving(directory: Path, log: RecordingLog | None = None) -> AsyncIterator[ControlSocket]:
    async with ControlSocket(directory, HANDLERS, log or RecordingLog()) as server:
        yield server


async def asked(directory: Path, what: str, **fields: object) -> Mapping[str, object]:
    return await asyncio.to_thread(ask, directory, what, **fields)


async def test_an_order_is_followed_and_its_giver_known(tmp_path: Path) -> None:
    async with serving(tmp_path):
        result = await asked(tmp_path, "echo", device="cpu")

    assert result == {"by": f"user {pwd.getpwuid(os.getuid()).pw_name}", "device": "cpu"}


async def test_orders_that_take_their_time_are_answered_in_order(tmp_path: Path) -> None:
    async with serving(tmp_path):
        reader, writer = await connected(tmp_path)
        writer.write(b'{"do": "later"}\n{"do": "echo", "n": 1}\n{"do": "later"}\n')

        async with asyncio.timeout(PATIENCE):
            replies = [json.loads(await reader.readline())["result"] for _ in range(3)]
        writer.close()

    assert [reply.get("did") for reply in replies] == ["later", None, "later"]


async def test_an_order_begun_is_finished_though_client_and_daemon_go(tmp_path: Path) -> None:
    begun, followed = asyncio.Event(), asyncio.Event()

    async def long(order: Order) -> Mapping[str, object]:
        begun.set()
        await asyncio.sleep(0.05)
        followed.set()
        return {}

    async with ControlSocket(tmp_path, {"long": long}, RecordingLog()):
        _, writer = await connected(tmp_path)
        writer.write(b'{"do": "long"}\n')
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
        writer.close()

    assert followed.is_set()


async def test_the_socket_is_for_user_and_group_and_goes_with_the_daemon(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        async with serving(tmp_path) as server:
            assert stat.S_IMODE(server.path.stat().st_mode) == 0o660
    finally:
        os.umask(before)

    assert not (tmp_path / SOCKET_NAME).exists()


async def test_a_socket_left_by_a_killed_daemon_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(tmp_path / SOCKET_NAME))

    async with serving(tmp_path):
        assert await asked(tmp_path, "echo", n=1)


async def test_a_very_long_path_will_do(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()

    async with serving(deep):
        assert await asked(deep, "echo", n=1)


async def test_a_daemon_without_a_place_for_its_socket_goes_on(tmp_path: Path) -> None:
    log = RecordingLog()
    (tmp_path / SOCKET_NAME).mkdir()

    async with serving(tmp_path, log):
        pass

    [problem] = log.named("control.unavailable")
    assert str(tmp_path) in str(problem["path"])


@pytest.mark.parametrize(
    ("what", "fields", "problem"),
    [
        ("refuse", {}, "not today"),
        ("ecko", {}, "did you mean echo"),
        ("zzz", {}, "no such request; known: echo, refuse"),
        ("text", {}, '"key" is missing'),
        ("text", {"key": 5}, '"key" is missing or no text'),
        ("table", {"key": {}}, '"key" is missing'),
        ("crash", {}, "failed: ZeroDivisionError: a plug-in's bug"),
        ("later", {"crash": True}, "failed: ZeroDivisionError: a plug-in's bug"),
        ("later", {"refuse": True}, "not today"),
    ],
)
async def test_what_cannot_be_done_is_told(
    tmp_path: Path, what: str, fields: dict[str, object], problem: str
) -> None:
    log = RecordingLog()

    async with serving(tmp_path, log):
        with pytest.raises(OrderError, match=problem):
            await asked(tmp_path, what, **fields)

    assert bool(log.named("control.crashed")) is ("Zero" in problem)


async def connected(directory: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(str(directory / SOCKET_NAME))


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Return all that comes until the server hangs up."""
    data = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE):
            while piece := await reader.read(65536):
                data += piece
    return data


@pytest.mark.parametrize("begun", [b"", b'{"do": "ec'])
async def test_who_says_nothing_or_stops_within_a_line_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    limit = "LINE_LIMIT" if begun else "IDLE_LIMIT"
    monkeypatch.setattr(control_socket, limit, 0.05)
    async with serving(tmp_path):
        reader, writer = await connected(tmp_path)
        writer.write(b'{"do": "echo"}\n' + begun)

        assert len((await ended(reader)).splitlines()) == 1
        writer.close()


async def test_dripping_bytes_does_not_keep_a_line_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_socket, "LINE_LIMIT", 0.1)
    async with serving(tmp_path):
        reader, writer = await connected(tmp_path)

        async def drip() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as group:
            dripping = group.create_task(drip())
            assert await ended(reader) == b""
            dripping.cancel()
        writer.close()


async def test_who_does_not_read_is_hung_up_on_and_others_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_socket, "LINE_LIMIT", 0.2)
    async with serving(tmp_path) as server:
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.connect(str(server.path))
            async with asyncio.timeout(PATIENCE):
                while not server.connections:  # noqa: ASYNC110  # the kernel tells the server
                    await asyncio.sleep(0)
            [connection] = server.connections
            deaf.send(b'{"do": "big"}\n' * 3)

            async with asyncio.timeout(PATIENCE):
                while connection in server.connections:
                    assert (await asked(tmp_path, "echo", n=1))["n"] == 1


async def test_only_so_many_are_served_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path):
        clients = [await connected(tmp_path) for _ in range(MAX_CONNECTIONS)]
        for reader, writer in clients:
            writer.write(b'{"do": "echo"}\n')
            await reader.readline()

        reader, writer = await connected(tmp_path)

        assert b"too many connections" in await ended(reader)
        for _, open_writer in [*clients, (reader, writer)]:
            open_writer.close()


# --- the client ---


def test_without_a_daemon_the_socket_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoDaemonError, match=f"no daemon is running: .*{SOCKET_NAME}"):
        ask(tmp_path, "devices")


def test_a_dead_daemon_s_socket_is_no_daemon(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(tmp_path / SOCKET_NAME))

    with pytest.raises(NoDaemonError, match="no daemon is running"):
        ask(tmp_path, "devices")


@pytest.mark.parametrize(
    "reply", [b"", b"hello\n", b"[]\n", b'{"ok": true}\n', b"\xff\n", b"[" * 100_000 + b"\n"]
)
async def test_a_stranger_at_the_socket_is_told_from_a_daemon(tmp_path: Path, reply: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(reply)
        writer.close()

    server = await asyncio.start_unix_server(answer, str(tmp_path / SOCKET_NAME))
    async with server:
        with pytest.raises(NoDaemonError, match="does not talk like a daemon"):
            await asked(tmp_path, "devices")


async def test_a_daemon_that_never_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_client, "ANSWER_WAIT", 0.05)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / SOCKET_NAME))
        mute.listen()

        with pytest.raises(NoDaemonError, match="does not answer"):
            await asked(tmp_path, "devices")
