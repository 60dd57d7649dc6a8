"""Addresses against the vectors of BIP 350 and of Bitcoin Core."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum_client.emulated_pool.addresses import output_script
from tests.vectors.load import FOLDER

VECTORS = json.loads((FOLDER / "bitcoin-addresses.json").read_text())


def address_of(vector: dict[str, Any]) -> str:
    return str(vector["address"])


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=address_of)
def test_an_address_gives_its_output_script(vector: dict[str, Any]) -> None:
    script = output_script(vector["address"])

    assert script is not None
    assert script.hex() == vector["script"]


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=address_of)
def test_what_is_no_address_gives_nothing(vector: dict[str, Any]) -> None:
    assert output_script(vector["address"]) is None


@settings(deadline=None)
@given(st.text(max_size=100) | st.from_regex(r"bc1[02-9ac-hj-np-z]{0,90}", fullmatch=True))
def test_any_text_is_looked_at_without_harm(text: str) -> None:
    assert output_script(text) is None


@settings(deadline=None)
@given(st.integers(0, 41), st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l"))
def test_one_wrong_character_is_always_noticed(at: int, character: str) -> None:
    good = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
    changed = good[:at] + character + good[at + 1 :]

    assert (output_script(changed) is not None) is (changed == good)
