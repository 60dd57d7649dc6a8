"""Whether a pool's TLS settings, its proxy and its address fit each other. Pure."""

from stratum_client.config import PoolConfig, TlsConfig
from stratum_client.proxy_url import EXAMPLE, ProxyUrl

ONION_NEEDS_PROXY = f'an .onion name is known to Tor alone: give proxy = "{EXAMPLE}"'

_WHERE_PINS_COME_FROM = "`stratum-client pools test URL --user USER --insecure` shows the pool's"


def way_problem(pool: PoolConfig) -> tuple[tuple[str, ...], str] | None:
    """Return the key that does not fit, as a path inside the pool, and why; None if all is well."""
    if is_onion(pool.url.host) and not isinstance(pool.proxy, ProxyUrl):
        return ("url",), ONION_NEEDS_PROXY
    if pool.tls is None:
        return None
    if pool.url.transport != "tls":
        return ("tls",), f"{pool.url} is not TLS: write {_with_tls(pool)}, or leave tls out"
    return _tls_problem(pool.tls)


def is_onion(host: str) -> bool:
    """Return whether ``host`` is a name that only Tor knows."""
    return host.lower().rstrip(".").endswith(".onion")


def _tls_problem(tls: TlsConfig) -> tuple[tuple[str, ...], str] | None:
    if tls.verify == "ca-file" and tls.ca_file is None:
        return ("tls",), 'verify = "ca-file" needs ca_file = "PATH" of a PEM file'
    if tls.verify != "ca-file" and tls.ca_file is not None:
        return ("tls", "ca_file"), 'is only read with verify = "ca-file"'
    if tls.verify == "pin" and not tls.pin_sha256:
        return ("tls",), f'verify = "pin" needs pin_sha256; {_WHERE_PINS_COME_FROM}'
    if tls.verify == "insecure" and tls.pin_sha256:
        return ("tls", "verify"), '"insecure" looks at no pin: write "pin", or leave pin_sha256 out'
    return None


def _with_tls(pool: PoolConfig) -> str:
    return f"stratum+ssl://{pool.url.address}"
