"""Logins by Basic and Digest: the examples of the RFCs, and whatever a server may say."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.control.http_login import Challenge, HttpLogin, challenges_in

# RFC 7616, section 3.9.1: the two challenges, the client's word of chance, and both answers.
REALM = "http-auth@example.org"
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
COMMON = f'realm="{REALM}", qop="auth, auth-int", nonce="{NONCE}", opaque="{OPAQUE}"'
BY_SHA_256 = f"Digest {COMMON}, algorithm=SHA-256"
BY_MD5 = f"Digest {COMMON}, algorithm=MD5"
ANSWERS = {
    BY_SHA_256: "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    BY_MD5: "8ca523f5e9506fed4657c9700eebdbec",
}


def mufasa() -> HttpLogin:
    return HttpLogin(user="Mufasa", password="Circle of Life")


def parameters(field: str) -> dict[str, str]:
    found = re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', field)
    return {name: quoted or token for name, quoted, token in found}


@pytest.mark.parametrize("field", ANSWERS, ids=["SHA-256", "MD5"])
def test_the_examples_of_the_rfc_are_answered_as_it_says(field: str) -> None:
    login = mufasa()

    assert login.field("/dir/index.html", CNONCE) == ""
    assert login.challenged(field)
    line = login.field("/dir/index.html", CNONCE)

    assert line.startswith("Authorization: Digest ")
    assert line.endswith("\r\n")
    assert parameters(line) == {
        "username": "Mufasa",
        "realm": REALM,
        "nonce": NONCE,
        "uri": "/dir/index.html",
        "algorithm": field.rpartition("=")[2],
        "qop": "auth",
        "nc": "00000001",
        "cnonce": CNONCE,
        "response": ANSWERS[field],
        "opaque": OPAQUE,
    }
    assert "nc=00000001" in line, "it stands there without quotes"


def test_of_several_challenges_the_better_one_is_answered() -> None:
    for field in (f"{BY_SHA_256}, {BY_MD5}", f'Basic realm="x", {BY_MD5}, {BY_SHA_256}'):
        login = mufasa()
        assert login.challenged(field)
        assert ANSWERS[BY_SHA_256] in login.field("/dir/index.html", CNONCE)


def test_a_challenge_is_answered_again_until_it_is_refused_and_then_each_time_anew() -> None:
    login = mufasa()
    login.challenged(BY_SHA_256)
    assert [parameters(login.field("/", "c"))["nc"] for _ in range(3)] == [
        *("00000001", "00000002", "00000003"),
    ]

    assert login.challenged(BY_SHA_256.replace(NONCE, "another")), "it may be used once only"
    assert parameters(login.field("/", "c"))["nc"] == "00000001"
    assert login.field("/", "c") == "", "the next one is asked for first"


def test_a_stale_nonce_is_no_reason_to_ask_each_time() -> None:
    login = mufasa()
    login.challenged(BY_SHA_256)
    for number in range(3):
        login.field("/", "c")
        login.field("/", "c")
        assert login.challenged(f'{BY_SHA_256}, stale=TRUE, x="{number}"')
    login.field("/", "c")

    assert parameters(login.field("/", "c"))["nc"] == "00000002"


def test_a_wrong_password_is_tried_once() -> None:
    login = mufasa()
    assert login.challenged(BY_SHA_256)
    login.field("/", "c")

    assert not login.challenged(BY_SHA_256.replace(NONCE, "another"))
    assert login.field("/", "c") == ""


def test_basic_is_sent_until_a_server_wants_a_digest_and_never_again() -> None:
    login = HttpLogin(user="Aladdin", password="open sesame", is_basic=True)
    # RFC 7617, section 2.
    basic = "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"
    assert login.field("/", "c") == basic
    assert not login.challenged('Basic realm="x"')
    assert login.field("/", "c") == basic

    login.challenged(BY_SHA_256)
    login.field("/", "c")
    assert not login.challenged(BY_SHA_256)
    assert "Basic" not in login.field("/", "c")


def test_names_with_quotes_are_sent_quoted_and_hashed_as_they_are() -> None:
    login = HttpLogin(user='a"b\\', password="p")

    assert login.challenged('Digest realm="a\\"b", nonce="n", qop=auth, algorithm=SHA-256')
    line = login.field("/", "c")

    assert 'username="a\\"b\\\\", realm="a\\"b", nonce="n"' in line


@pytest.mark.parametrize(
    "field",
    [
        "",
        "Digest",
        'Basic realm="x"',
        'Digest realm="x", qop="auth"',
        'Digest nonce="x", qop="auth"',
        'Digest realm="x", nonce="n"',
        'Digest realm="x", nonce="n", qop="auth-int"',
        'Digest realm="x", nonce="n", qop="auth", algorithm=SHA-512-256',
        'Digest realm="x", nonce="n\r\nX: y", qop="auth"',
        'Digest realm="x, nonce=n, qop=auth',
    ],
)
def test_what_cannot_be_answered_is_no_challenge(field: str) -> None:
    assert list(challenges_in(field)) == []


PARTS = st.sampled_from(
    [
        "Digest ",
        "realm=",
        "nonce=",
        "qop=auth",
        "algorithm=MD5",
        '"',
        "\\",
        ",",
        " ",
        "=",
        "é",
        "\n",
    ]
)


@given(st.one_of(st.text(max_size=200), st.lists(PARTS, max_size=40).map("".join)))
def test_any_field_gives_challenges_or_none_and_a_line_that_is_one(field: str) -> None:
    for challenge in challenges_in(field):
        assert isinstance(challenge, Challenge)
    login = mufasa()
    if login.challenged(field):
        line = login.field("/page", "c")
        assert line.endswith("\r\n")
        assert line.count("\r") == line.count("\n") == 1
