"""What a pool says reaches people harmless, without our password, and not without end."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.errors import AuthorizationError, PoolProtocolError, StratumError
from stratum_client.pool_words import BURST, PoolWords
from stratum_client.session_events import (
    Failed,
    NewJob,
    Oddity,
    PoolMessage,
    RedirectAsked,
    ShareAnswered,
)
from tests.test_session import AUTHORIZE, Talk, one

PASSWORD = "correct horse battery"


def talk() -> Talk:
    return Talk(password=PASSWORD).opened()


@pytest.mark.parametrize("error", [[20, f"not {PASSWORD}!"], f"{PASSWORD}", {"message": PASSWORD}])
def test_a_refused_login_does_not_repeat_the_password(error: Any) -> None:
    session = Talk(password=PASSWORD)
    session.subscribes()

    failed = one(
        session.pool_sends({"id": AUTHORIZE, "result": None, "error": error}), Failed
    ).error

    assert isinstance(failed, AuthorizationError)
    assert PASSWORD not in str(failed)
    assert "***" in failed.message


@pytest.mark.parametrize(
    "line",
    [
        f'{{"id": 1, "method": "{PASSWORD}',
        json.dumps({"password": PASSWORD}),
        '{"id": 9, "id": 9, "x": "' + "y" * 70 + PASSWORD + '"}',
    ],
)
def test_a_broken_line_with_the_password_is_not_shown(line: str) -> None:
    events = talk().session.receive_data(line.encode() + b"\n", 1000.0)

    error = one(events, Failed).error
    assert isinstance(error, PoolProtocolError)
    assert "correct" not in str(error)
    assert error.line == b""


def test_a_message_an_oddity_and_a_refused_share_do_not_repeat_it_either() -> None:
    session = talk()
    session.notifies()
    number = session.submits()
    session.answers(number, [20, f"go away {PASSWORD}"])
    session.pool_sends(
        {"id": None, "method": "client.show_message", "params": [f"hi {PASSWORD}"]},
        {"id": None, "method": "mining.set_difficulty", "params": [PASSWORD]},
        {"id": None, "error": [20, PASSWORD], "result": None},
        {"id": None, "method": "client.reconnect", "params": [f"{PASSWORD}.pool.example"]},
    )

    assert one(session.events, PoolMessage).text == "hi ***"
    assert str(one(session.events, ShareAnswered).failure) == "20 go away ***"
    assert PASSWORD not in "".join(map(repr, session.events))
    assert not [event for event in session.events if isinstance(event, RedirectAsked)]


@given(st.text(min_size=4, max_size=256).filter(str.isprintable), st.text(), st.text(max_size=999))
def test_no_text_leads_to_the_password_or_a_part_of_it(
    password: str, before: str, after: str
) -> None:
    words = PoolWords(f"#{password}#", 0.0)

    for shown in (
        words.text(f"{before} #{password}# {after}", 200),
        words.text(" " * 999 + f"{before} #{password}#", 20),
        words.text(repr([f"#{password}#"]), 200),
    ):
        assert f"#{password}#" not in shown
        assert shown.isprintable()


def test_a_talkative_pool_is_cut_short_and_its_jobs_are_not() -> None:
    session = talk()
    message = {"id": None, "method": "client.show_message", "params": ["x"]}
    for _ in range(10):
        session.pool_sends(*[message] * 19)
        session.notifies(f"job{session.now}", clean=False)
        session.now += 1

    passed = [event for event in session.events if isinstance(event, PoolMessage)]
    assert BURST <= len(passed) <= BURST + 10
    assert len([event for event in session.events if isinstance(event, NewJob)]) == 10
    session.now += 60
    events = session.pool_sends(message)
    assert one(events, Oddity).problem.endswith("more messages were passed over")


def test_what_can_be_shown_is_shown_as_it_came() -> None:
    words = PoolWords("", 0.0)

    assert words.text("Grüße, 1 < 2", 200) == "Grüße, 1 < 2"
    error = PoolProtocolError("not JSON", b"hello")
    assert words.protocol_error(error, b"hello") is error
    assert isinstance(error, StratumError)
