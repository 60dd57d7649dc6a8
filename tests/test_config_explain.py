"""What is said of each key, and that it is what the example says."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.config import Config
from stratum_client.config_explain import (
    MUST_BE_GIVEN,
    NOT_SET,
    Explanation,
    explanations,
    matching,
    nearest,
)
from stratum_client.config_file import read_config
from stratum_client.example_words import entries_of, example_text
from tests.test_config_example import EXAMPLE, keys_of

KNOWN = explanations(example_text())


def test_the_package_has_the_example_that_users_copy() -> None:
    assert example_text() == EXAMPLE.read_text()


def test_every_key_is_explained_with_an_example() -> None:
    names = {name.removesuffix(".NAME") for name in KNOWN}

    assert names == {".".join(key) for key in keys_of(Config)}
    assert [one.name for one in KNOWN.values() if not (one.does and one.example)] == []


@pytest.mark.parametrize("one", KNOWN.values(), ids=lambda one: str(one.name))
def test_an_example_is_toml_and_a_default_is_what_reading_nothing_gives(one: Explanation) -> None:
    assert tomllib.loads(one.example)
    if one.default not in {NOT_SET, MUST_BE_GIVEN} and "." not in one.name.partition(".")[2]:
        table, _, key = one.name.partition(".")
        if table in {"pool", "device", "window", "calendar"} or not key:
            return
        text = f"[{table}]\n{key} = {one.default}\n"
        read = read_config(text.encode(), name="x", environ={})
        assert getattr(read, table) == getattr(Config(), table)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("work.failback_after", ["work.failback_after"]),
        ("WORK.Failback_After", ["work.failback_after"]),
        ("pool[2].user", ["pool.user"]),
        ("[[pool]].user", []),
        ("failback_after", ["work.failback_after"]),
        ("SC_POOL_2_PASSWORD", ["pool.password"]),
        ("log.levels.pool", ["log.levels.NAME"]),
        ("metrics", ["metrics.listen"]),
        ("pool.tls.verify", ["pool.tls.verify"]),
        ("nothing_like_it", []),
    ],
)
def test_a_key_is_found_however_it_is_called(asked: str, names: list[str]) -> None:
    assert [one.name for one in matching(asked, KNOWN)] == names


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("work.failbck_after", "work.failback_after"), ("faillback_after", "work.failback_after")],
)
def test_a_typo_is_answered_with_the_nearest_key(typo: str, meant: str) -> None:
    assert meant in nearest(typo, KNOWN)


def test_what_a_change_needs_is_said() -> None:
    assert KNOWN["work.strategy"].change == "reload"
    assert KNOWN["pool.quota"].change == "reload; without a new session"
    assert KNOWN["pool.user"].change == "reload; a new session with the pool"
    assert KNOWN["rig.name"].change == "restart"
    assert KNOWN["pool.url"].default == MUST_BE_GIVEN
    assert KNOWN["pool.deadlines.retry_cap"].does == KNOWN["deadlines.retry_cap"].does


def test_keys_that_share_a_comment_share_it_and_the_next_do_not() -> None:
    text = '# Both.\n# Really.\na = 1\nb = 2 # no default\n\n[t]\n# Off.\n#c = "#"\n\nd = 4\n'

    found = {".".join(words): entry for words, entry in entries_of(text).items()}

    assert {name: entry.comment for name, entry in found.items()} == {
        "a": "Both. Really.",
        "b": "Both. Really.",
        "t.c": "Off.",
        "t.d": "",
    }
    assert [entry.default for entry in found.values()] == ["1", "", "", "4"]
    assert found["t.c"].line == 'c = "#"'


@given(st.text())
def test_any_question_has_an_answer(asked: str) -> None:
    assert isinstance(matching(asked, KNOWN), list)
    assert len(nearest(asked, KNOWN)) <= 5
