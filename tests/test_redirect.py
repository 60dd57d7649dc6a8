"""Where a pool may send us, and where not."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.pool_url import parse_pool_url
from stratum_client.redirect import LONGEST_WAIT, RedirectRefusedError, redirect_of
from tests.vectors.load import named, stratum

OURS = parse_pool_url("stratum+ssl://eu.pool.example:3334")


@pytest.mark.parametrize("vector", stratum("reconnect"), ids=named)
def test_redirects_stay_in_the_domain(vector: dict[str, Any]) -> None:
    url = parse_pool_url(vector["pool_url"])
    if vector["decision"] == "deny":
        with pytest.raises(RedirectRefusedError):
            redirect_of(url, tuple(vector["params"]))
        return

    redirect = redirect_of(url, tuple(vector["params"]))

    host, port, wait = vector["params"]
    assert (redirect.url.host, redirect.url.port) == (host, int(port))
    assert redirect.url.transport == url.transport
    assert redirect.wait == min(wait, LONGEST_WAIT)


@pytest.mark.parametrize("params", [(), ("",), ("", 0), (None, None, None), ("EU.pool.example.",)])
def test_no_host_means_the_configured_address(params: tuple[object, ...]) -> None:
    redirect = redirect_of(OURS, params)

    assert redirect.url == OURS
    assert redirect.wait == 0


@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil-pool.example",
            "pool.example.evil.net",
            "example",
            "127.0.0.1",
            "::1",
            "0x7f000001",
        ),
        *("2130706433", "eu.pool.example/x", "eu pool.example", "-a.pool.example", "x" * 300, 5),
    ],
)
def test_a_host_that_only_looks_near_is_refused(host: object) -> None:
    with pytest.raises(RedirectRefusedError):
        redirect_of(OURS, (host, 3333))


@pytest.mark.parametrize("port", [-1, 65536, "x", 1.5, [], True])
def test_a_port_that_is_none_is_refused(port: object) -> None:
    with pytest.raises(RedirectRefusedError, match="port"):
        redirect_of(OURS, ("us.pool.example", port))


@pytest.mark.parametrize(
    ("ours", "wanted"),
    [
        # Public suffixes: neighbours at a registry, of both kinds of the list.
        *(("a.co.uk", "b.co.uk"), ("a.com.br", "b.com.br"), ("co.uk", "a.co.uk")),
        *(("a.duckdns.org", "b.duckdns.org"), ("a.github.io", "b.github.io")),
        *(("pool.kawasaki.jp", "evil.kawasaki.jp"), ("localhost", "evil.localhost")),
        # Look-alikes, in the DNS and by letters that only look the same.
        *(("pool.example", "p\u043e\u043el.example"), ("pool.example", "xn--pl-6kcc.example")),
        *(("pool.example", "pool.example\0.evil.net"), ("pool.example", "pool\u3002example")),
        *(("pool.example", "eu..pool.example"), ("pool.example", ".pool.example")),
        # Addresses in all the ways that resolvers take them.
        *(
            ("192.0.2.1", "192.0.2.2"),
            ("192.0.2.1", "0300.0.2.1"),
            ("[2001:db8::1]", "2001:db8::2"),
        ),
        *(("pool.example", "127.1"), ("pool.example", "0x7f.1"), ("pool.example", "0x7f.0.0.0x1")),
        *(
            ("pool.example", "[::1]"),
            ("pool.example", "fe80::1%eth0"),
            ("192.0.2.1", "pool.example"),
        ),
    ],
)
def test_a_neighbour_that_is_another_owner_is_refused(ours: str, wanted: str) -> None:
    with pytest.raises(RedirectRefusedError):
        redirect_of(parse_pool_url(f"{ours}:3333"), (wanted, 3333))


@pytest.mark.parametrize(
    ("ours", "wanted", "host"),
    [
        ("eu.a.co.uk", "us.a.co.uk", "us.a.co.uk"),
        ("eu.pool.example.", "US.pool.example.", "us.pool.example"),
        ("a.duckdns.org", "eu.a.duckdns.org", "eu.a.duckdns.org"),
        ("xn--pl-6kcc.example", "eu.xn--pl-6kcc.example", "eu.xn--pl-6kcc.example"),
        ("b\u00fccher.example", "eu.xn--bcher-kva.example", "eu.xn--bcher-kva.example"),
        ("[2001:db8::1]", "[2001:0db8:0:0::1]", "2001:db8::1"),
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
    ],
)
def test_the_same_owner_is_followed(ours: str, wanted: str, host: str) -> None:
    assert redirect_of(parse_pool_url(f"{ours}:3333"), (wanted, "443")).url.host == host


def test_what_is_allowed_can_be_narrowed() -> None:
    with pytest.raises(RedirectRefusedError, match="another host"):
        redirect_of(OURS, ("us.pool.example", 3334), "same-host")
    assert redirect_of(OURS, ("EU.pool.example", 443), "same-host").url.port == 443
    assert redirect_of(OURS, (), "same-host").url == OURS
    for params in ((), ("eu.pool.example", 3334)):
        with pytest.raises(RedirectRefusedError, match="allows none"):
            redirect_of(OURS, params, "never")


@pytest.mark.parametrize("wait", [1e308, "600000", -5, math.nan, "nan", None, [], True, 10**99])
def test_a_wait_is_capped_or_none(wait: object) -> None:
    assert redirect_of(OURS, ("", 0, wait)).wait in {0, LONGEST_WAIT}


ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())


@given(st.lists(ODD, max_size=5))
def test_any_parameters_stay_in_the_domain_or_are_refused(params: list[object]) -> None:
    try:
        redirect = redirect_of(OURS, tuple(params))
    except RedirectRefusedError:
        return
    assert redirect.url.host == "pool.example" or redirect.url.host.endswith(".pool.example")
    assert redirect.url.transport == "tls"
    assert 0 <= redirect.wait <= LONGEST_WAIT
