"""What `pools test` and `doctor` say of the way to a pool."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stratum_client.certificate import Certificate
from stratum_client.config import PoolConfig, TlsConfig
from stratum_client.doctor import Status
from stratum_client.doctor_pools import pool_checks, pool_facts
from stratum_client.link_text import link_facts, link_warning, link_words
from stratum_client.pool_probe import ProbeReport
from stratum_client.proxy_url import parse_proxy_url
from stratum_client.route import LinkFacts
from stratum_client.tls import TlsFacts
from tests.tls_peers import pool_at

NOW = datetime.now(tz=UTC)
PROXY = parse_proxy_url("socks5://bob:hunter22@proxy.example:1080")
CERTIFICATE = Certificate(
    der=b"certificate",
    public_key=b"key",
    subject="CN=pool.example",
    issuer="CN=Some CA",
    not_before=NOW - timedelta(days=30),
    not_after=NOW + timedelta(days=60),
    names=("pool.example",),
)
# printf key | sha256sum
KEY_DIGEST = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"


def link(*, left: float = 60, proxy: bool = False, **more: Any) -> LinkFacts:
    certificate = replace(CERTIFICATE, not_after=NOW + timedelta(days=left))
    facts: dict[str, Any] = {
        "version": "TLSv1.3",
        "cipher": "AES",
        "verify": "system",
        "certificate": certificate,
    }
    return LinkFacts(address=None, proxy=PROXY if proxy else None, tls=TlsFacts(**(facts | more)))


def test_facts_hold_all_that_a_pin_needs_and_no_login() -> None:
    facts = link_facts(link(proxy=True))

    assert facts["proxy"] == "socks5://proxy.example:1080"
    assert facts["pin_sha256"] == KEY_DIGEST
    assert facts["names"] == ["pool.example"]
    assert "hunter22" not in str(facts)
    assert link_facts(LinkFacts(address=None, proxy=None, tls=None)) == {}


def test_a_few_words_name_version_end_and_proxy() -> None:
    until = f"{NOW + timedelta(days=60):%Y-%m-%d}"

    assert link_words(link(proxy=True)) == (
        f"TLSv1.3 until {until} by the proxy socks5://proxy.example:1080"
    )
    assert link_words(LinkFacts(address=None, proxy=None, tls=None)) == ""


@pytest.mark.parametrize(
    ("facts", "warning"),
    [
        (link(), ""),
        (link(left=13.5), "its certificate expires in 13 days"),
        (link(left=-3, verify="pin"), ""),
        (link(verify="insecure"), f'better: pin_sha256 = ["{KEY_DIGEST}"]'),
        (LinkFacts(address=None, proxy=PROXY, tls=None), ""),
    ],
)
def test_a_human_is_warned_of_what_he_should_see_to(facts: LinkFacts, warning: str) -> None:
    assert warning in link_warning(facts, NOW)
    assert bool(warning) == bool(link_warning(facts, NOW))


def report(facts: LinkFacts) -> ProbeReport:
    return ProbeReport(
        connect_seconds=0.01,
        round_trip=0.02,
        extensions=None,
        subscription=None,
        authorized=True,
        difficulty=1.0,
        job=None,
        coinbase=None,
        messages=(),
        error=None,
        link=facts,
    )


def checks_of(config: PoolConfig, facts: LinkFacts) -> Any:
    async def never(host: str, port: int) -> tuple[str, ...]:
        raise AssertionError

    async def ask(config: PoolConfig) -> ProbeReport:
        return report(facts)

    return pool_checks(asyncio.run(pool_facts([config], resolve=never, ask=ask)))


def test_doctor_does_not_resolve_the_name_of_a_pool_behind_a_proxy() -> None:
    config = pool_at("stratum+ssl://pool.example:1", proxy=PROXY)

    [check] = checks_of(config, link(proxy=True))

    assert check.status is Status.OK
    assert "by the proxy socks5://proxy.example:1080, connected in 10 ms" in check.text


def test_doctor_warns_of_trust_in_anybody_with_the_way_to_see_more() -> None:
    config = pool_at("stratum+ssl://pool.example:1", TlsConfig(verify="insecure"), proxy=PROXY)

    [check] = checks_of(config, link(verify="insecure", proxy=True))

    assert check.status is Status.WARNING
    assert "anybody may be at the other end" in check.text
    assert check.fix.endswith("--proxy socks5://proxy.example:1080 --insecure")
    assert "hunter22" not in f"{check.text}{check.fix}"
