"""The emulated chips' voice: captured responses come out byte for byte."""

from typing import Any

import pytest

from drivers.bm13xx.emulated_models import BM1384, BM1387, MODELS
from drivers.bm13xx.emulated_replies import nonce_frame, register_frame
from tests.bm13xx import plain_host as host
from tests.vectors.load import named, vectors

Vector = dict[str, Any]
RESPONSES = vectors("bm13xx", "responses")


def of_type(kind: str) -> list[Vector]:
    return [vector for vector in RESPONSES if vector["decoded"]["type"] == kind]


@pytest.mark.parametrize("vector", of_type("register"), ids=named)
def test_a_captured_register_value_is_sent_as_it_was(vector: Vector) -> None:
    captured, decoded = bytes.fromhex(vector["hex"]), vector["decoded"]

    frame = register_frame(
        MODELS[vector["chip"].lower()],
        address=decoded["chip_address"],
        register=int(decoded["register"], 16),
        value=int(decoded["value"], 16),
        wide=len(captured) == 11,
    )

    assert frame == captured


@pytest.mark.parametrize("vector", of_type("nonce"), ids=named)
def test_a_captured_nonce_is_sent_as_it_was(vector: Vector) -> None:
    decoded, model = vector["decoded"], MODELS[vector["chip"].lower()]
    rolled = decoded.get("version_counter")

    frame = nonce_frame(
        model,
        nonce=int(decoded["nonce_be"], 16),
        job_byte=int(decoded["job_byte"], 16),
        part=decoded.get("small_core", decoded.get("midstate_index")),
        excess=decoded["excess_difficulty"] // model.excess_unit,
        rolled=rolled and int(rolled, 16),
    )

    assert frame.hex() == vector["hex"]


def test_a_bm1387_answers_with_7_bytes_and_a_bm1384_with_5() -> None:
    register = register_frame(BM1387, address=0x80, register=0, value=0x13870080, wide=False)
    nonce = nonce_frame(BM1387, nonce=0x7203EA83, job_byte=0x10, part=3, excess=0, rolled=None)
    small = register_frame(BM1384, address=0, register=0, value=0x13840000, wide=False)
    small_nonce = nonce_frame(
        BM1384, nonce=0x000187A2, job_byte=0x12, part=0, excess=0, rolled=None
    )

    assert register[:6].hex() == "138700808000"
    assert nonce[:6].hex() == "7203ea830013"
    assert [host.crc5(frame, 51) for frame in (register, nonce)] == [
        register[6] & 0x1F,
        nonce[6] & 0x1F,
    ]
    assert (register[6] >> 5, nonce[6] >> 5) == (0, 4)
    assert small[:4].hex() == "13840000"
    assert small[4] == host.crc5(small, 35)
    assert small_nonce.hex() == "000187a292"
