"""The merkle root over a leaf and its branch: most of what each new extranonce2 costs.

Computed by the C extension if there is one that agrees with hashlib on this CPU, in a sixth of
hashlib's time.

Source: Bitcoin protocol.
"""

import hashlib
from collections.abc import Callable
from functools import cache

from drivers.hashing import native

_SIZE = 32


def merkle_root(leaf: bytes, branch: bytes) -> bytes:
    """Return the 32-byte root over ``leaf`` (32 bytes) and ``branch``: its hashes, joined.

    ValueError unless the branch is made of whole hashes.
    """
    return _quickest()(leaf, branch)


def by_hashlib(leaf: bytes, branch: bytes) -> bytes:
    """Do as `merkle_root`, without the extension."""
    if len(leaf) != _SIZE or len(branch) % _SIZE:
        raise ValueError(f"hashes have {_SIZE} bytes: a leaf has one, a branch any number of them")
    sha256, root = hashlib.sha256, leaf
    for start in range(0, len(branch), _SIZE):
        root = sha256(sha256(root + branch[start : start + _SIZE]).digest()).digest()
    return root


@cache
def _quickest() -> Callable[[bytes, bytes], bytes]:
    in_c = native.merkle_root()
    leaf, branch = bytes(range(_SIZE)), bytes(range(256))
    if in_c is None or in_c(leaf, branch) != by_hashlib(leaf, branch):
        return by_hashlib
    return in_c
