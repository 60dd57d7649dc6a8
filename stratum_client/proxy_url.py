"""Addresses of SOCKS5 proxies: read, shown without what is secret in them, made one per pool.

Rule of isolation: a proxy is taken for Tor if its port is 9050 or 9150 and its address has no user
name, or if ``#isolate`` stands behind it. Tor builds a circuit of its own for each user name, so
each pool then gets a name made of its own: no exit sees that two pools are mined at by one rig.

Source: Tor's manual, tor(1): SocksPort (9050; 9150 in Tor Browser) and IsolateSOCKSAuth;
RFC 1929: names and passwords have 1 to 255 bytes.
"""

import hashlib
import re
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote_to_bytes

from stratum_client.pool_url import PoolUrlError, parse_pool_url

EXAMPLE = "socks5://127.0.0.1:9050"

_TOR_PORTS = (9050, 9150)
_SCHEMES = ("socks5", "socks5h")
_LONGEST = 1200


class ProxyUrlError(ValueError):
    """A text is not the address of a SOCKS5 proxy; no part of it is repeated."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"{problem}; a proxy looks like {EXAMPLE} or socks5://USER:PASSWORD@HOST:PORT"
        )
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyUrl:
    """A SOCKS5 proxy; ``host`` as in a pool's address. Names are passed on to it, never resolved.

    With ``isolates`` each pool logs in under a name of its own.
    """

    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    isolates: bool = False

    def __str__(self) -> str:
        """Return the address without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"socks5://{host}:{self.port}"

    @property
    def text(self) -> str:
        """Return the address with all that is secret in it, so that it can be read again."""
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        return str(self).replace("://", f"://{login}", 1) + ("#isolate" if self.isolates else "")

    def for_pool(self, name: str) -> "ProxyUrl":
        """Return it as the pool called ``name`` is to use it."""
        if not self.isolates:
            return self
        own = hashlib.sha256(name.encode()).hexdigest()[:16]
        return replace(self, user=f"stratum-{own}", password=own)


def parse_proxy_url(text: str) -> ProxyUrl:
    """Return the proxy written as ``text``; raise ProxyUrlError, which repeats nothing of it."""
    if len(text) > _LONGEST:
        raise ProxyUrlError(f"the address is longer than {_LONGEST} characters")
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise ProxyUrlError("the scheme is missing")
    if scheme.lower() not in _SCHEMES:
        raise ProxyUrlError(
            "only SOCKS5 is known, socks5:// or socks5h:// (they are the same here)"
        )
    rest, _, flag = rest.partition("#")
    if flag not in ("", "isolate"):
        raise ProxyUrlError('only "isolate" may stand behind the "#"')
    login, has_login, authority = rest.rpartition("@")
    user, password = _login(login) if has_login else ("", "")
    if user and flag:
        raise ProxyUrlError('with "#isolate" each pool gets a name of its own: leave the user out')
    try:
        place = parse_pool_url(f"tcp://{authority}")
    except PoolUrlError:  # its text repeats what might be half a password
        raise ProxyUrlError("host or port is missing or wrong") from None
    isolates = bool(flag) or (not user and place.port in _TOR_PORTS)
    return ProxyUrl(
        host=place.host, port=place.port, user=user, password=password, isolates=isolates
    )


def _login(text: str) -> tuple[str, str]:
    user, has_password, password = text.partition(":")
    parts = (_decoded(user), _decoded(password))
    if not has_password or not all(re.fullmatch("[ -~]{1,255}", part) for part in parts):
        raise ProxyUrlError(
            "before the @ stand USER:PASSWORD, 1 to 255 plain characters each; write what is none"
            " of letters, digits, - and _ as %40"
        )
    return parts


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode("latin-1")
