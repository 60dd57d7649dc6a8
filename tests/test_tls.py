"""Pools by TLS on loopback: whom one trusts, what is said of whom one does not, and stunnel."""

import asyncio
import socket
import ssl
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from stratum_client.config import Deadlines, PoolConfig, TlsConfig
from stratum_client.config_file import read_config
from stratum_client.connection import Connection
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.errors import (
    ConnectionLostError,
    PinMismatchError,
    StratumError,
    TlsError,
)
from stratum_client.miner import Miner
from stratum_client.pool import Pool
from stratum_client.pool_probe import ProbeReport, probe
from stratum_client.pool_url import parse_pool_url
from stratum_client.route import Route
from stratum_client.session import Session
from tests.certificates import Authority, Signed, needs, openssl
from tests.stand_ins import RecordingLog
from tests.tls_peers import (
    PATIENCE,
    Collector,
    free_port,
    listening,
    pool_at,
    program,
    serving,
    until,
)
from tests.virtual_time import LoopClock

INSECURE = TlsConfig(verify="insecure")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def good(authority: Authority) -> Signed:
    return authority.leaf("good", "DNS:localhost", "IP:127.0.0.1")


@pytest.fixture(scope="module")
def alone(authority: Authority) -> Signed:
    return authority.self_signed("alone", "DNS:localhost")


@pytest.fixture(scope="module")
def expired(authority: Authority) -> Signed:
    return authority.leaf("expired", "DNS:localhost", days=-1)


@pytest.fixture
def known_root(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine trust the authority, as if an administrator had installed it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.root.certificate))


def own_ca(authority: Authority, **more: Any) -> TlsConfig:
    return TlsConfig(verify="ca-file", ca_file=authority.root.certificate, **more)


async def probed(server: Signed, trust: TlsConfig | None, host: str = "localhost") -> ProbeReport:
    async with EmulatedPool(tls=server.server()) as pool:
        return await probe(pool_at(f"stratum+ssl://{host}:{pool.port}", trust))


async def refusal(server: Signed, trust: TlsConfig | None, host: str = "localhost") -> TlsError:
    """Return why a pool with this certificate is not trusted; it must not hear a word."""
    async with serving(tls=server.server()) as peer:
        url = parse_pool_url(f"stratum+ssl://{host}:{peer.port}")
        collector = Collector()
        with pytest.raises(TlsError) as caught:
            await Route(pool_at(str(url), trust)).dial(url, collector)
    assert collector.transport is None, "the pool's side was let through"
    assert b"".join(peer.heard) == b""
    return caught.value


# --- whom one trusts ---


@pytest.mark.usefixtures("known_root")
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_chain_up_to_a_ca_of_the_machine_is_trusted(good: Signed, host: str) -> None:
    report = await probed(good, None, host)

    assert report.error is None
    assert report.authorized
    assert report.link
    assert report.link.tls
    assert report.link.tls.version == "TLSv1.3"
    assert report.link.tls.verify == "system"
    assert report.link.tls.certificate.der == good.der()
    assert report.link.tls.pin == good.key_digest().hex()


async def test_a_ca_of_ones_own_is_trusted_as_root_or_as_intermediate(
    authority: Authority, good: Signed
) -> None:
    by_root = await probed(good, own_ca(authority))
    by_intermediate = await probed(
        good, TlsConfig(verify="ca-file", ca_file=authority.intermediate.certificate)
    )

    assert by_root.error is by_intermediate.error is None


@pytest.mark.parametrize("which", ["certificate", "key", "both, one of them wrong"])
async def test_a_pin_makes_a_self_signed_pool_trusted(alone: Signed, which: str) -> None:
    pins = {
        "certificate": (alone.digest(),),
        "key": (alone.key_digest(),),
        "both, one of them wrong": (bytes(32), alone.key_digest()),
    }[which]

    report = await probed(alone, TlsConfig(verify="pin", pin_sha256=pins))

    assert report.error is None
    assert report.authorized


async def test_a_pin_makes_an_expired_certificate_for_another_host_trusted(
    expired: Signed,
) -> None:
    trust = TlsConfig(verify="pin", pin_sha256=(expired.key_digest(),))

    assert (await probed(expired, trust, "127.0.0.1")).error is None


async def test_insecure_takes_anybody_and_says_so_at_each_connect(alone: Signed) -> None:
    log = RecordingLog()
    async with serving(tls=alone.server()) as peer:
        config = pool_at(f"stratum+ssl://localhost:{peer.port}", INSECURE)
        route = Route(config)
        for _ in range(2):
            collector = Collector()
            await route.dial(config.url, collector)
            route.report(log)
            collector.close()

    warnings = log.named("tls.insecure")
    assert [fields["pin"] for fields in warnings] == 2 * [alone.key_digest().hex()]


async def test_the_name_of_the_host_is_in_the_first_message(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    context = authority.leaf("pool", "DNS:eu.pool.example").server()
    context.sni_callback = lambda _, name, __: asked.append(name)
    async with serving(tls=context) as peer:
        here = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", peer.port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [here])
        url = parse_pool_url(f"stratum+ssl://EU.pool.example.:{peer.port}")
        collector = Collector()
        await Route(pool_at(str(url), own_ca(authority))).dial(url, collector)
        collector.close()

    assert asked == ["eu.pool.example"]


# --- whom one does not trust ---


async def test_an_unknown_issuer_is_told_with_the_line_that_would_trust_it(
    alone: Signed,
) -> None:
    error = await refusal(alone, None)

    assert "signed by itself, which nobody here knows" in error.problem
    line = error.problem.partition("[[pool]]: ")[2]
    text = f'[[pool]]\nurl = "stratum+ssl://localhost:1"\nuser = "a"\n{line}\n'
    [pool] = read_config(text.encode(), name="f.toml", environ={}).pools
    assert pool.trust == TlsConfig(verify="pin", pin_sha256=(alone.key_digest(),))
    assert (await probed(alone, pool.trust)).error is None


async def test_an_unknown_ca_is_named(good: Signed) -> None:
    error = await refusal(good, None)

    assert "signed by CN=Test Intermediate, which nobody here knows" in error.problem


async def test_an_expired_certificate_is_told_with_its_date(
    authority: Authority, expired: Signed
) -> None:
    error = await refusal(expired, own_ca(authority))

    end = openssl(
        *("x509", "-in", str(expired.certificate), "-noout", "-enddate", "-dateopt", "iso_8601")
    )
    date = end.decode().strip().partition("=")[2][:16]
    assert f"the certificate expired on {date} UTC" in error.problem
    assert "is the clock right?" in error.problem


async def test_a_certificate_for_others_is_told_with_its_names(authority: Authority) -> None:
    other = authority.leaf("other", "DNS:a.example", "DNS:b.example")

    error = await refusal(other, own_ca(authority))

    assert error.problem == "the certificate is for a.example, b.example, not for localhost"


async def test_an_address_must_be_in_the_certificate_too(authority: Authority) -> None:
    named = authority.leaf("named", "DNS:localhost")

    error = await refusal(named, own_ca(authority), "127.0.0.1")

    assert error.problem == "the certificate is for localhost, not for 127.0.0.1"


@pytest.mark.parametrize("verify", ["pin", "system", "ca-file"])
@pytest.mark.usefixtures("known_root")
async def test_a_pin_that_does_not_fit_ends_it_and_shows_both_digests(
    authority: Authority, good: Signed, alone: Signed, verify: Any
) -> None:
    trust = TlsConfig(
        verify=verify,
        ca_file=authority.root.certificate if verify == "ca-file" else None,
        pin_sha256=(alone.digest(), alone.key_digest()),
    )

    error = await refusal(good, trust)

    assert isinstance(error, PinMismatchError)
    assert error.certificate == good.digest().hex()
    assert error.public_key == good.key_digest().hex()
    assert error.certificate in str(error)
    assert error.public_key in str(error)


async def test_a_pin_beside_the_machines_cas_does_not_replace_them(alone: Signed) -> None:
    error = await refusal(alone, TlsConfig(pin_sha256=(alone.key_digest(),)))

    assert "signed by itself" in error.problem


async def test_a_ca_file_that_is_none_is_told_before_anybody_is_dialled(
    good: Signed, tmp_path: Path
) -> None:
    (tmp_path / "junk.pem").write_text("not PEM")

    for name, problem in (("junk.pem", "holds no certificate"), ("gone.pem", "No such file")):
        trust = TlsConfig(verify="ca-file", ca_file=tmp_path / name)
        async with serving(tls=good.server()) as peer:
            url = parse_pool_url(f"stratum+ssl://localhost:{peer.port}")
            with pytest.raises(TlsError, match=problem):
                await Route(pool_at(str(url), trust)).dial(url, Collector())
        assert peer.heard == []


# --- handshakes that come to nothing ---


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.close()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b'{"id":null,"method":"mining.notify","params":[]}\n' * 20)


async def half_a_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(bytes.fromhex("160303007a0200007603"))


async def noise_in_a_record(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(bytes.fromhex("1603030040") + bytes(range(64)))


@pytest.mark.parametrize(
    ("talk", "problem"),
    [
        (hang_up, "the pool hung up in the handshake"),
        (reset, "the pool hung up in the handshake"),
        (babble, "what answers there does not speak TLS"),
        (noise_in_a_record, ""),
    ],
)
async def test_what_is_no_handshake_is_told_and_never_met_in_plain(talk: Any, problem: str) -> None:
    async with serving(talk) as peer:
        url = parse_pool_url(f"stratum+ssl://localhost:{peer.port}")
        with pytest.raises(TlsError) as caught:
            await Route(pool_at(str(url), INSECURE)).dial(url, Collector())

    assert problem in caught.value.problem
    assert len(peer.heard) == 1, "it was tried once more"
    assert b"mining." not in peer.heard[0]


@pytest.mark.parametrize("talk", [None, half_a_hello])
async def test_a_handshake_that_does_not_end_has_a_deadline_of_its_own(talk: Any) -> None:
    deadlines = replace(Deadlines(), connect=PATIENCE, tls=0.1)
    async with serving(talk) as peer:
        url = parse_pool_url(f"stratum+ssl://localhost:{peer.port}")
        with pytest.raises(TlsError) as caught:
            await Route(pool_at(str(url), deadlines=deadlines)).dial(url, Collector())

    assert "no handshake within 0.1 s" in caught.value.problem
    assert "stratum+tcp://" in caught.value.problem
    assert all(heard[:1] == b"\x16" for heard in peer.heard)


async def test_a_pool_without_tls_1_2_is_not_spoken_to(good: Signed) -> None:
    context = good.server()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with serving(tls=context) as peer:
        url = parse_pool_url(f"stratum+ssl://localhost:{peer.port}")
        with pytest.raises(TlsError, match="TLS: the pool"):
            await Route(pool_at(str(url), INSECURE)).dial(url, Collector())

    assert b"".join(peer.heard) == b""


# --- the other way round: TLS where plain was asked for ---


async def ended_plain(port: int) -> StratumError:
    report = await probe(pool_at(f"stratum+tcp://127.0.0.1:{port}", configure=False))
    assert report.error
    return report.error


async def test_a_tls_port_spoken_to_in_plain_is_recognized(good: Signed) -> None:
    async def alert(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(bytes.fromhex("15030300020246"))
        writer.close()

    async with EmulatedPool(tls=good.server()) as pool:
        error = await ended_plain(pool.port)
    async with serving(alert) as peer:
        alerted = await ended_plain(peer.port)

    assert isinstance(error, ConnectionLostError)
    assert "stratum+ssl://" in error.reason
    assert "it speaks TLS" in str(alerted)


# --- a connection that lives ---


async def test_a_goodbye_in_mid_stream_ends_the_connection(good: Signed) -> None:
    async def say_and_go(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"half a li")
        await writer.drain()
        writer.close()

    async with serving(say_and_go, tls=good.server()) as peer:
        url = parse_pool_url(f"stratum+ssl://localhost:{peer.port}")
        collector = Collector()
        await Route(pool_at(str(url), INSECURE)).dial(url, collector)
        async with asyncio.timeout(PATIENCE):
            await collector.lost.wait()

    assert collector.data == b"half a li"


class Chatterbox:
    """Stands for a session that always has more to say."""

    def start(self, now: float) -> None:
        pass

    def data_to_send(self) -> bytes:
        return b"x" * 65536


def pushed(connection: Connection) -> bool:
    """Write once more; return whether that was the end."""
    connection.flush()
    return connection.lost.done()


async def test_a_pool_that_reads_nothing_is_left_in_good_time(good: Signed) -> None:
    async def listen_to_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # typeshed lacks it
        await asyncio.Event().wait()

    now = asyncio.get_running_loop().time
    async with serving(listen_to_nothing, tls=good.server()) as peer:
        url = parse_pool_url(f"stratum+ssl://localhost:{peer.port}")
        session = cast("Session", Chatterbox())
        connection = Connection(session, url.address, lambda _: None, now, 0.05)
        await Route(pool_at(str(url), INSECURE)).dial(url, connection)
        await until(lambda: pushed(connection))

    assert "read" in str(connection.lost.result())


async def test_a_large_answer_comes_whole(good: Signed) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(64):
            writer.write(b"y" * 65536)
            await writer.drain()
        writer.close()

    async with serving(flood, tls=good.server()) as peer:
        url = parse_pool_url(f"stratum+ssl://localhost:{peer.port}")
        collector = Collector()
        await Route(pool_at(str(url), INSECURE)).dial(url, collector)
        async with asyncio.timeout(PATIENCE):
            await collector.lost.wait()

    assert collector.data == b"y" * (64 * 65536)


# --- redirects ---


def running(config: PoolConfig, log: RecordingLog) -> Pool:
    clock = LoopClock()
    return Pool(config, Miner(clock), clock=clock, random=Random(1), log=log, hashrate=lambda: 0.0)


@pytest.mark.parametrize("target", ["plain", "another key"])
async def test_a_redirect_keeps_tls_and_the_pin(good: Signed, alone: Signed, target: str) -> None:
    log = RecordingLog()
    trust = TlsConfig(verify="pin", pin_sha256=(good.key_digest(),))
    elsewhere = serving(hang_up) if target == "plain" else serving(tls=alone.server())
    async with EmulatedPool(tls=good.server()) as pool, elsewhere as peer:
        config = pool_at(f"stratum+ssl://localhost:{pool.port}", trust)
        async with asyncio.TaskGroup() as group, asyncio.timeout(PATIENCE):
            mining = group.create_task(running(config, log).run())
            await until(lambda: log.named("job.new"))
            pool.ask("client.reconnect", "localhost", peer.port, 0)
            await until(lambda: tls_errors(log))
            mining.cancel()

    [error] = tls_errors(log)
    assert f"localhost:{peer.port}" in error
    assert (
        "hung up in the handshake" if target == "plain" else "no pin in pin_sha256 fits"
    ) in error
    assert all(b"mining." not in heard for heard in peer.heard)


def tls_errors(log: RecordingLog) -> list[str]:
    errors = [str(fields["error"]) for fields in log.named("pool.lost")]
    return [error for error in errors if "TLS" in error]


# --- a TLS front that others wrote ---


async def test_a_pool_behind_stunnel_is_mined_at(
    authority: Authority, good: Signed, tmp_path: Path
) -> None:
    command = needs("stunnel4", "stunnel4")
    async with EmulatedPool() as pool:
        port = free_port()
        settings = tmp_path / "stunnel.conf"
        settings.write_text(
            "foreground = yes\npid =\n[pool]\n"
            f"accept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{pool.port}\n"
            f"cert = {good.chain}\nkey = {good.key}\n"
        )
        with program(command, str(settings)):
            await listening(port)
            url = f"stratum+ssl://localhost:{port}"
            trusted = await probe(pool_at(url, own_ca(authority)))
            with pytest.raises(TlsError, match="nobody here knows"):
                await probe(pool_at(url))

    assert trusted.error is None
    assert trusted.job
    assert trusted.link
    assert trusted.link.tls
    assert trusted.link.tls.certificate.fingerprint == good.digest()
