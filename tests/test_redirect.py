"""Where a pool may send us, and where not."""

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
