"""What `stratum-client doctor` asks of pools: is the host known, can one log in, is there a job."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from shlex import quote

from stratum_client.config import PoolConfig
from stratum_client.doctor import Check, Status
from stratum_client.errors import AuthorizationError, ConnectError
from stratum_client.link_text import link_warning, link_words
from stratum_client.pool_probe import ProbeReport, probe

RESOLVE_WAIT = 10.0
"""Seconds for the name server; resolvers themselves give up after 5 to 30."""

Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]
Probe = Callable[[PoolConfig], Awaitable[ProbeReport]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFacts:
    """What came of trying one pool; ``report`` is None if it was not reached, ``error`` says why.

    ``addresses`` is empty if its host is unknown, then ``error`` is the resolver's.
    """

    pool: PoolConfig
    addresses: tuple[str, ...] = ()
    report: ProbeReport | None = None
    error: str = ""


async def resolved(host: str, port: int) -> tuple[str, ...]:
    """Return the addresses of ``host``; raise OSError or UnicodeError if it has none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


async def pool_facts(
    pools: Iterable[PoolConfig], *, resolve: Resolve = resolved, ask: Probe = probe
) -> list[PoolFacts]:
    """Return what came of trying each pool, all at the same time."""
    return list(await asyncio.gather(*(_tried(pool, resolve, ask) for pool in pools)))


def pool_checks(found: Iterable[PoolFacts]) -> list[Check]:
    """Return two checks for each pool, its name and itself; one that says so if there is none."""
    checks = [check for facts in found for check in _checks(facts)]
    return checks or [
        Check(
            name="pools",
            text="none configured, none tried",
            fix="stratum-client doctor --pool URL --user ADDRESS.WORKER",
        )
    ]


async def _tried(pool: PoolConfig, resolve: Resolve, ask: Probe) -> PoolFacts:
    if pool.via:  # resolving the name here would tell whom the proxy is to hide
        return await _asked(pool, (), ask)
    try:
        async with asyncio.timeout(RESOLVE_WAIT):
            addresses = await resolve(pool.url.host, pool.url.port)
    except TimeoutError:
        return PoolFacts(pool=pool, error=f"no answer within {RESOLVE_WAIT:g} s")
    except (OSError, UnicodeError) as error:
        return PoolFacts(pool=pool, error=getattr(error, "strerror", None) or str(error))
    return await _asked(pool, addresses, ask)


async def _asked(pool: PoolConfig, addresses: tuple[str, ...], ask: Probe) -> PoolFacts:
    try:
        return PoolFacts(pool=pool, addresses=addresses, report=await ask(pool))
    except ConnectError as error:
        return PoolFacts(pool=pool, addresses=addresses, error=str(error))


def _checks(facts: PoolFacts) -> list[Check]:
    if facts.pool.via:
        return [_session_check(facts)]
    return [_name_check(facts), *([_session_check(facts)] if facts.addresses else [])]


def _name_check(facts: PoolFacts) -> Check:
    host = facts.pool.url.host
    name = f"DNS {facts.pool.name or host}"
    if facts.addresses == (host,):
        return Check(name=name, text=f"{host} is an address, not a name")
    if facts.addresses:
        more = len(facts.addresses) - 2
        shown = ", ".join(facts.addresses[:2]) + (f" and {more} more" if more > 0 else "")
        return Check(name=name, text=f"{host} is {shown}")
    text = f"{host} is not known: {facts.error}; is it spelled right, is there a network?"
    return Check(name=name, status=Status.FAIL, text=text, fix=f"getent hosts {quote(host)}")


def _session_check(facts: PoolFacts) -> Check:
    pool, report = facts.pool, facts.report
    name, url = f"pool {pool.name or pool.url.host}", str(pool.url)
    problem = facts.error
    if report is not None and report.error is not None:
        problem = str(report.error)
        if isinstance(report.error, AuthorizationError):
            problem += "; user or password is wrong there"
    test = f"stratum-client pools test {quote(url)} --user {quote(pool.user)}{_way(pool)}"
    if not problem and report is not None:
        warning = link_warning(report.link, datetime.now(tz=UTC)) if report.link else ""
        text = f"{url}: {_times(report)}"
        if warning:
            return Check(name=name, status=Status.WARNING, text=f"{text}; {warning}", fix=test)
        return Check(name=name, text=text)
    text = problem if pool.url.address in problem else f"{url}: {problem}"
    return Check(name=name, status=Status.FAIL, text=text, fix=test)


def _way(pool: PoolConfig) -> str:
    """Return the options that go the way of ``pool``; a proxy's login is left out."""
    words = [f"--proxy {quote(str(pool.via))}"] if pool.via else []
    if pool.trust.verify == "pin":
        words.append(f"--pin {pool.trust.pin_sha256[0].hex()}")
    if pool.trust.verify == "insecure":
        words.append("--insecure")
    return "".join(f" {word}" for word in words)


def _times(report: ProbeReport) -> str:
    words = [link_words(report.link)] if report.link and link_words(report.link) else []
    words += [f"connected in {1000 * report.connect_seconds:.0f} ms"]
    if report.round_trip is not None:
        words.append(f"answered in {1000 * report.round_trip:.0f} ms")
    words.append("logged in" if report.authorized else "not logged in")
    words.append(f"difficulty {report.difficulty:g}")
    if report.job:
        words.append(
            "sent a job" + (f" at height {report.job.height}" if report.job.height else "")
        )
    return ", ".join(words)
