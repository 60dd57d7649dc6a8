"""Dialling a name with several addresses, some of them dead."""

import asyncio
import socket
import threading

import pytest

from stratum_client import dialling
from stratum_client.config import Deadlines
from stratum_client.dialling import (
    Address,
    KnownAddresses,
    connected_socket,
    interleaved,
    peer_of,
    tune,
)

V4, V6 = socket.AF_INET, socket.AF_INET6


async def listening() -> tuple[asyncio.Server, int]:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


def names(monkeypatch: pytest.MonkeyPatch, *addresses: Address) -> None:
    """Let the resolver answer with these addresses."""
    rows = [(family, socket.SOCK_STREAM, 6, "", where) for family, where in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)


def test_families_take_turns() -> None:
    addresses: list[Address] = [(V6, (1,)), (V6, (2,)), (V4, (3,)), (V6, (4,)), (V4, (5,))]

    assert [where for _, (where,) in interleaved(addresses)] == [1, 3, 2, 5, 4]
    assert interleaved([]) == []


async def test_the_first_address_that_answers_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    server, port = await listening()
    async with server:
        refused = (V4, ("127.0.0.2", 1))
        names(monkeypatch, refused, (V4, ("127.0.0.1", port)), refused)

        with await connected_socket("pool.example", port) as sock:
            assert sock.getpeername() == ("127.0.0.1", port)


async def test_an_address_that_never_answers_only_costs_its_head_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, port = await listening()
    never = asyncio.Event()
    real = dialling._connect

    async def connect(address: Address) -> socket.socket:
        if address[1][0] == "silent":
            await never.wait()
        return await real(address)

    monkeypatch.setattr(dialling, "_connect", connect)
    names(monkeypatch, (V4, ("silent", port)), (V4, ("127.0.0.1", port)))
    async with server:
        with await connected_socket("pool.example", port) as sock:
            assert sock.getpeername()[1] == port


async def test_when_no_address_answers_the_reason_is_the_plain_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names(monkeypatch, (V4, ("127.0.0.1", 1)), (V4, ("127.0.0.2", 1)))

    with pytest.raises(ConnectionRefusedError):
        await connected_socket("pool.example", 1)


async def test_a_name_without_addresses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch)

    with pytest.raises(OSError, match="assign requested address"):
        await connected_socket("pool.example", 1)


def test_a_resolver_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        release.wait(30)
        return []

    async def dial() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await connected_socket("pool.example", 1)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    asyncio.run(dial())

    [resolver] = [t for t in threading.enumerate() if t.name == "resolve pool.example"]
    assert resolver.is_alive(), "the end came while the resolver still hung"
    assert resolver.daemon
    release.set()
    resolver.join(5)


A, B, C = ((V4, (host, 1)) for host in ("10.0.0.1", "10.0.0.2", "10.0.0.3"))


def test_the_address_that_worked_comes_first_and_the_one_that_failed_since_last() -> None:
    known = KnownAddresses()
    assert known.ordered([A, B, C]) == [A, B, C]

    known.worked(C)
    assert known.ordered([A, B, C]) == [C, A, B]

    known.failed(C)
    assert known.ordered([C, A, B]) == [A, B, C]

    known.failed(A)
    assert known.ordered([A, B, C]) == [B, C, A]

    known.worked(A)
    assert known.ordered([B, C, A]) == [A, B, C]


def test_a_failure_of_nobody_knows_which_address_is_that_of_the_one_that_worked() -> None:
    known = KnownAddresses()
    known.worked(A)

    known.failed()

    assert known.ordered([A, B]) == [B, A]


def test_an_address_that_is_gone_from_the_name_is_not_dialled() -> None:
    known = KnownAddresses()
    known.worked(C)

    assert known.ordered([A, B]) == [A, B]


async def test_the_address_that_worked_is_dialled_first_at_the_next_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, port = await listening()
    dialled: list[Address] = []
    real = dialling._connect

    async def connect(address: Address) -> socket.socket:
        dialled.append(address)
        return await real(address)

    monkeypatch.setattr(dialling, "_connect", connect)
    names(monkeypatch, (V4, ("127.0.0.2", 1)), (V4, ("127.0.0.1", port)))
    known = KnownAddresses()
    async with server:
        with await connected_socket("pool.example", port, known) as sock:
            address = peer_of(sock)
            assert address
            known.worked(address)
        dialled.clear()
        with await connected_socket("pool.example", port, known):
            pass

    assert dialled == [(V4, ("127.0.0.1", port))]


async def test_the_kernel_is_told_to_send_at_once_and_to_look_for_a_dead_peer() -> None:
    server, port = await listening()
    deadlines = Deadlines(tcp_keepalive_idle=7.0, tcp_keepalive_interval=3.0, tcp_keepalive_count=4)
    async with server:
        with await connected_socket("127.0.0.1", port) as sock:
            tune(sock, deadlines)

            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 7
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 3
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 4
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 19_000


async def test_a_socket_whose_peer_is_gone_has_no_address() -> None:
    with socket.socket() as sock:
        assert peer_of(sock) is None
