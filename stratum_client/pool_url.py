"""Pool addresses: every spelling that miners use, read into one value.

Source: the schemes known to cgminer, bfgminer, sgminer and cpuminer-opt; RFC 3986 for the parts.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Transport = Literal["tcp", "tls"]

EXAMPLE = "stratum+tcp://pool.example:3333"

_SCHEMES: dict[str, Transport] = {
    "stratum+tcp": "tcp",
    "stratum": "tcp",
    "tcp": "tcp",
    "stratum+ssl": "tls",
    "stratum+tls": "tls",
    "stratum+tcps": "tls",
    "ssl": "tls",
    "tls": "tls",
}
_PRINTED: dict[Transport, str] = {"tcp": "stratum+tcp", "tls": "stratum+ssl"}
_FLAGS = ("xnsub", "skipcbcheck", "cksuggest", "redirect", "noredirect")
_MAX_LENGTH = 512
_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"


class PoolUrlError(ValueError):
    """A text is not the address of a Stratum v1 pool; says what was wrong and shows a right one."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}; a pool address looks like {EXAMPLE}")
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolUrl:
    """Where a pool listens; ``host`` is lower case, an IPv6 address without its brackets.

    ``flags`` are the words behind ``#``, such as ``xnsub``.
    """

    transport: Transport
    host: str
    port: int
    flags: frozenset[str] = frozenset()

    @property
    def address(self) -> str:
        """Return ``host:port``, with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        """Return the address with one of two schemes, for fleet tools know no others."""
        return f"{_PRINTED[self.transport]}://{self.address}"


def parse_pool_url(text: str) -> PoolUrl:
    """Return the pool address written as ``text``; raise PoolUrlError if it is none.

    A password inside ``text`` never appears in the error.
    """
    _check_characters(text)
    before, has_scheme, rest = text.partition("://")
    transport = _transport_of(before) if has_scheme else "tcp"
    rest, _, fragment = (rest if has_scheme else text).partition("#")
    flags = _flags_of(fragment)
    if "?" in rest:
        raise PoolUrlError('a pool address has no "?"')
    authority, _, path = rest.partition("/")
    if path.strip("/"):
        raise PoolUrlError(f'a pool address has no path, but "/{path}" follows the port')
    host, port = _split(authority)
    return PoolUrl(transport=transport, host=_host_of(host), port=_port_of(port), flags=flags)


def _check_characters(text: str) -> None:
    if not text:
        raise PoolUrlError("the address is empty")
    if len(text) > _MAX_LENGTH:
        raise PoolUrlError(f"the address is longer than {_MAX_LENGTH} characters")
    if any(character.isspace() or not character.isprintable() for character in text):
        raise PoolUrlError("the address contains a space or an unprintable character")
    if "@" in text:
        raise PoolUrlError(
            "user and password do not belong into the address: give them with --user and"
            " --password, in a file as user and password"
        )


def _transport_of(scheme: str) -> Transport:
    scheme = scheme.lower()
    if scheme in _SCHEMES:
        return _SCHEMES[scheme]
    if scheme.startswith("stratum2"):
        raise PoolUrlError(
            "Stratum v2 is not spoken here: use the address the pool gives for Stratum v1"
        )
    if scheme in {"http", "https"}:
        raise PoolUrlError(
            f"{scheme}:// was for getwork and getblocktemplate, which are not spoken here:"
            " use the pool's Stratum address"
        )
    near = _nearest(scheme, _SCHEMES)
    hint = f"did you mean {near}://?" if near else f"known are {', '.join(_SCHEMES)}"
    raise PoolUrlError(f'"{scheme}://" is not a scheme of Stratum, {hint}')


def _flags_of(fragment: str) -> frozenset[str]:
    flags = [flag for flag in re.split("[#,&]", fragment.lower()) if flag]
    for flag in flags:
        if flag not in _FLAGS and (near := _nearest(flag, _FLAGS)):
            raise PoolUrlError(f'"#{flag}" is not known, did you mean "#{near}"?')
    return frozenset(flags)


def _nearest(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - slow, and needed for errors only

    return next(iter(get_close_matches(word, known, n=1, cutoff=0.75)), "")


def _split(authority: str) -> tuple[str, str]:
    if authority.startswith("["):
        host, closed, port = authority.partition("]")
        if not closed or (port and not port.startswith(":")):
            raise PoolUrlError("an IPv6 address is written as [2001:db8::1]:3333")
        return host + closed, port[1:]
    if authority.count(":") > 1:
        raise PoolUrlError("an IPv6 address needs brackets, as in [2001:db8::1]:3333")
    host, _, port = authority.partition(":")
    return host, port


def _port_of(text: str) -> int:
    if not text:
        raise PoolUrlError("the port is missing")
    port = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0
    if not 1 <= port <= 65535:
        raise PoolUrlError(f'"{text}" is not a port: that is a number from 1 to 65535')
    return port


def _host_of(text: str) -> str:
    if not text:
        raise PoolUrlError("the host name is missing")
    if text.startswith("["):
        return _ip_of(text[1:-1], 6)
    name = _ascii_of(text).lower()
    if re.fullmatch("[0-9.]+", name):
        return _ip_of(name, 4)
    labels = name.removesuffix(".").split(".")
    if len(name) > 253 or not all(re.fullmatch(_LABEL, label) for label in labels):
        raise PoolUrlError(f'"{text}" is not a host name')
    return name


def _ip_of(text: str, version: int) -> str:
    """Return an IP address in its shortest form."""
    import ipaddress  # noqa: PLC0415 - slow, and most pools have a name

    try:
        return str({4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}[version](text))
    except ValueError as error:
        raise PoolUrlError(f'"{text}" is not an IPv{version} address') from error


def _ascii_of(host: str) -> str:
    """Return an internationalized name as it stands in the DNS."""
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise PoolUrlError(f'"{host}" is not a host name') from error
