"""What smart plugs say: known devices' answers, and anything else by the one documented error."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.control.http_answer import (
    MOST_PIECES,
    HttpAnswer,
    HttpAnswerError,
    answer_in,
)
from stratum_client.control.plug_answers import LARGEST, PlugError, watts_in

# Tasmota's documentation, "JSON Status Responses" and "MQTT": a plug with one line, one with two.
TASMOTA_STATUS_10 = (
    b'{"StatusSNS":{"Time":"2021-06-13T06:59:49","ENERGY":{"TotalStartTime":"2021-01-01T00:00:00",'
    b'"Total":12.345,"Yesterday":1.2,"Today":0.533,"Power":367,"ApparentPower":380,'
    b'"ReactivePower":98,"Factor":0.97,"Voltage":230,"Current":1.652}}}'
)
TASMOTA_SENSOR = b'{"Time":"2021-06-13T06:59:52","ENERGY":{"Power":[120,87.5],"Voltage":231}}'
TASMOTA_LOCKED = b'{"WARNING":"Need user=<username>&password=<password>"}'
# Shelly's documentation, "Switch": Switch.GetStatus, and the payload of PREFIX/status/switch:0.
SHELLY_STATUS = (
    b'{"id":0,"source":"WS_in","output":true,"apower":8.9,"voltage":237.5,"current":0.038,'
    b'"pf":0.97,"aenergy":{"total":6.532,"by_minute":[45.199,47.141,88.397],'
    b'"minute_ts":1626935779},"temperature":{"tC":23.5,"tF":74.4}}'
)


@pytest.mark.parametrize(
    ("answer", "path", "watts"),
    [
        (TASMOTA_STATUS_10, "", 367.0),
        (TASMOTA_SENSOR, "", 207.5),
        (TASMOTA_SENSOR, "ENERGY.Power.1", 87.5),
        (SHELLY_STATUS, "", 8.9),
        (SHELLY_STATUS, "temperature.tC", 23.5),
        (b'{"a":{"b":[{"w":-3}]}}', "a.b.0.w", -3.0),
        (b"412.5", "", 412.5),
    ],
)
def test_the_watts_are_found_where_known_plugs_have_them(
    answer: bytes, path: str, watts: float
) -> None:
    assert watts_in(answer, path) == watts


@pytest.mark.parametrize(
    ("answer", "path", "problem"),
    [
        (TASMOTA_LOCKED, "", "Need user=<username>"),
        (TASMOTA_STATUS_10, "ENERGY.Power", "there is no ENERGY.Power"),
        (b'{"apower":true}', "", "apower is no number of watts"),
        (b'{"apower":"12"}', "", "apower is no number of watts"),
        (b'{"apower":[]}', "", "apower is no number of watts"),
        (b'{"apower":NaN}', "", "no finite number"),
        (b'{"apower":1' + b"0" * 400 + b"}", "", "no finite number"),
        (b"", "", "is no JSON: (nothing)"),
        (b"<html>\x1b[2J", "", "is no JSON: <html>?[2J"),
        (b"[" * 60_000, "", "is no JSON"),
        (b" " * (LARGEST + 1), "", "has more than"),
        (b"{}", "", "set a path"),
        (b"[1]", "3", "there is no 3"),
    ],
)
def test_what_has_no_watts_is_refused_with_the_reason(
    answer: bytes, path: str, problem: str
) -> None:
    with pytest.raises(PlugError) as caught:
        watts_in(answer, path)

    assert problem in caught.value.problem
    assert caught.value.problem.isprintable()


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode), st.text(max_size=20))
def test_any_bytes_give_finite_watts_or_the_one_error(data: bytes, path: str) -> None:
    try:
        watts = watts_in(data, path)
    except PlugError:
        return
    assert math.isfinite(watts)


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello"
CHUNKS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;note=x\r\nlo\r\n0\r\n\r\n"
)
TO_THE_END = b"HTTP/1.0 404 \r\n\r\nhello"


@pytest.mark.parametrize("answer", [LENGTH, CHUNKS, TO_THE_END])
def test_an_answer_is_whole_at_its_last_byte_and_not_before(answer: bytes) -> None:
    ended = answer is TO_THE_END
    whole = HttpAnswer(status=404 if ended else 200, body=b"hello")
    complete_at = len(CHUNKS) - 2 if answer is CHUNKS else len(answer)  # the last line is "0"

    assert answer_in(answer, ended=ended, largest=5) == whole
    for size in range(complete_at):
        assert answer_in(answer[:size], ended=False, largest=5) is None


@pytest.mark.parametrize(
    ("data", "ended", "problem"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", False, "no HTTP server"),
        (b"", True, "no HTTP server"),
        (b"x" * 20_000, False, "no HTTP server"),
        (LENGTH[:-1], True, "broke off"),
        (LENGTH[:20], True, "broke off"),
        (CHUNKS[:-9], True, "broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", False, "more than 5 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -6\r\n\r\n", False, "no length that can be read"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello!", False, "more than 5 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n", False, "more than 5"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", False, "no readable"),
    ],
)
def test_what_is_no_answer_is_refused_at_once(data: bytes, ended: bool, problem: str) -> None:
    with pytest.raises(HttpAnswerError, match=problem):
        answer_in(data, ended=ended, largest=5)


def test_an_answer_in_countless_pieces_is_refused_and_does_not_hold_up_the_loop() -> None:
    head, piece = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"
    most = answer_in(head + MOST_PIECES * piece + b"0\r\n\r\n", ended=False, largest=LARGEST)

    assert most == HttpAnswer(status=200, body=MOST_PIECES * b"x")
    with pytest.raises(HttpAnswerError, match="more than 10000 pieces"):
        answer_in(head + (MOST_PIECES + 1) * piece, ended=False, largest=LARGEST)


PIECES = st.sampled_from(
    [b"HTTP/1.1 200 OK\r\n", b"\r\n", b"Content-Length: 3", b"Transfer-Encoding: chunked", b"3"]
)


@given(st.lists(PIECES | st.binary(max_size=8)).map(b"".join), st.booleans())
def test_any_bytes_are_an_answer_need_more_or_are_refused(data: bytes, ended: bool) -> None:
    try:
        answer = answer_in(data, ended=ended, largest=20)
    except HttpAnswerError:
        return
    assert answer is None or len(answer.body) <= 20
    assert answer or not ended
