import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.pool_url import PoolUrl, PoolUrlError, parse_pool_url

VECTORS = json.loads((Path(__file__).parent / "vectors" / "stratum-v1.json").read_text())["urls"]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
def test_vectors_are_read_or_refused(vector: dict[str, object]) -> None:
    text = str(vector["url"])

    if not vector["ok"]:
        with pytest.raises(PoolUrlError):
            parse_pool_url(text)
        return

    url = parse_pool_url(text)
    assert url.transport == vector["transport"]
    assert url.host == vector["host"]
    assert url.port == vector["port"]
    assert sorted(url.flags) == vector["flags"]


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("pool.example:3333", "stratum+tcp://pool.example:3333"),
        ("tcp://pool.example:3333/", "stratum+tcp://pool.example:3333"),
        ("stratum+ssl://pool.example:3334", "stratum+ssl://pool.example:3334"),
        ("TLS://Pool.Example:3334#XNSUB", "stratum+ssl://pool.example:3334"),
        ("[2001:DB8:0::1]:3333", "stratum+tcp://[2001:db8::1]:3333"),
        ("[fe80::1%eth0]:3333", "stratum+tcp://[fe80::1%eth0]:3333"),
        ("192.0.2.7:1", "stratum+tcp://192.0.2.7:1"),
        ("localhost:65535", "stratum+tcp://localhost:65535"),
        ("pool_1.example.:03333", "stratum+tcp://pool_1.example.:3333"),
        ("b\u00fccher.example:3333", "stratum+tcp://xn--bcher-kva.example:3333"),
    ],
)
def test_an_address_prints_with_one_of_two_schemes(text: str, printed: str) -> None:
    assert str(parse_pool_url(text)) == printed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("stratum+tcp://", "host name is missing"),
        ("pool.example", "port is missing"),
        ("pool.example:", "port is missing"),
        ("stratum+tcp://pool.example/#xnsub", "port is missing"),
        ("pool.example:0", "not a port"),
        ("pool.example:65536", "not a port"),
        ("pool.example:\u0663\u0663", "not a port"),
        ("pool.example:33x3", "not a port"),
        ("2001:db8::1:3333", "brackets"),
        ("[2001:db8::1:3333", "as [2001:db8::1]:3333"),
        ("[2001:db8::1]3333", "as [2001:db8::1]:3333"),
        ("[2001:db8::1]", "port is missing"),
        ("[pool.example]:3333", "not an IPv6 address"),
        ("[]:3333", "not an IPv6 address"),
        ("300.0.2.7:3333", "not an IPv4 address"),
        ("pool..example:3333", "not a host name"),
        ("-pool.example:3333", "not a host name"),
        ("pool.example:3333/mine", "no path"),
        ("pool.example:3333?a=1", 'no "?"'),
        ("pool example:3333", "space"),
        ("pool.example:3333\n", "space"),
        ("pool.example\x1b[2J:3333", "unprintable"),
        ("a" * 600 + ":3333", "longer"),
        ("stratum2+tcp://pool.example:3333", "Stratum v2"),
        ("STRATUM2+ssl://pool.example:3333", "Stratum v2"),
        ("https://pool.example:8332", "getwork"),
        ("stratum+tpc://pool.example:3333", "did you mean stratum+tcp://"),
        ("ftp://pool.example:21", "not a scheme"),
        ("stratum+tcp://pool.example:3333#xnsbu", 'did you mean "#xnsub"'),
    ],
)
def test_what_is_wrong_is_named_and_a_right_form_is_shown(text: str, reason: str) -> None:
    with pytest.raises(PoolUrlError, match=re.escape(reason)) as caught:
        parse_pool_url(text)

    assert "stratum+tcp://pool.example:3333" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "stratum+tcp://bob:hunter2@pool.example:3333",
        "bob:hunter2@pool.example:3333",
        "stratum+tcp://bob:hunter2#x@pool.example:3333",
        "stratum+tcp://bob:hunter2/x@pool.example:3333",
        "http://bob:hunter2@pool.example:8332",
    ],
)
def test_a_password_in_the_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(PoolUrlError, match="--user") as caught:
        parse_pool_url(text)

    assert "hunter2" not in str(caught.value)


def test_flags_are_separated_by_commas_or_number_signs() -> None:
    assert parse_pool_url("a:1#xnsub,skipcbcheck#other").flags == {"xnsub", "skipcbcheck", "other"}


PIECES = st.sampled_from(
    [
        *(
            "stratum+tcp",
            "tls",
            "://",
            ":",
            "/",
            "#",
            "[",
            "]",
            "@",
            ".",
            "%",
            "::1",
            "3333",
            "\u2100",
        )
    ]
)


@given(st.text() | st.lists(PIECES | st.text(max_size=3), max_size=8).map("".join))
def test_any_text_is_an_address_or_the_documented_error(text: str) -> None:
    try:
        url = parse_pool_url(text)
    except PoolUrlError:
        return

    assert parse_pool_url(str(url)) == PoolUrl(
        transport=url.transport, host=url.host, port=url.port
    )
