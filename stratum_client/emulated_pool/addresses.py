"""Bitcoin addresses, for pools that let in nobody else: checksum in, output script out.

Source: BIP 173 and BIP 350 (bech32, bech32m), the base58check of Bitcoin Core.
"""

from stratum_client.emulated_pool.proof_of_work import double_sha256

_BECH32_DIGITS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_PREFIXES = ("bc", "tb", "bcrt")
_CHECKSUMS = {0: 1}
_BECH32M_CHECKSUM = 0x2BC830A3

_BASE58_DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PAY_TO_KEY_HASH = (0x00, 0x6F)
_PAY_TO_SCRIPT_HASH = (0x05, 0xC4)


def output_script(address: str) -> bytes | None:
    """Return the script that pays ``address`` on any Bitcoin network, None if it is not one."""
    prefix, separator, _ = address.lower().rpartition("1")
    if separator and prefix in _BECH32_PREFIXES:
        return _witness_script(address)
    return _base58_script(address)


def _witness_script(address: str) -> bytes | None:
    if address not in (address.lower(), address.upper()) or len(address) > 90:
        return None
    prefix, _, text = address.lower().rpartition("1")
    if len(text) < 7 or not set(text) <= set(_BECH32_DIGITS):
        return None
    digits = [_BECH32_DIGITS.index(character) for character in text]
    version = digits[0]
    if _bech32_checksum(prefix, digits) != _CHECKSUMS.get(version, _BECH32M_CHECKSUM):
        return None
    program = _bytes_of_digits(digits[1:-6])
    if program is None or version > 16 or not 2 <= len(program) <= 40:
        return None
    if version == 0 and len(program) not in (20, 32):
        return None
    return bytes([0x50 + version if version else 0, len(program)]) + program


def _bech32_checksum(prefix: str, digits: list[int]) -> int:
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    checksum = 1
    for value in expanded + digits:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_BECH32_GENERATORS):
            if top >> bit & 1:
                checksum ^= generator
    return checksum


def _bytes_of_digits(digits: list[int]) -> bytes | None:
    number = 0
    for digit in digits:
        number = number << 5 | digit
    size, padding = divmod(5 * len(digits), 8)
    if padding > 4 or number & (1 << padding) - 1:
        return None
    return (number >> padding).to_bytes(size, "big")


def _base58_script(address: str) -> bytes | None:
    if not 26 <= len(address) <= 35 or not set(address) <= set(_BASE58_DIGITS):
        return None
    number = 0
    for character in address:
        number = number * 58 + _BASE58_DIGITS.index(character)
    if number >= 1 << 200:
        return None
    data = number.to_bytes(25, "big")
    if double_sha256(data[:21])[:4] != data[21:]:
        return None
    if data[0] in _PAY_TO_KEY_HASH:
        return bytes.fromhex("76a914") + data[1:21] + bytes.fromhex("88ac")
    if data[0] in _PAY_TO_SCRIPT_HASH:
        return bytes.fromhex("a914") + data[1:21] + bytes.fromhex("87")
    return None
