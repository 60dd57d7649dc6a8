"""The nonces of works that hosts send as a probe; at an emulated rate they might not be tried.

Source: kanoi/cgminer and luke-jr/bfgminer, driver-icarus.c.
"""

_GOLDEN = (
    bytes.fromhex("e48f544a9a3afa71451471134df6c35682b400254bfe0860c99876bf4679ba4e"),
    bytes.fromhex("2fa722ce1426674f87320b1a"),
)
_DIVISION = (
    bytes.fromhex("6a5b504aa1ee04c577cf26b643828602cb64a2a07ea20aaafd595d2d2e4c8f91"),
    bytes.fromhex("fb9b3c73c906a9516461011a"),
)
_FIRST_FOUND = {1: 0x04C0FDB4, 2: 0x82540E46, 4: 0x417C0F36, 8: 0x60C994D5}


def known_nonces(midstate: bytes, tail: bytes, parts: int) -> tuple[int, ...]:
    """Return what a device of ``parts`` parts finds first in a probe; none for any other work."""
    if (midstate, tail) == _GOLDEN:
        return (0x000187A2,)
    return (_FIRST_FOUND[parts],) if (midstate, tail) == _DIVISION else ()
