"""Works whose first nonce is known, sent to learn whether a device is there, and which. Sans-IO.

They are only ever sent to a port that the operator named, or whose USB strings did.

Source: kanoi/cgminer, driver-icarus.c (golden work, its form for Rockminers); luke-jr/bfgminer,
driver-icarus.c (work whose first nonce shows how the nonces are divided).
"""

from collections.abc import Mapping
from types import MappingProxyType

GOLDEN_WORK = bytes.fromhex(
    "4679ba4ec99876bf4bfe086082b400254df6c356451471139a3afa71e48f544a"
    "0000000000000000000000000000000000000000"
    "87320b1a1426674f2fa722ce"
)
GOLDEN_COUNTER = 0x000187A2

DIVISION_WORK = bytes.fromhex(
    "2e4c8f91fd595d2d7ea20aaacb64a2a04382860277cf26b6a1ee04c56a5b504a"
    "0000000000000000000000000000000000000000"
    "6461011ac906a951fb9b3c73"
)
DIVISION_BY_COUNTER: Mapping[int, int] = MappingProxyType(
    {0x04C0FDB4: 1, 0x82540E46: 2, 0x417C0F36: 4, 0x60C994D5: 8}
)
"""The first nonce that a device finds, to the number of parts it searches side by side."""

DIVISION_HASHES = 106_000_000
"""No device needs more hashes than this for the first nonce of `DIVISION_WORK`."""

_ROCKMINER_GOLDEN = GOLDEN_WORK[31::-1] + bytes(16), GOLDEN_WORK[:51:-1]


def rockminer_golden_work(lane: int, step: int) -> bytes:
    """Return the golden work for a chip of a Rockminer, see `frames.RockminerForm`."""
    midstate, tail = _ROCKMINER_GOLDEN
    return midstate + bytes((0xAA, step, lane, 0x55)) + tail


def answer_after_golden(received: bytes, corrections: tuple[int, ...] = (0,)) -> bytes | None:
    """Return the answer to golden work, from its nonce to the end; None if there is none.

    Bytes before it are of work that the device had before. ``corrections`` are what may have to
    be added to the nonce.
    """
    for correction in corrections:
        nonce = (GOLDEN_COUNTER - correction).to_bytes(4, "big")
        at = received.find(nonce)
        if at >= 0:
            return received[at:]
    return None


def division_in(received: bytes) -> int | None:
    """Return the division that the answer to `DIVISION_WORK` names, None if there is none."""
    for counter, division in DIVISION_BY_COUNTER.items():
        if counter.to_bytes(4, "big") in received:
            return division
    return None
