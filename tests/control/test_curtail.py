"""Orders that are signed, for this rig, in number and in time are obeyed; no others are."""

import contextlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given
from hypothesis import strategies as st

from stratum_client.control.claims import IDLE, Level, Limit
from stratum_client.control.claims_file import ClaimsFileError
from stratum_client.control.curtail import (
    AHEAD,
    Addressee,
    Known,
    Obey,
    OrderBook,
    Refused,
    Verdict,
    judge,
)
from stratum_client.control.order_keys import ed25519_signature, ed25519_verifier
from stratum_client.control.order_message import (
    MAX_MESSAGE,
    MAX_NUMBER,
    Action,
    Key,
    Refusal,
)
from stratum_client.control.orders_file import book_in, book_text
from tests.control.signed_orders import KEYS, NOW, SECRET, order, signed

RIG = Addressee(rig="r17", site="kent", groups=("hall-4",))


def verdict_on(
    message: bytes,
    *,
    book: OrderBook | None = None,
    keys: dict[str, Key] = KEYS,
    addressed: str | None = None,
    now: float = NOW,
    is_clock_trusted: bool = True,
) -> Verdict:
    return judge(
        message,
        keys=keys,
        book=book or OrderBook(),
        addressee=RIG,
        addressed=addressed,
        now=now,
        is_clock_trusted=is_clock_trusted,
    )


def refusal(message: bytes, **more: object) -> Refusal:
    found = verdict_on(message, **more)  # type: ignore[arg-type]  # by name
    assert isinstance(found, Refused), found
    assert found.problem.isprintable()
    return found.why


def obeyed(message: bytes, book: OrderBook | None = None, now: float = NOW) -> OrderBook:
    found = verdict_on(message, book=book, now=now)
    assert isinstance(found, Obey), found
    return (book or OrderBook()).after(found.order, now)


# printf 'stratum-client order 1\n%s' "$ORDER" | openssl dgst -sha256 -hmac "$SECRET"
BY_OPENSSL = (
    b'{"number":17,"site":"kent","to":"all","action":"idle","issued":1750000000,'
    b'"expires":1750003600}\n'
    b"grid d94113d7a2adcf8604570ad582f1cbf5ffd2723ae2100ef6e69ca9a3ec5f8924"
)


def test_an_order_signed_by_another_program_is_obeyed() -> None:
    [claim] = obeyed(BY_OPENSSL).claims.claims

    assert (claim.level, claim.issuer, claim.limit) == (Level.ORDER, "key grid", IDLE)
    assert claim.until == NOW + 3600
    assert claim.reason == (
        "order 17 of grid to all, 2025-06-15 15:06:40 UTC, until 2025-06-15 16:06:40 UTC"
    )


def test_the_example_of_the_documentation_is_obeyed() -> None:
    text = (Path(__file__).parents[2] / "docs/curtailment.md").read_text()
    [example] = re.findall(r"^({\"number\".*}\ngrid [0-9a-f]{64})$", text, re.MULTILINE)

    assert isinstance(verdict_on(example.encode(), addressed="all"), Obey)


@pytest.mark.parametrize(
    ("more", "limit"),
    [
        ({"action": "watts", "value": 400}, Limit(rig_watts=400)),
        ({"action": "percent", "value": 50.0}, Limit(share=0.5)),
        ({"action": "idle", "reason": "frequency of the grid"}, IDLE),
    ],
)
def test_an_order_is_a_limit_of_the_rig(more: dict[str, object], limit: Limit) -> None:
    [claim] = obeyed(order(**more)).claims.claims  # type: ignore[arg-type]  # by name

    assert claim.limit == limit
    assert claim.remark == more.get("reason", "")


def test_a_newer_order_takes_the_place_of_its_issuers_last_and_a_release_ends_it() -> None:
    book = obeyed(order(1, expires=None))
    book = obeyed(order(2, action="watts", value=400), book)
    assert [claim.limit for claim in book.claims.claims] == [Limit(rig_watts=400)]

    book = obeyed(order(3, action="release"), book)
    assert book.claims.claims == ()
    assert book.taken["grid"].number == 3


@given(at=st.integers(min_value=0), byte=st.integers(0, 255), how=st.sampled_from("=+-"))
def test_a_message_with_any_byte_changed_added_or_lost_is_refused(
    at: int, byte: int, how: str
) -> None:
    message = order(reason="short of power")
    at %= len(message)
    kept = message[at:] if how == "+" else message[at + 1 :]
    changed = message[:at] + (b"" if how == "-" else bytes([byte])) + kept
    assume(changed != message)

    assert refusal(changed) in {Refusal.MALFORMED, Refusal.UNKNOWN_KEY, Refusal.FORGED}


@given(st.binary(max_size=300) | st.binary(max_size=200).map(signed))
def test_any_bytes_even_signed_ones_are_refused_as_malformed_or_forged(message: bytes) -> None:
    assert refusal(message) in {Refusal.MALFORMED, Refusal.UNKNOWN_KEY, Refusal.FORGED}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@given(
    st.sampled_from(["number", "site", "to", "action", "issued", "expires", "value", "reason"]),
    JSON,
)
def test_a_signed_order_with_any_field_of_any_kind_is_judged(name: str, value: object) -> None:
    verdict = verdict_on(order(**{name: value}))  # type: ignore[arg-type]  # by name

    assert isinstance(verdict, Obey | Refused)
    if isinstance(verdict, Refused):
        assert verdict.problem.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        b'{"number": 1, "number": 2, "site": "kent", "to": "all", "action": "idle",'
        b' "issued": 1, "expires": null}',
        b'{"number": 1e400, "site": "kent", "to": "all", "action": "idle", "issued": 1}',
        b"[" * 1500,
        b'{"number": NaN}',
        b"{}",
        b"17",
        b"",
        b"\xff\xfe{}",
    ],
)
def test_what_is_no_order_is_malformed_though_it_is_signed(text: bytes) -> None:
    assert refusal(signed(text)) is Refusal.MALFORMED


@pytest.mark.parametrize(
    "more",
    [
        {"number": 0},
        {"number": -1},
        {"number": True},
        {"number": 1.5},
        {"number": MAX_NUMBER + 1},
        {"action": "stop"},
        {"action": "watts"},
        {"action": "watts", "value": 0},
        {"action": "watts", "value": -5},
        {"action": "watts", "value": True},
        {"action": "percent", "value": 101},
        {"action": "idle", "value": 3},
        {"issued": "now"},
        {"issued": -1},
        {"expires": NOW},
        {"site": ""},
        {"reason": "two\nlines"},
        {"reason": "x" * 300},
        {"colour": "blue"},
    ],
    ids=str,
)
def test_a_field_of_the_wrong_kind_makes_an_order_malformed(more: dict[str, object]) -> None:
    assert refusal(order(**more)) is Refusal.MALFORMED  # type: ignore[arg-type]  # by name


def test_what_is_too_long_is_not_even_read() -> None:
    assert refusal(order(reason=" " * MAX_MESSAGE)) is Refusal.MALFORMED


def test_one_newline_at_the_end_does_no_harm() -> None:
    assert isinstance(verdict_on(order() + b"\n"), Obey)
    assert refusal(order() + b"\n\n") is Refusal.MALFORMED


def test_a_key_that_nobody_has_or_another_one_is_of_no_use() -> None:
    assert refusal(order(key="desk")) is Refusal.UNKNOWN_KEY
    assert refusal(order(sign=lambda _: bytes(32))) is Refusal.FORGED
    assert refusal(order(sign=lambda _: bytes(64))) is Refusal.FORGED


def test_a_signature_is_of_this_purpose_alone() -> None:
    text = order().split(b"\n")[0]

    assert refusal(signed(text, sign=without_purpose)) is Refusal.FORGED


def without_purpose(data: bytes) -> bytes:
    return hmac.digest(SECRET, data.partition(b"\n")[2], "sha256")


def test_a_key_may_order_only_what_it_may() -> None:
    keys = {"grid": Key(name="grid", may=frozenset({Action.WATTS}), verify=KEYS["grid"].verify)}

    assert refusal(order(), keys=keys) is Refusal.NOT_ALLOWED
    assert isinstance(verdict_on(order(action="watts", value=5), keys=keys), Obey)


@pytest.mark.parametrize("target", ["all", "group/hall-4", "rig/r17"])
def test_an_order_reaches_the_rig_by_each_of_its_names(target: str) -> None:
    assert isinstance(verdict_on(order(to=target), addressed=target), Obey)


@pytest.mark.parametrize(
    ("more", "addressed"),
    [
        ({"site": "essex"}, "all"),
        ({"to": "rig/r18"}, "rig/r18"),
        ({"to": "group/hall-5"}, None),
        ({"to": "group/r17"}, None),
        ({"to": "rig/r17"}, "all"),
        ({"to": "hall-4"}, None),
    ],
)
def test_an_order_for_others_is_refused(more: dict[str, object], addressed: str | None) -> None:
    message = order(**more)  # type: ignore[arg-type]  # by name

    assert refusal(message, addressed=addressed) is Refusal.WRONG_TARGET


def test_numbers_rise_and_nothing_is_obeyed_twice() -> None:
    first = order(17)
    book = obeyed(first)

    assert isinstance(verdict_on(first, book=book), Known)
    assert refusal(order(17, reason="another"), book=book) is Refusal.REPLAYED
    assert refusal(order(16), book=book) is Refusal.REPLAYED

    book = obeyed(order(18, action="release"), book)
    assert refusal(first, book=book) is Refusal.REPLAYED
    assert isinstance(verdict_on(order(1000), book=book), Obey)


def test_time_is_up_when_it_is_and_clocks_may_differ_a_little() -> None:
    assert isinstance(verdict_on(order(), now=NOW + 3599.9), Obey)
    assert refusal(order(), now=NOW + 3600) is Refusal.EXPIRED
    assert isinstance(verdict_on(order(), now=NOW - AHEAD), Obey)
    assert refusal(order(), now=NOW - AHEAD - 1) is Refusal.FROM_THE_FUTURE


def test_a_clock_that_nobody_has_set_does_not_keep_an_order_out() -> None:
    assert isinstance(verdict_on(order(), now=1000.0, is_clock_trusted=False), Obey)


# RFC 8032, section 7.1, TEST 2: secret key, public key, message 72, signature.
PRIVATE = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_ed25519_is_verified_as_the_standard_has_it() -> None:
    verify = ed25519_verifier(PUBLIC)

    assert verify(b"\x72", SIGNATURE)
    assert not verify(b"\x73", SIGNATURE)
    assert not verify(b"\x72", SIGNATURE[:32])


def test_an_order_signed_with_ed25519_is_obeyed() -> None:
    private = Ed25519PrivateKey.from_private_bytes(PRIVATE)
    keys = {"operator": Key(name="operator", verify=ed25519_verifier(PUBLIC))}
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )

    assert isinstance(verdict_on(order(key="operator", sign=private.sign), keys=keys), Obey)
    by_pem = order(key="operator", sign=lambda data: ed25519_signature(pem, data))
    assert isinstance(verdict_on(by_pem, keys=keys), Obey)
    assert refusal(order(key="operator"), keys=keys) is Refusal.FORGED


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["idle", "release", "watts"]))))
def test_a_book_of_orders_is_read_as_it_was_written(
    orders: list[tuple[int, str]],
) -> None:
    book = OrderBook()
    for number, action in orders:
        more: dict[str, Any] = {"value": 7} if action == "watts" else {}
        found = verdict_on(order(number, action=action, **more), book=book)
        if isinstance(found, Obey):
            book = book.after(found.order, NOW)

    assert book_in(book_text(book)) == book


@given(
    st.binary(max_size=100) | st.text().map(str.encode) | JSON.map(lambda v: json.dumps(v).encode())
)
def test_any_text_is_a_book_or_the_documented_error(data: bytes) -> None:
    with contextlib.suppress(ClaimsFileError):
        assert isinstance(book_in(data), OrderBook)


@given(st.data())
def test_a_book_with_any_value_replaced_is_a_book_or_the_documented_error(
    data: st.DataObject,
) -> None:
    document = json.loads(book_text(obeyed(order())))
    where = data.draw(st.sampled_from(["format", "claims", "taken", "grid", "number", "digest"]))
    table = document
    for key in {"grid": ("taken",), "number": ("taken", "grid"), "digest": ("taken", "grid")}.get(
        where, ()
    ):
        table = table[key]
    table[where] = data.draw(JSON)

    with contextlib.suppress(ClaimsFileError):
        assert isinstance(book_in(json.dumps(document).encode()), OrderBook)
