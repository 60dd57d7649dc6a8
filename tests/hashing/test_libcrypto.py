"""The compression function borrowed from libcrypto, against ours and against known midstates."""

import ctypes
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.hashing import interpreted, libcrypto
from drivers.hashing.kernels import StopFlag
from drivers.header import midstate
from tests.vectors.load import named, stratum

INITIAL = bytes.fromhex("6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19")


@pytest.mark.parametrize("vector", stratum("midstates"), ids=named)
def test_it_gives_the_known_midstates(vector: dict[str, Any]) -> None:
    step = libcrypto.transform()
    if step is None:
        return  # the search does it in Python then

    assert step(INITIAL, bytes.fromhex(vector["first64"])).hex() == vector["midstate_be"]


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
def test_it_agrees_with_python_from_any_state(state: bytes, block: bytes) -> None:
    step = libcrypto.transform() or interpreted._in_python

    assert step(state, block) == interpreted._in_python(state, block)


def test_without_the_library_the_search_is_done_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: object) -> None:
        raise OSError(name)

    starts, tail, target = [midstate(bytes(range(64)))], bytes(12), 1 << 252
    expected = interpreted.scan_midstates(starts, tail, target, 0, 200, StopFlag(1))
    monkeypatch.setattr(ctypes, "CDLL", missing)
    libcrypto.transform.cache_clear()
    try:
        assert libcrypto.transform() is None
        assert interpreted.scan_midstates(starts, tail, target, 0, 200, StopFlag(1)) == expected
    finally:
        monkeypatch.undo()
        libcrypto.transform.cache_clear()
    assert expected[0]
