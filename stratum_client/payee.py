"""Whom a script pays: the inverse of `bitcoin_address.script_of`, for people to read.

Source: BIP 13, BIP 173, BIP 350.
"""

from dataclasses import dataclass
from hashlib import sha256

from stratum_client.bitcoin_address import BASE58, BECH32, CHECKSUM, polymod


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How addresses of one chain begin."""

    prefix: str
    public_key_version: int
    script_version: int


MAIN = Network(prefix="bc", public_key_version=0x00, script_version=0x05)
TEST = Network(prefix="tb", public_key_version=0x6F, script_version=0xC4)
REGTEST = Network(prefix="bcrt", public_key_version=0x6F, script_version=0xC4)


def network_of(address: str) -> Network:
    """Return the network that ``address`` seems to be of; the main one where in doubt."""
    start = address.lower()
    if start.startswith("bcrt1"):
        return REGTEST
    return TEST if start.startswith(("tb1", "m", "n", "2")) else MAIN


def address_of(script: bytes, network: Network = MAIN) -> str:
    """Return the address that a scriptPubKey stands for; "" where it has none."""
    if len(script) == 25 and script[:3] == b"\x76\xa9\x14" and script[-2:] == b"\x88\xac":
        return _base58(bytes([network.public_key_version]) + script[3:23])
    if len(script) == 23 and script[:2] == b"\xa9\x14" and script[-1:] == b"\x87":
        return _base58(bytes([network.script_version]) + script[2:22])
    if 4 <= len(script) <= 42 and script[1] == len(script) - 2:
        if script[0] == 0 and len(script) in {22, 34}:
            return _bech32(network.prefix, 0, script[2:])
        if 0x51 <= script[0] <= 0x60:
            return _bech32(network.prefix, script[0] - 0x50, script[2:])
    return ""


def _base58(payload: bytes) -> str:
    data = payload + sha256(sha256(payload).digest()).digest()[:4]
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def _bech32(prefix: str, version: int, program: bytes) -> str:
    bits = len(program) * 8
    padding = -bits % 5
    whole = int.from_bytes(program, "big") << padding
    groups = range(bits + padding - 5, -1, -5)
    values = [version, *(whole >> shift & 31 for shift in groups)]
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    wanted = CHECKSUM["bech32m" if version else "bech32"]
    remainder = polymod([*expanded, *values, 0, 0, 0, 0, 0, 0]) ^ wanted
    values += [remainder >> shift & 31 for shift in range(25, -1, -5)]
    return f"{prefix}1" + "".join(BECH32[value] for value in values)
