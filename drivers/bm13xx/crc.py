"""The two checksums of the BM13xx wire.

Source: ESP-Miner components/asic/crc.c, mujina asic/bm13xx/crc.rs; both agree with captured frames.
"""

import binascii

_POLYNOMIAL = 0x05
_START = 0x1F


def crc5(data: bytes, bits: int | None = None) -> int:
    """Return the CRC-5 of ``data``, or of its first ``bits`` bits: x^5+x^2+1, MSB first, from 1F.

    A response with its own CRC in the low five bits of the last byte gives 0.
    """
    whole, rest = divmod(8 * len(data) if bits is None else bits, 8)
    crc = _START << 3
    for byte in data[:whole] if rest else data:
        crc = _TABLE[crc ^ byte]
    crc >>= 3
    return _shift_in(crc, data[whole] >> 8 - rest, rest) if rest else crc


def crc16(data: bytes) -> int:
    """Return the CRC-16 of ``data``: polynomial 1021, MSB first, from FFFF (CCITT-FALSE)."""
    return binascii.crc_hqx(data, 0xFFFF)


def _shift_in(crc: int, value: int, bits: int) -> int:
    for bit in range(bits - 1, -1, -1):
        carry = crc >> 4 ^ value >> bit & 1
        crc = crc << 1 & 0x1F ^ _POLYNOMIAL * carry
    return crc


# The five bits sit in the high end of a byte, so that one XOR takes in eight bits of data.
_TABLE = bytes(_shift_in(0, index, 8) << 3 for index in range(256))
