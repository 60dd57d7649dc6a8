"""Merkle roots: the extension, every build of it, and hashlib agree; a captured one comes out."""

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.hashing import native
from drivers.hashing.merkle import by_hashlib, merkle_root
from tests.hashing.test_other_builds import ARM, CLANG, SCALAR, Build, output, program
from tests.vectors.load import named, stratum

PROGRAM = Path(__file__).parent / "merkle_program.c"
IMPLEMENTATIONS = [f for f in (merkle_root, by_hashlib, native.merkle_root()) if f]

Compute = Callable[[bytes, bytes], bytes]
hashes = st.binary(min_size=32, max_size=32)


def root_of(leaf: bytes, branch: list[bytes]) -> bytes:
    for sibling in branch:
        leaf = hashlib.sha256(hashlib.sha256(leaf + sibling).digest()).digest()
    return leaf


def test_the_extension_computes_the_root_if_it_is_there() -> None:
    pytest.importorskip("drivers.hashing._sha256d", reason="the C extension is not built")

    assert native.merkle_root() is not None


@pytest.mark.parametrize("compute", IMPLEMENTATIONS)
@given(leaf=hashes, branch=st.lists(hashes, max_size=32))
def test_the_root_is_the_double_hash_of_each_pair(
    compute: Compute, leaf: bytes, branch: list[bytes]
) -> None:
    assert compute(leaf, b"".join(branch)) == root_of(leaf, branch)


@pytest.mark.parametrize("compute", IMPLEMENTATIONS)
@pytest.mark.parametrize("vector", stratum("merkle"), ids=named)
def test_the_root_of_a_known_block_comes_out(compute: Compute, vector: dict[str, str]) -> None:
    coinbase = bytes.fromhex(vector["coinbase"])
    leaf = hashlib.sha256(hashlib.sha256(coinbase).digest()).digest()

    assert compute(leaf, bytes.fromhex("".join(vector["branch"]))).hex() == vector["root_internal"]


@pytest.mark.parametrize("compute", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    ("leaf", "branch"),
    [(bytes(31), b""), (bytes(33), b""), (b"", b""), (bytes(32), bytes(31)), (bytes(32), b"x")],
)
def test_bytes_that_are_no_whole_hashes_are_refused(
    compute: Compute, leaf: bytes, branch: bytes
) -> None:
    with pytest.raises(ValueError, match="bytes"):
        compute(leaf, branch)


@pytest.mark.parametrize(
    ("build", "expected"),
    [(ARM, {"armv8", "portable"}), (SCALAR, {"portable"}), (CLANG, {"portable"})],
    ids=["arm", "without vectors", "clang"],
)
def test_other_builds_compute_the_same_roots(
    build: Build, expected: set[str], tmp_path: Path
) -> None:
    command = program(build, tmp_path, PROGRAM)
    chance = random.Random(2009)
    questions = [[chance.randbytes(32) for _ in range(size)] for size in range(1, 34)]
    answers = [root_of(leaf, branch).hex() for leaf, *branch in questions]

    names = output(command)

    assert expected <= set(names)
    lines = "\n".join(b"".join(question).hex() for question in questions)
    for name in names:
        assert output([*command, name], lines) == answers, name
