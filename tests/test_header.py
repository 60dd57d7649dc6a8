"""Header arithmetic against captured headers, blocks and independently computed targets."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.header import (
    DIFFICULTY_1,
    MAX_TARGET,
    difficulty_of,
    hash_value,
    hashes_to_find,
    midstate,
    pack_header,
    target_of,
    target_of_nbits,
)
from tests.vectors.load import named, stratum

Vector = dict[str, Any]


@pytest.mark.parametrize("vector", stratum("headers"), ids=named)
def test_a_header_is_packed_and_hashed_as_on_the_chain(vector: Vector) -> None:
    wire = bytes.fromhex(vector["prevhash_stratum"])
    header = pack_header(
        int(vector["version"], 16),
        b"".join(wire[i : i + 4][::-1] for i in range(0, 32, 4)),
        bytes.fromhex(vector["merkle_root_internal"]),
        int(vector["ntime"], 16),
        int(vector["nbits"], 16),
        int(vector["nonce"], 16),
    )

    assert header.hex() == vector["header"]
    if vector.get("hash_display"):
        assert f"{hash_value(header):064x}" == vector["hash_display"]


@pytest.mark.parametrize("vector", stratum("midstates"), ids=named)
def test_a_midstate_is_the_state_after_64_bytes(vector: Vector) -> None:
    assert midstate(bytes.fromhex(vector["first64"])).hex() == vector["midstate_be"]


@pytest.mark.parametrize("vector", stratum("difficulty_to_target"), ids=named)
def test_a_target_is_exact(vector: Vector) -> None:
    target = target_of(json.loads(vector["json_literal"]))

    assert f"{target:064x}" == vector["target_hex"]
    assert (target == MAX_TARGET) == vector["clamped"]
    assert hashes_to_find(target) == pytest.approx(vector["expected_hashes"], rel=1e-12)


@pytest.mark.parametrize("vector", stratum("hash_to_difficulty"), ids=named)
def test_a_hash_has_the_difficulty_the_pool_computes(vector: Vector) -> None:
    value = int(vector["hash_display"], 16)

    assert difficulty_of(value) == vector["difficulty"]
    assert (value <= target_of(1)) == vector["meets_1"]
    assert (value <= target_of(2)) == vector["meets_2"]


@pytest.mark.parametrize("vector", stratum("nbits"), ids=named)
def test_nbits_give_the_network_target(vector: Vector) -> None:
    assert f"{target_of_nbits(int(vector['nbits'], 16)):064x}" == vector["target_hex"]


@given(st.integers(1, 1 << 40), st.integers(1, 1 << 40))
def test_a_harder_difficulty_never_has_an_easier_target(one: int, other: int) -> None:
    easy, hard = sorted((one, other))

    assert target_of(hard) <= target_of(easy) <= DIFFICULTY_1


@pytest.mark.parametrize("difficulty", [0, -1, -0.5])
def test_a_difficulty_that_is_not_positive_is_refused(difficulty: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        target_of(difficulty)
