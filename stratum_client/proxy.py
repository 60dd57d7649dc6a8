"""A connected socket through a SOCKS5 proxy. Host names are passed on, never resolved here.

Source: RFC 1928 section 6 for the replies; Tor's socks-extensions.txt for F0 to F7.
"""

import re
import socket
from typing import TYPE_CHECKING, cast

from stratum_client.dialling import connected_socket
from stratum_client.errors import ProxyError
from stratum_client.proxy_url import ProxyUrl

if TYPE_CHECKING:
    from python_socks.async_.asyncio import Proxy

NEEDS_EXTRA = (
    "SOCKS5 needs the package python-socks; install it with: pip install 'stratum-client[proxy]'"
)

_REPLIES = {
    0x01: "it failed, and does not say why",
    0x02: "its rules do not allow the connection",
    0x03: "it has no way to the pool's network",
    0x04: "it cannot reach the pool's host, or does not know the name",
    0x05: "the pool refused it the connection: nothing listens there",
    0x06: "the connection took it too long",
    0x07: "it does not make connections for others",
    0x08: "it does not take this kind of address",
    0xF0: "Tor does not find the onion service: is the address right, is the service up?",
    0xF1: "Tor finds what the onion service publishes invalid",
    0xF2: "Tor could not introduce itself to the onion service",
    0xF3: "Tor could not meet the onion service",
    0xF4: "the onion service wants clients that it knows",
    0xF5: "the onion service does not know this client",
    0xF6: "the address is none of an onion service: look for a typing mistake",
    0xF7: "Tor's introduction to the onion service took too long",
}


async def socket_through(proxy: ProxyUrl, host: str, port: int, address: str) -> socket.socket:
    """Return a socket that ``proxy`` has connected to ``host``; raise ProxyError.

    ``address`` is how errors name the pool. Has no time limit of its own.
    """
    try:
        from python_socks import ProxyError as RefusedError  # noqa: PLC0415 - an extra
        from python_socks import ProxyType  # noqa: PLC0415 - an extra
        from python_socks.async_.asyncio import Proxy  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ProxyError(address, str(proxy), NEEDS_EXTRA) from error
    try:
        sock = await connected_socket(proxy.host, proxy.port)
    except (OSError, UnicodeError) as error:
        raise ProxyError(address, str(proxy), _unreachable(error)) from error
    client = Proxy(
        ProxyType.SOCKS5,
        proxy.host,
        proxy.port,
        proxy.user or None,
        proxy.password or None,
        rdns=True,
        forward=cast("Proxy", _Connected(sock)),
    )
    try:
        # The caller's deadline is the one that counts.
        return await client.connect(host, port, timeout=86_400)
    except RefusedError as error:
        raise ProxyError(address, str(proxy), _refusal(error, proxy)) from error
    except (OSError, UnicodeError, ValueError) as error:
        problem = f"it hung up ({error.strerror})" if isinstance(error, OSError) else "bad name"
        raise ProxyError(address, str(proxy), problem) from error


class _Connected:
    """What python-socks asks for the way to a proxy: our own dialling has been that way."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def connect(self, *_: object, **__: object) -> socket.socket:
        return self._sock


def _unreachable(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there: is it running?"
    if isinstance(error, socket.gaierror):
        return f"its name cannot be resolved ({error.strerror})"
    return getattr(error, "strerror", None) or str(error)


def _refusal(error: Exception, proxy: ProxyUrl) -> str:
    code, text = getattr(error, "error_code", None), str(error)
    if code is None and (found := re.search("reply code: 0[xX]([0-9A-Fa-f]{1,2})", text)):
        code = int(found[1], 16)
    if code is not None:
        return _REPLIES.get(code, f"it failed with code {code:#04x}")
    if "No acceptable authentication" in text:
        return "it wants another user or password" if proxy.user else "it wants user and password"
    if "password authentication failure" in text:
        return "it does not take this user and password"
    if "end of" in text.lower() or "closed" in text.lower():
        return "it hung up"
    return "what answers there does not speak SOCKS5"
