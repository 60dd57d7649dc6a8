"""Bitcoin addresses: the script each pays to, and whether a pool user is one with a slip in it.

Mainnet, testnet, signet and regtest; P2PKH and P2SH in Base58Check, witness programs in Bech32 and
Bech32m. Where a slip is found is told, never what the address should have been: a guess would
send money elsewhere.

Source: BIP 13, BIP 173, BIP 350; Bitcoin Core's chainparams.cpp for the version bytes and prefixes.
"""

import re
from collections.abc import Iterator
from functools import reduce
from hashlib import sha256
from itertools import pairwise
from operator import xor

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_INVERSE = {character: value for value, character in enumerate(BECH32)}
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_FEEDBACK = [
    reduce(xor, (g for bit, g in enumerate(_GENERATORS) if top >> bit & 1), 0) for top in range(32)
]
CHECKSUM = {"bech32": 1, "bech32m": 0x2BC830A3}
_PUBLIC_KEY_VERSIONS = {0x00, 0x6F}
_SCRIPT_VERSIONS = {0x05, 0xC4}
_PREFIXES = ("bc", "tb", "bcrt")
_USUAL_BECH32_LENGTHS = {42, 62, 44, 64}
_SHORTEST, _LONGEST = 20, 90
"""Shorter ones exist but nobody is paid there; Bech32 ends at 90."""


class AddressError(ValueError):
    """A text is not a valid Bitcoin address; ``problem`` says what is wrong with it."""

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(f'"{address}" {problem}')
        self.address = address
        self.problem = problem


def script_of(address: str) -> bytes:
    """Return the scriptPubKey that ``address`` stands for, 4 to 42 bytes; raise AddressError."""
    if address.lower().startswith(tuple(f"{prefix}1" for prefix in _PREFIXES)):
        return _witness_script(address)
    if prefix := _foreign_prefix(address):
        raise AddressError(address, f'is of another chain: it begins with "{prefix}1"')
    return _base58_script(address)


def check_payout_user(user: str) -> None:
    """Raise AddressError if ``user`` begins with what looks like an address but is none.

    The worker's name behind the first ``.`` or ``_`` does not count, nor does what some pools take
    behind other signs, such as ``~``. Names of accounts pass.
    """
    address = _match(r"[A-Za-z0-9]*", user)
    account = _match(r"[^._]*", user)
    if not _problem_of(address):
        return
    for text in dict.fromkeys((address, account)):
        if problem := _suspicion_of(text):
            raise AddressError(text, f"looks like a Bitcoin address, but {problem}; copy it again")


def _suspicion_of(text: str) -> str:
    """Return what is wrong with ``text`` as an address, "" if it hardly was meant to be one."""
    if not _SHORTEST <= len(text) <= _LONGEST:
        return ""
    if slip := _slip_in(text):
        return f"its checksum is wrong: {slip}"
    if _looks_like_bech32(text) or _looks_like_base58(text):
        return _problem_of(text)
    return ""


def _witness_script(address: str) -> bytes:
    values, checksum = _bech32_parts(address)
    if not values:
        raise AddressError(address, "has no witness version")
    version, program = values[0], _bytes_of(values[1:])
    if program is None or not 2 <= len(program) <= 40 or version > 16:
        raise AddressError(address, "holds no witness program")
    if version == 0 and len(program) not in {20, 32}:
        raise AddressError(address, "has a length that its version does not allow")
    if checksum != CHECKSUM["bech32m" if version else "bech32"]:
        kinds = ("Bech32", "Bech32m") if version else ("Bech32m", "Bech32")
        problem = f"has a checksum of {kinds[0]}, where version {version} takes {kinds[1]}"
        raise AddressError(address, problem)
    return bytes((version + 0x50 if version else 0, len(program))) + program


def _bech32_parts(address: str) -> tuple[list[int], int]:
    """Return the 5-bit values without the checksum, and the constant that the checksum gives."""
    if address not in {address.lower(), address.upper()}:
        raise AddressError(address, "mixes small and capital letters")
    prefix, _, data = address.lower().rpartition("1")
    if prefix not in _PREFIXES:
        raise AddressError(address, 'has a "1" behind its beginning, which no such address has')
    if len(data) < 6 or len(address) > _LONGEST:
        raise AddressError(address[:_LONGEST], "is too short or too long")
    values = []
    for position, character in enumerate(data, len(prefix) + 2):
        if character not in _BECH32_INVERSE:
            problem = f"has {_at(position, address)}, which no such address has"
            raise AddressError(address, problem)
        values.append(_BECH32_INVERSE[character])
    checksum = _checksum_of(prefix, values)
    if checksum not in CHECKSUM.values():
        raise AddressError(address, "has a wrong checksum")
    return values[:-6], checksum


def polymod(values: list[int]) -> int:
    """Return the Bech32 checksum state after 5-bit ``values``, a 30-bit integer."""
    remainder = 1
    for value in values:
        remainder = (remainder & 0x1FFFFFF) << 5 ^ value ^ _FEEDBACK[remainder >> 25]
    return remainder


def _foreign_prefix(address: str) -> str:
    """Return how a valid Bech32 address of another chain begins, "" if it is none."""
    prefix, _, data = address.lower().rpartition("1")
    if not prefix or len(data) < 6 or len(address) > _LONGEST or not prefix.isascii():
        return ""
    values = [_BECH32_INVERSE.get(character, -1) for character in data]
    if -1 in values or not prefix.isalnum():
        return ""
    return prefix if _checksum_of(prefix, values) in CHECKSUM.values() else ""


def _checksum_of(prefix: str, values: list[int]) -> int:
    return polymod([ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + values)


def _bytes_of(values: list[int]) -> bytes | None:
    """Return 5-bit groups as bytes; None if the padding is not up to four zero bits."""
    bits = len(values) * 5
    whole = 0
    for value in values:
        whole = whole << 5 | value
    padding = bits % 8
    if padding > 4 or whole & (1 << padding) - 1:
        return None
    return (whole >> padding).to_bytes(bits // 8, "big")


def _base58_script(address: str) -> bytes:
    if not 0 < len(address) <= _LONGEST:
        raise AddressError(address[:_LONGEST], "is too short or too long")
    number = 0
    for position, character in enumerate(address, 1):
        digit = BASE58.find(character)
        if digit < 0:
            raise AddressError(address, f"has {_at(position, address)}, which no such address has")
        number = number * 58 + digit
    zeros = len(address) - len(address.lstrip("1"))
    data = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
    payload, checksum = data[:-4], data[-4:]
    if sha256(sha256(payload).digest()).digest()[:4] != checksum:
        raise AddressError(address, "has a wrong checksum")
    version, digest = payload[:1], payload[1:]
    if len(digest) == 20 and version[0] in _PUBLIC_KEY_VERSIONS:
        return b"\x76\xa9\x14" + digest + b"\x88\xac"
    if len(digest) == 20 and version[0] in _SCRIPT_VERSIONS:
        return b"\xa9\x14" + digest + b"\x87"
    if len(digest) != 20:
        raise AddressError(address, "has not the length of an address")
    raise AddressError(address, f"is not an address of Bitcoin: its version is {version.hex()}")


def _problem_of(address: str) -> str:
    try:
        script_of(address)
    except AddressError as error:
        return error.problem
    return ""


def _slip_in(address: str) -> str:
    """Return the one slip that parts ``address`` from a valid one, "" if there is none."""
    for slip, candidate in _neighbours(address):
        if not _problem_of(candidate):
            return slip
    return ""


def _neighbours(text: str) -> Iterator[tuple[str, str]]:
    """Yield each slip of typing that may have happened, with the text as it was before it."""
    alphabet = _alphabet_of(text)
    for at in range(len(text)):
        slip = f"check {_at(at + 1, text)}"
        for character in alphabet:
            yield slip, text[:at] + character + text[at + 1 :]
    for at, (left, right) in enumerate(pairwise(text)):
        slip = f'"{left}{right}" from character {at + 1} on may be in the wrong order'
        yield slip, text[:at] + right + left + text[at + 2 :]
    for at in range(len(text)):
        yield f"{_at(at + 1, text)}, may be one too many", text[:at] + text[at + 1 :]
    for at in range(len(text) + 1):
        slip = f"a character may be missing after the first {at}"
        for character in alphabet:
            yield slip, text[:at] + character + text[at:]


def _alphabet_of(text: str) -> str:
    """Return the characters of the addresses that ``text`` may have been."""
    lower = BECH32 + "1b"
    return {text.lower(): lower, text.upper(): lower.upper()}.get(text, BASE58)


def _looks_like_bech32(address: str) -> bool:
    prefix = next((p for p in _PREFIXES if address.lower().startswith(f"{p}1")), None)
    if prefix is None:
        return False
    if len(address) in _USUAL_BECH32_LENGTHS and address[len(prefix) + 1] in "qpQP":
        return True
    strangers = [c for c in address[len(prefix) + 1 :].lower() if c not in _BECH32_INVERSE]
    return len(strangers) <= 2


def _looks_like_base58(address: str) -> bool:
    """Return whether small, capital letters and digits alternate as only chance would do it."""
    if address[:1] not in {"1", "3"} or len(address) not in range(25, 37):
        return False
    strangers = [c for c in address if c not in BASE58]
    changes = sum(_class_of(left) != _class_of(right) for left, right in pairwise(address))
    return len(strangers) <= 1 and changes > 0.45 * (len(address) - 1)


def _class_of(character: str) -> int:
    return character.isdigit() + 2 * character.isupper()


def _match(pattern: str, text: str) -> str:
    match = re.match(pattern, text)
    return match[0] if match else ""


def _at(position: int, address: str) -> str:
    return f'character {position}, "{address[position - 1]}"'
