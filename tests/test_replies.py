"""What pools grant and refuse, as captured."""

from typing import Any

import pytest

from stratum_client.errors import PoolProtocolError
from stratum_client.replies import extensions_in, refusal_of, subscription_in
from stratum_client.wire import Failure, Reply, parse_line
from tests.vectors.load import named, stratum

Vector = dict[str, Any]


def reply_in(line: str) -> Reply:
    reply = parse_line(line.encode())
    assert isinstance(reply, Reply)
    return reply


@pytest.mark.parametrize("vector", stratum("subscribe_replies"), ids=named)
def test_a_subscription_is_read_whatever_its_shape(vector: Vector) -> None:
    reply = reply_in(vector["line"])
    if not vector["accept"]:
        with pytest.raises(PoolProtocolError):
            subscription_in(reply)
        return

    granted = subscription_in(reply)

    assert granted.extranonce1.hex() == vector["extranonce1"]
    assert granted.extranonce2_size == vector["extranonce2_size"]
    assert granted.session_id == vector["session_id"]


@pytest.mark.parametrize("vector", stratum("configure_replies"), ids=named)
def test_the_mask_is_theirs_and_ours(vector: Vector) -> None:
    extensions = extensions_in(
        reply_in(vector["line"]), wanted_mask=int(vector["requested_mask"], 16)
    )

    assert f"{extensions.version_mask or 0:08x}" == vector["effective_mask"]


@pytest.mark.parametrize("vector", stratum("reject_class"), ids=named)
def test_a_refusal_is_classified(vector: Vector) -> None:
    failure = Failure(code=vector["code"], message=vector["message"])

    assert refusal_of(failure) == vector["klass"]


@pytest.mark.parametrize("extranonce1", ['"0"', '"0g"', '"0a 0b"', "null", '"' + "00" * 33 + '"'])
def test_an_extranonce1_that_is_no_hex_is_refused(extranonce1: str) -> None:
    with pytest.raises(PoolProtocolError, match="extranonce1"):
        subscription_in(reply_in(f'{{"id":1,"result":[[],{extranonce1},4],"error":null}}'))


def test_an_empty_extranonce1_is_taken() -> None:
    granted = subscription_in(reply_in('{"id":1,"result":[null,"",4],"error":null}'))

    assert granted.extranonce1 == b""
    assert granted.session_id is None
