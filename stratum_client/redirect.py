"""Whether to follow `client.reconnect`; anybody on the path of plain TCP can forge it. Pure.

Rule: no host means the configured address; a host is followed inside the registrable domain of
the configured one, an IP address only when it is the same. TLS is kept. The target holds for one
session and is never written down. What is allowed can be narrowed to the host, or to nothing.
"""

import ipaddress
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Literal

from stratum_client.pool_url import PoolUrl
from stratum_client.wire import number_in, printable

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

LONGEST_WAIT = 600.0
MAX_PER_HOUR = 3
_HOST = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Where to dial for one session, and after how many seconds."""

    url: PoolUrl
    wait: float


class RedirectRefusedError(ValueError):
    """The pool wants us where we do not go; the text says why."""


Allowed = Literal["same-domain", "same-host", "never"]


def redirect_of(
    url: PoolUrl, params: tuple[object, ...], allow: Allowed = "same-domain"
) -> Redirect:
    """Return where ``params`` of client.reconnect lead from ``url``; raise RedirectRefusedError."""
    if allow == "never":
        raise RedirectRefusedError("the configuration allows none")
    host, port, wait = (*params, None, None, None)[:3]
    target = replace(url, host=_host(url, host), port=_port(url, port))
    if allow == "same-host" and target.host != url.host:
        raise RedirectRefusedError(f"{target.host} is another host than {url.host}")
    return Redirect(url=target, wait=_wait(wait))


def _host(url: PoolUrl, host: object) -> str:
    if host is None or host == "":
        return url.host
    if not isinstance(host, str) or len(host) > 253:
        raise RedirectRefusedError("the host is no name")
    wanted, ours = _normal(host), _normal(url.host)
    if wanted == ours:
        return url.host
    if _is_address(wanted) or _is_address(ours):
        raise RedirectRefusedError(f"{printable(host, 80)} is another address than {url.host}")
    if not _HOST.fullmatch(wanted) or any(len(label) > 63 for label in wanted.split(".")):
        raise RedirectRefusedError(f"{printable(host, 80)!r} is no host name")
    if registrable_domain(wanted) != registrable_domain(ours):
        raise RedirectRefusedError(f"{wanted} is outside the domain of {ours}")
    return wanted


def _normal(host: str) -> str:
    """Return a name in small letters without the dot of the root, an IP address in short form."""
    name = host.lower().removesuffix(".").removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


def registrable_domain(host: str) -> str:
    """Return the part of a name that one owner holds (``pool.co.uk`` of ``eu.pool.co.uk``).

    Uses the public suffix list, so that nobody is sent from one customer of a registry to another;
    a name that is itself a public suffix, or has a single label, stands for itself.
    """
    return _public_suffixes().privatesuffix(host) or host


@cache
def _public_suffixes() -> "PublicSuffixList":
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415  # slow, needed once in months

    return PublicSuffixList()


def _port(url: PoolUrl, port: object) -> int:
    number = number_in(port)
    if port is None or port == "" or number == 0:
        return url.port
    if number is None or number != int(number) or not 1 <= number <= 65535:
        raise RedirectRefusedError(f"{printable(port, 40)!r} is no port")
    return int(number)


def _wait(wait: object) -> float:
    number = number_in(wait)
    return min(max(float(number), 0.0), LONGEST_WAIT) if number is not None else 0.0


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # Resolvers take 127.1, 0x7f.1 and 017700000001 for addresses, too.
        return bool(re.fullmatch(r"[0-9]*|0x[0-9a-f]*", host.rpartition(".")[2]))
    return True
