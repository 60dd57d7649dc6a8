"""Lines from a pool: every reply shape that was seen, and every byte that was not."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.errors import PoolProtocolError
from stratum_client.wire import Reply, Request, encode_request, parse_line, printable
from tests.vectors.load import named, stratum

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("vector", stratum("responses"), ids=named)
def test_every_reply_shape_is_understood(vector: dict[str, Any]) -> None:
    reply = parse_line(vector["line"].encode())

    assert isinstance(reply, Reply)
    assert reply.rpc_id == vector["rpc_id"]
    assert (reply.failure is None) == vector["ok"]
    if reply.failure:
        assert reply.failure.code == vector["code"]
        assert reply.failure.message == vector["message"]


@pytest.mark.parametrize("error", ["null", "false", "[]", "{}", '""', "0"])
def test_an_empty_error_is_none(error: str) -> None:
    reply = parse_line(f'{{"id":4,"result":true,"error":{error}}}'.encode())
    refused = parse_line(f'{{"id":4,"result":false,"error":{error}}}'.encode())

    assert isinstance(reply, Reply)
    assert isinstance(refused, Reply)
    assert reply.failure is None
    assert refused.failure is not None


@pytest.mark.parametrize(("rpc_id", "number"), [("4", 4), ('"4"', 4), ("4.0", 4), ("4.5", None)])
def test_an_id_is_matched_whatever_its_type(rpc_id: str, number: int | None) -> None:
    reply = parse_line(f'{{"id":{rpc_id},"result":true,"error":null}}'.encode())

    assert isinstance(reply, Reply)
    assert reply.number == number


@pytest.mark.parametrize(
    "rpc_id", ["true", "null", '"x"', "[4]", '"٤"', '"4444444444444444444444"']
)
def test_an_id_that_is_none_of_ours_matches_nothing(rpc_id: str) -> None:
    reply = parse_line(f'{{"id":{rpc_id},"result":true,"error":null}}'.encode())

    assert isinstance(reply, Reply)
    assert reply.number is None


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"id":1,"result":' + b"[" * 9 + b"]" * 9 + b"}",
        b'{"id":1,"result":' + b"9" * 400 + b"}",
        b'{"id":1,"id":2,"result":true}',
        b'{"id":1}',
        b"[1,2]",
        b'{"method":"x","params":[' + b"[]," * 2000 + b"[]]}",
        b'{"method":"x","params":[0.' + b"1" * 200 + b"]}",
        b'{"method":"x","params":[1e' + b"9" * 200 + b"]}",
        b"\xff\xfe",
        b"",
    ],
)
def test_what_is_no_message_is_a_protocol_error(line: bytes) -> None:
    with pytest.raises(PoolProtocolError):
        parse_line(line)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_message_or_the_documented_error(line: bytes) -> None:
    with contextlib.suppress(PoolProtocolError):
        assert isinstance(parse_line(line), Request | Reply)


@given(st.dictionaries(st.sampled_from(["id", "method", "params", "result", "error"]), JSON))
def test_any_object_gives_a_message_or_the_documented_error(message: dict[str, object]) -> None:
    try:
        parsed = parse_line(json.dumps(message).encode())
    except PoolProtocolError:
        return
    if isinstance(parsed, Reply) and parsed.failure:
        assert parsed.failure.message.isprintable()


def test_a_request_with_a_quote_in_the_password_stays_one_json_line() -> None:
    line = encode_request(3, "mining.authorize", ["user", 'pa"ss\n\\'])

    assert line.count(b"\n") == 1
    assert json.loads(line)["params"] == ["user", 'pa"ss\n\\']


@given(st.text(), st.integers(1, 100))
def test_printable_text_has_no_control_characters(text: str, limit: int) -> None:
    shown = printable("\x1b[2J" + text, limit)

    assert len(shown) <= limit
    assert shown.isprintable()
