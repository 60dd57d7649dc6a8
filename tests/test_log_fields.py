import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.config import PoolConfig
from stratum_client.log_fields import Scrubber
from stratum_client.pool_url import parse_pool_url


@pytest.mark.parametrize(
    "key",
    ["password", "Password", "pool_password", "passwords", "pass", "token", "api_key", "secret"],
)
def test_what_a_key_calls_a_secret_is_hidden(key: str) -> None:
    assert Scrubber().fields({key: "abc"}) == {key: "***"}
    assert Scrubber().fields({"inner": [{key: ["abc"]}]}) == {"inner": [{key: "***"}]}


@pytest.mark.parametrize("key", ["password_file", "tokens_per_s", "compass", "user", "secretary"])
def test_other_keys_are_shown(key: str) -> None:
    assert Scrubber().fields({key: "abc"}) == {key: "abc"}


@pytest.mark.parametrize(
    "value",
    [
        "hunter2!",
        "ahunter2!b",
        b'{"params": ["bob", "hunter2!"]}',
        ["a", ("b", {"c": "hunter2!"})],
        {"hunter2!": 1},
        {"hunter2!"},
        ValueError("hunter2!"),
        Path("/home/hunter2!/x"),
    ],
)
def test_a_registered_secret_is_hidden_wherever_it_stands(value: object) -> None:
    shown = str(Scrubber(["hunter2!"]).fields({"field": value}))

    assert "hunter2" not in shown
    assert "***" in shown


@pytest.mark.parametrize("secret", ['pa"ss\\word', "p\u00e4ssw\u00f6rt", "it's-a-secret"])
def test_a_secret_is_hidden_as_json_and_repr_write_it_too(secret: str) -> None:
    scrubber = Scrubber([secret])

    for text in (json.dumps([secret]), json.dumps([secret], ensure_ascii=False), repr([secret])):
        assert "***" in scrubber.text(text)
        assert "ss" not in scrubber.text(text)
        assert "secret" not in scrubber.text(text)


def test_a_short_secret_is_hidden_as_a_word_only() -> None:
    scrubber = Scrubber(["main", "x"])

    assert scrubber.text("login main, domain maintained") == "login ***, domain maintained"
    assert scrubber.text("x = 1") == "x = 1"


def test_the_longest_of_several_secrets_is_hidden_first() -> None:
    assert Scrubber(["hunter22", "hunter22-and-more"]).text("hunter22-and-more") == "***"


def test_user_and_password_in_an_address_are_hidden() -> None:
    text = "dialling stratum+tcp://bob:pw@a.example:1 for a@b.example"

    assert Scrubber().text(text) == "dialling stratum+tcp://***@a.example:1 for a@b.example"


def test_a_pools_settings_may_be_logged() -> None:
    pool = PoolConfig(url=parse_pool_url("a:1"), user="bob", password="hunter2!")

    assert "hunter2" not in str(Scrubber().fields({"pool": pool}))


def test_values_become_what_json_knows() -> None:
    fields = {
        "none": None,
        "true": True,
        "int": 5,
        "huge": 1 << 300,
        "float": 1.5,
        "nan": math.nan,
        "inf": -math.inf,
        "bytes": b"\xffab",
        "path": Path("/x"),
        "list": [1, "a"],
        "tuple": (1, None),
        "deep": [[[[["bottom"]]]]],
    }

    plain = Scrubber().fields(fields)

    assert plain == {
        "none": None,
        "true": True,
        "int": 5,
        "huge": hex(1 << 300),
        "float": 1.5,
        "nan": "nan",
        "inf": "-inf",
        "bytes": "\\xffab",
        "path": "/x",
        "list": [1, "a"],
        "tuple": [1, None],
        "deep": [[[["['bottom']"]]]],
    }


def test_long_values_are_cut() -> None:
    plain = Scrubber().fields({"text": "a" * 5000, "list": list(range(1000))})

    assert plain["text"] == "a" * 1000 + "\u2026 (5000 characters)"
    assert plain["list"] == list(range(50))


FIELDS = st.dictionaries(
    st.text(max_size=9),
    st.recursive(
        st.none() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
        max_leaves=6,
    ),
    max_size=4,
)


@given(FIELDS, st.text("ab\"\\'\u00e4\n", min_size=8, max_size=12))
def test_no_field_of_any_kind_shows_a_secret(fields: dict[str, object], secret: str) -> None:
    fields |= {"text": f"<{secret}>", "json": json.dumps([secret]), "list": [{"a": secret}]}

    plain = Scrubber([secret]).fields(fields)

    shown = json.dumps(plain, ensure_ascii=False, allow_nan=False)
    assert secret not in shown
    assert json.dumps(secret)[1:-1] not in shown
