"""Pools through SOCKS5: microsocks as the real proxy, scripted ones for every answer there is."""

import asyncio
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stratum_client.config import Config, Deadlines, NetworkConfig, TlsConfig
from stratum_client.config_file import read_config
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.errors import ConfigError, ConnectError, ProxyError
from stratum_client.pool_probe import ProbeReport, probe
from stratum_client.pool_url import parse_pool_url
from stratum_client.proxy_url import ProxyUrl, ProxyUrlError, parse_proxy_url
from stratum_client.route import Route
from tests.certificates import Authority, needs
from tests.tls_peers import PATIENCE, Collector, free_port, listening, pool_at, program, serving

ONION = "pool2gsmvc6ci5i3wjs7b5bvxqvuzdgmjvv2v4xkqwzf2yfk4j3zkead.onion"
GRANTED = b"\x05\x00\x00\x01" + bytes(6)


def through(proxy: str, url: str, **more: Any) -> Any:
    return pool_at(url, proxy=parse_proxy_url(proxy), **more)


# --- addresses ---


@pytest.mark.parametrize(
    ("text", "shown", "login", "isolates"),
    [
        ("socks5://127.0.0.1:1080", "socks5://127.0.0.1:1080", ("", ""), False),
        ("socks5h://Proxy.Example:1080", "socks5://proxy.example:1080", ("", ""), False),
        ("socks5://bob:p%40ss@[::1]:1080", "socks5://[::1]:1080", ("bob", "p@ss"), False),
        ("socks5://127.0.0.1:9050", "socks5://127.0.0.1:9050", ("", ""), True),
        ("socks5://127.0.0.1:9150", "socks5://127.0.0.1:9150", ("", ""), True),
        ("socks5://bob:pass@tor.example:9050", "socks5://tor.example:9050", ("bob", "pass"), False),
        ("socks5://10.0.0.1:1080#isolate", "socks5://10.0.0.1:1080", ("", ""), True),
    ],
)
def test_an_address_is_read_and_shown_without_its_login(
    text: str, shown: str, login: tuple[str, str], isolates: bool
) -> None:
    proxy = parse_proxy_url(text)

    assert str(proxy) == shown
    assert (proxy.user, proxy.password) == login
    assert proxy.isolates is isolates
    assert parse_proxy_url(proxy.text) == proxy
    assert login[0] not in repr(proxy) or not login[0]


@pytest.mark.parametrize(
    "text",
    [
        *("", "127.0.0.1:1080", "http://a:1", "socks4://a:1", "socks5://", "socks5://a"),
        *("socks5://a:0", "socks5://a:99999", "socks5://hunter22@a:1", "socks5://:hunter22@a:1"),
        *("socks5://u:@a:1", "socks5://u:hunter22@", "socks5://u:hunter22@a:1#else"),
        *("socks5://u:hunter22@a:1#isolate", "socks5://u:hunter22@a:1/x", f"socks5://{'x' * 2000}"),
        *("socks5://u:hunter22\x07@a:1", "socks5://u:hünter22@a:1", f"socks5://u:{'p' * 256}@a:1"),
        *("hunter22://a:1", "socks5://a:hunter22"),
    ],
)
def test_a_wrong_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ProxyUrlError) as caught:
        parse_proxy_url(text)

    assert "hunter22" not in str(caught.value)
    assert "socks5://127.0.0.1:9050" in str(caught.value)


@given(st.text() | st.from_regex(r"socks5h?://[^\n]{0,40}", fullmatch=True))
@example("socks5://%:%@a:1")
@example("socks5://[::1:1")
def test_any_text_is_a_proxy_or_the_documented_error(text: str) -> None:
    try:
        proxy = parse_proxy_url(text)
    except ProxyUrlError:
        return
    assert parse_proxy_url(proxy.text) == proxy
    assert 1 <= proxy.port <= 65535


PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=255)


@given(PRINTABLE, PRINTABLE)
def test_any_login_comes_through_its_text_whole(user: str, password: str) -> None:
    proxy = ProxyUrl(host="proxy.example", port=1080, user=user, password=password)

    assert parse_proxy_url(proxy.text) == proxy


def test_isolated_pools_log_in_under_names_that_differ_and_last() -> None:
    tor = parse_proxy_url("socks5://127.0.0.1:9050")

    first, second = tor.for_pool("first"), tor.for_pool("second")

    assert first == tor.for_pool("first")
    assert first.user != second.user
    assert first.user
    assert first.password
    assert parse_proxy_url("socks5://127.0.0.1:1080").for_pool("first").user == ""


# --- settings ---


def settings(text: str, **environ: str) -> Config:
    return read_config(text.encode(), name="f.toml", environ=environ)


def pools(*lines: str) -> str:
    return "".join(
        f'[[pool]]\nurl = "{line.split()[0]}"\nuser = "a"\n{line.partition(" ")[2]}\n'
        for line in lines
    )


def test_a_pool_takes_the_common_proxy_its_own_or_none() -> None:
    config = settings(
        '[network]\nproxy = "socks5://common:1"\n'
        + pools("a:1", 'b:1 proxy = "socks5://own:1"', 'c:1 proxy = "none"')
    )

    assert [str(pool.via) for pool in config.pools] == [
        "socks5://common:1",
        "socks5://own:1",
        "None",
    ]


def test_passwords_of_proxies_are_secrets_wherever_they_come_from(tmp_path: Path) -> None:
    (tmp_path / "proxy").write_text("socks5://u:from-a-file@b:1\n")
    text = '[network]\nproxy_env = "COMMON"\n' + pools('b:1 proxy_file = "proxy"')

    config = read_config(
        text.encode(),
        name="f.toml",
        environ={"COMMON": "socks5://u:from%20environ@a:1"},
        directory=tmp_path,
    )

    assert set(config.secrets) == {"from-a-file", "from environ", "from%20environ"}
    assert "from" not in repr(config)


def test_a_wrong_proxy_in_a_file_is_refused_by_its_key_without_its_text(tmp_path: Path) -> None:
    (tmp_path / "proxy").write_text("http://u:hunter22@b:1\n")

    with pytest.raises(ConfigError) as caught:
        read_config(
            pools('b:1 proxy_file = "proxy"').encode(),
            name="f.toml",
            environ={},
            directory=tmp_path,
        )

    assert str(caught.value).startswith("f.toml:4: pool[1].proxy_file: only SOCKS5 is known")
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("more", ["", ' proxy = "none"'])
def test_an_onion_without_a_proxy_is_refused_with_the_line_to_add(more: str) -> None:
    with pytest.raises(ConfigError, match=r'pool\[1\]\.url: .*Tor.*proxy = "socks5://'):
        settings(pools(f"{ONION}:3333{more}"))

    assert settings('[network]\nproxy = "socks5://127.0.0.1:9050"\n' + pools(f"{ONION}:3333"))


def test_the_common_proxy_may_come_from_the_environment() -> None:
    config = settings(pools("a:1"), SC_NETWORK_PROXY="socks5://c:1")

    assert config.network == NetworkConfig(proxy=parse_proxy_url("socks5://c:1"))
    assert str(config.pools[0].via) == "socks5://c:1"


# --- a real proxy ---


async def by_microsocks(*options: str, proxy: str, url: str, **more: Any) -> ProbeReport:
    command, port = needs("microsocks", "microsocks"), free_port()
    with program(command, "-i", "127.0.0.1", "-p", str(port), *options):
        await listening(port)
        return await probe(through(proxy.replace("PORT", str(port)), url, **more))


async def test_a_pool_is_mined_at_through_a_real_proxy() -> None:
    async with EmulatedPool() as pool:
        report = await by_microsocks(
            proxy="socks5://127.0.0.1:PORT", url=f"stratum+tcp://localhost:{pool.port}"
        )

    assert report.error is None
    assert report.job
    assert report.link
    assert str(report.link.proxy).startswith("socks5://127.0.0.1:")


async def test_a_proxy_that_wants_a_login_gets_it() -> None:
    async with EmulatedPool() as pool:
        report = await by_microsocks(
            *("-u", "bob", "-P", "p@ss w"),
            proxy="socks5://bob:p%40ss%20w@127.0.0.1:PORT",
            url=f"stratum+tcp://localhost:{pool.port}",
        )

    assert report.error is None


@pytest.mark.parametrize(
    ("login", "problem"),
    [
        ("bob:hunter22@", "it does not take this user and password"),
        ("", "it wants user and password"),
    ],
)
async def test_a_wrong_login_is_told_without_repeating_it(login: str, problem: str) -> None:
    with pytest.raises(ProxyError) as caught:
        await by_microsocks(
            *("-u", "bob", "-P", "pass"),
            proxy=f"socks5://{login}127.0.0.1:PORT",
            url="stratum+tcp://localhost:1",
        )

    assert caught.value.problem == problem
    assert "hunter22" not in str(caught.value)
    assert "bob" not in str(caught.value)


async def test_a_pool_that_refuses_the_proxy_is_told_apart_from_a_proxy_that_is_down() -> None:
    with pytest.raises(ProxyError) as refused:
        await by_microsocks(
            proxy="socks5://127.0.0.1:PORT", url=f"stratum+tcp://localhost:{free_port()}"
        )
    with pytest.raises(ProxyError) as down:
        await probe(through(f"socks5://127.0.0.1:{free_port()}", "stratum+tcp://localhost:1"))

    assert refused.value.problem == "the pool refused it the connection: nothing listens there"
    assert down.value.problem == "nothing listens there: is it running?"


async def test_tls_goes_through_a_proxy_with_the_pools_own_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    good = authority.leaf("good", "DNS:localhost")
    trust = TlsConfig(verify="ca-file", ca_file=authority.root.certificate)
    async with EmulatedPool(tls=good.server()) as pool:
        report = await by_microsocks(
            proxy="socks5://127.0.0.1:PORT",
            url=f"stratum+ssl://localhost:{pool.port}",
            tls=trust,
        )

    assert report.error is None
    assert report.link
    assert report.link.tls
    assert report.link.tls.certificate.fingerprint == good.digest()


# --- scripted proxies ---


async def answered(
    *answers: bytes, host: str = "pool.example", login: str = ""
) -> tuple[ConnectError, bytes]:
    """Return how a proxy with these answers fails, and what it was asked."""
    asked = b""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        for answer in answers:
            asked += await reader.read(1024)
            writer.write(answer)
        writer.close()

    async with serving(talk) as peer:
        config = through(f"socks5://{login}127.0.0.1:{peer.port}", f"stratum+ssl://{host}:3333")
        with pytest.raises(ConnectError) as caught:
            await Route(config).dial(config.url, Collector())
    return caught.value, asked


async def test_the_name_of_the_pool_is_passed_on_and_never_resolved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_up = []
    real = socket.getaddrinfo

    def resolver(host: str, *more: Any, **options: Any) -> Any:
        looked_up.append(host)
        return real(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolver)

    _, asked = await answered(b"\x05\x00", b"\x05\x01\x00", host=ONION)

    assert set(looked_up) == {"127.0.0.1"}
    # RFC 1928: version, one method, none; version, connect, reserved, name, length.
    name = bytes([len(ONION)]) + ONION.encode() + (3333).to_bytes(2, "big")
    assert asked == b"\x05\x01\x00" + b"\x05\x01\x00\x03" + name


async def test_a_login_is_sent_as_rfc_1929_has_it() -> None:
    error, asked = await answered(b"\x05\x02", b"\x01\x01", login="bob:hunter22@")

    assert asked == b"\x05\x02\x00\x02" + b"\x01\x03bob\x08hunter22"
    assert "does not take this user and password" in str(error)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        *((1, "does not say why"), (2, "rules do not allow"), (3, "no way to the pool's network")),
        *((4, "cannot reach the pool's host"), (5, "nothing listens there"), (6, "too long")),
        *((7, "does not make connections"), (8, "this kind of address"), (9, "code 0x09")),
        *((0xF0, "does not find the onion"), (0xF1, "invalid"), (0xF2, "introduce itself")),
        *((0xF3, "could not meet"), (0xF4, "clients that it knows"), (0xF5, "this client")),
        *((0xF6, "typing mistake"), (0xF7, "introduction")),
    ],
)
async def test_each_reply_is_put_into_words(code: int, words: str) -> None:
    error, _ = await answered(b"\x05\x00", bytes([5, code, 0]))

    assert isinstance(error, ProxyError)
    assert words in error.problem
    assert "socks5://127.0.0.1:" in str(error)
    assert "pool.example:3333" in str(error)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((b"",), "hung up"),
        ((b"\x05",), "hung up"),
        ((b"\x05\x00", b""), "hung up"),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), "does not speak SOCKS5"),
        ((b"\x04\x5a" + bytes(6),), "does not speak SOCKS5"),
        ((b"\x05\x07",), "does not speak SOCKS5"),
        ((b"\x05\xff",), "wants user and password"),
        ((b"\x05\x00", b"\x05\x00\x00\x09" + bytes(6)), "does not speak SOCKS5"),
        ((b"\x05\x00", GRANTED), "TLS: the pool hung up"),
    ],
)
async def test_what_does_not_speak_socks_is_told(answers: tuple[bytes, ...], words: str) -> None:
    error, _ = await answered(*answers)

    assert words in str(error)


@pytest.mark.parametrize(
    ("host", "which", "proxy"),
    [
        ("pool.example", "connect", "socks5://127.0.0.1:PORT"),
        (ONION, "connect_tor", "socks5://127.0.0.1:PORT"),
        ("pool.example", "connect_tor", "socks5://127.0.0.1:PORT#isolate"),
    ],
)
async def test_a_silent_proxy_has_the_deadline_of_its_kind(
    host: str, which: str, proxy: str
) -> None:
    deadlines = replace(Deadlines(), connect=PATIENCE, connect_tor=PATIENCE)
    values: dict[str, Any] = {which: 0.05}
    deadlines = replace(deadlines, **values)
    async with serving() as peer:
        config = through(
            proxy.replace("PORT", str(peer.port)), f"stratum+tcp://{host}:1", deadlines=deadlines
        )
        with pytest.raises(ConnectError, match=r"no connection within 0\.05 s by the proxy"):
            await Route(config).dial(config.url, Collector())


async def test_pools_behind_tor_log_in_under_names_of_their_own() -> None:
    logins = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        writer.write(b"\x05\x02")
        logins.append(await reader.read(1024))
        writer.write(b"\x01\x01")
        writer.close()

    async with serving(talk) as peer:
        for name in ("one", "two", "one"):
            proxy = f"socks5://127.0.0.1:{peer.port}#isolate"
            config = through(proxy, "stratum+tcp://pool.example:1", name=name)
            with pytest.raises(ProxyError):
                await Route(config).dial(config.url, Collector())

    one, two, again = logins
    assert one == again
    assert one != two


async def test_an_onion_is_never_dialled_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stratum_client.dialling.resolve", None)
    url = parse_pool_url(f"stratum+tcp://{ONION}:3333")

    with pytest.raises(ConnectError, match="known to Tor alone"):
        await Route(pool_at(str(url))).dial(url, Collector())


async def test_a_missing_library_is_told_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "python_socks", None)
    config = through("socks5://127.0.0.1:1", "stratum+tcp://pool.example:1")

    with pytest.raises(ProxyError, match=r"pip install 'stratum-client\[proxy\]'"):
        await Route(config).dial(config.url, Collector())
