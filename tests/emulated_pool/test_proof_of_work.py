"""The pool's arithmetic against vectors made elsewhere."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum_client.emulated_pool.proof_of_work import (
    block_header,
    compact,
    difficulty_of_proof,
    merkle_root,
    network_target,
    proof,
    target_for,
)
from tests.vectors.load import named, stratum


@pytest.mark.parametrize("vector", stratum("difficulty_to_target"), ids=named)
def test_a_difficulty_gives_the_exact_target(vector: dict[str, Any]) -> None:
    difficulty = float.fromhex(vector["as_double"])

    assert target_for(difficulty) == int(vector["target_hex"], 16)


@pytest.mark.parametrize("vector", stratum("hash_to_difficulty"), ids=named)
def test_a_hash_has_the_difficulty_it_was_found_at(vector: dict[str, Any]) -> None:
    value = int(vector["hash_display"], 16)

    assert difficulty_of_proof(value) == vector["difficulty"]
    assert (value <= target_for(1)) is vector["meets_1"]
    assert (value <= target_for(2)) is vector["meets_2"]


@pytest.mark.parametrize("vector", stratum("nbits"), ids=named)
def test_nbits_give_the_network_target(vector: dict[str, Any]) -> None:
    assert network_target(int(vector["nbits"], 16)) == int(vector["target_hex"], 16)


@pytest.mark.parametrize("vector", stratum("headers"), ids=named)
def test_a_header_is_laid_out_and_hashed_as_on_the_chain(vector: dict[str, Any]) -> None:
    words = bytes.fromhex(vector["prevhash_stratum"])
    header = block_header(
        int(vector["version"], 16),
        b"".join(words[i : i + 4][::-1] for i in range(0, 32, 4)),
        bytes.fromhex(vector["merkle_root_internal"]),
        int(vector["ntime"], 16),
        int(vector["nbits"], 16),
        int(vector["nonce"], 16),
    )

    assert header.hex() == vector["header"]
    assert f"{proof(header):064x}" == vector["hash_display"]


@pytest.mark.parametrize("vector", stratum("merkle"), ids=named)
def test_a_branch_leads_to_its_root(vector: dict[str, Any]) -> None:
    branch = [bytes.fromhex(sibling) for sibling in vector["branch"]]

    root = merkle_root(bytes.fromhex(vector["coinbase"]), branch)

    assert root.hex() == vector["root_internal"]


@settings(deadline=None)
@given(st.integers(min_value=1, max_value=(1 << 255) - 1))
def test_a_compact_target_is_never_easier_and_nearly_as_easy(target: int) -> None:
    back = network_target(compact(target))

    assert back <= target
    assert back > target * 127 // 128 or target < 1 << 24


def test_the_smallest_targets_survive_the_compact_form() -> None:
    for target in [1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0x7FFFFF, 0x800000]:
        assert network_target(compact(target)) == target


@pytest.mark.parametrize("difficulty", [0, -1, -0.5, Fraction(0)])
def test_a_difficulty_that_is_not_positive_is_refused(difficulty: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        target_for(difficulty)
