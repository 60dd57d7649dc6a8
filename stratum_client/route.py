"""The way to one pool: directly or through a proxy, plainly or by TLS, with a deadline each.

TLS is never given up for plain TCP, and a redirect goes the same way: the same proxy, the same
trust.
"""

import asyncio
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

from drivers.api import Log
from stratum_client.certificate import Certificate
from stratum_client.config import Deadlines, PoolConfig
from stratum_client.config_way import ONION_NEEDS_PROXY, is_onion
from stratum_client.dialling import Address, KnownAddresses, connected_socket, peer_of, tune
from stratum_client.errors import ConnectError, StratumError, TlsError
from stratum_client.pool_url import PoolUrl
from stratum_client.proxy import socket_through
from stratum_client.proxy_url import ProxyUrl
from stratum_client.tls import (
    CaFileError,
    CertificateViewer,
    Gate,
    TlsFacts,
    client_context,
    host_for_tls,
)
from stratum_client.tls_problems import PLAIN_HINT, handshake_problem, trust_problem

SHUTDOWN = 1.0
"""Seconds that the pool has to answer our goodbye of TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFacts:
    """A connection that was made; ``address`` is None where a proxy knows it."""

    address: Address | None
    proxy: ProxyUrl | None
    tls: TlsFacts | None


class Route:
    """How to reach the pool of ``config``, and what was learnt on the way.

    ``link`` is the last connection that was made.
    """

    def __init__(self, config: PoolConfig) -> None:
        self.link: LinkFacts | None = None
        self._trust = config.trust
        self._proxy = config.via
        self._deadlines = config.deadlines
        self._known = KnownAddresses()
        self._address: Address | None = None

    def adjust(self, deadlines: Deadlines) -> None:
        """Go by other deadlines from the next connection on."""
        self._deadlines = deadlines

    async def dial(self, url: PoolUrl, protocol: asyncio.Protocol) -> None:
        """Connect ``protocol`` to ``url``; raise ConnectError, after which it was never called."""
        self._set_out()
        try:
            tls = await self._joined(url, protocol)
        except ConnectError:
            self._known.failed(self._address)
            raise
        if self._address:
            self._known.worked(self._address)
        self.link = LinkFacts(address=self._address, proxy=self._proxy, tls=tls)

    def disappointed(self) -> None:
        """Note that the address of the last connection turned out to be of no use."""
        self._known.failed(self._address)

    def report(self, log: Log) -> None:
        """Log how the last connection was made, where that is more than plain TCP."""
        link = self.link
        if link is None or (link.tls is None and link.proxy is None):
            return
        fields: dict[str, object] = {"proxy": str(link.proxy)} if link.proxy else {}
        if link.tls:
            fields |= {"tls": link.tls.version, "certificate": link.tls.certificate.subject}
        log.info("pool.connected", **fields)
        if link.tls and link.tls.verify == "insecure":
            log.warning("tls.insecure", text="anybody may be at the other end", pin=link.tls.pin)

    def _set_out(self) -> None:
        self.link = self._address = None

    async def _joined(self, url: PoolUrl, protocol: asyncio.Protocol) -> TlsFacts | None:
        if url.transport == "tls":
            return await self._secured(url, protocol)
        sock = await self._connected(url)
        await asyncio.get_running_loop().create_connection(lambda: protocol, sock=sock)
        return None

    async def _secured(self, url: PoolUrl, protocol: asyncio.Protocol) -> TlsFacts:
        gate = Gate(protocol, url.address, self._trust)
        try:
            context = await asyncio.to_thread(client_context, self._trust)
        except CaFileError as error:
            raise TlsError(url.address, str(error)) from error
        sock = await self._connected(url)
        try:
            await self._handshake(url, sock, context, gate)
        except ssl.SSLCertVerificationError as error:
            seen = await self._certificate_shown(url)
            problem = trust_problem(error, seen, host_for_tls(url.host), datetime.now(tz=UTC))
            raise TlsError(url.address, problem) from error
        if gate.problem:
            raise gate.problem
        if gate.facts is None:
            raise TlsError(url.address, handshake_problem(ConnectionResetError()))
        return gate.facts

    async def _handshake(
        self, url: PoolUrl, sock: socket.socket, context: ssl.SSLContext, protocol: asyncio.Protocol
    ) -> None:
        """Put TLS on ``sock``; raise TlsError or SSLCertVerificationError, the socket closed."""
        seconds = self._deadlines.tls
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().create_connection(
                    lambda: protocol,
                    sock=sock,
                    ssl=context,
                    server_hostname=host_for_tls(url.host),
                    ssl_handshake_timeout=2 * seconds,  # ours comes first and says more
                    ssl_shutdown_timeout=SHUTDOWN,
                )
        except TimeoutError:
            problem = f"no handshake within {seconds:g} s; {PLAIN_HINT}"
            raise TlsError(url.address, problem) from None
        except ssl.SSLCertVerificationError:
            raise
        except OSError as error:
            raise TlsError(url.address, handshake_problem(error)) from error

    async def _certificate_shown(self, url: PoolUrl) -> Certificate | None:
        """Return the certificate that a pool shows to anybody; None if it cannot be had."""
        viewer, context = CertificateViewer(), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            await self._handshake(url, await self._connected(url), context, viewer)
        except StratumError:
            return None
        return viewer.certificate

    async def _connected(self, url: PoolUrl) -> socket.socket:
        """Return a socket connected to ``url``, through the proxy if there is one."""
        slow = is_onion(url.host) or (self._proxy is not None and self._proxy.isolates)
        seconds = self._deadlines.connect_tor if slow else self._deadlines.connect
        try:
            async with asyncio.timeout(seconds):
                sock = await self._socket_to(url)
        except TimeoutError:
            by = f" by the proxy {self._proxy}" if self._proxy else ""
            problem = f"no connection within {seconds:g} s{by}"
            raise ConnectError(url.address, problem) from None
        except (OSError, UnicodeError) as error:
            raise ConnectError(url.address, _plain_reason(error)) from error
        tune(sock, self._deadlines)
        self._address = None if self._proxy else peer_of(sock)
        return sock

    async def _socket_to(self, url: PoolUrl) -> socket.socket:
        if self._proxy:
            return await socket_through(self._proxy, url.host, url.port, url.address)
        if is_onion(url.host):
            raise ConnectError(url.address, ONION_NEEDS_PROXY)
        return await connected_socket(url.host, url.port, self._known)


def _plain_reason(error: Exception) -> str:
    """Return why dialling failed, in words; several addresses give several errors."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: nothing listens there"
    if isinstance(error, socket.gaierror):
        return f"the name cannot be resolved ({error.strerror})"
    return str(error) or type(error).__name__
