"""The chips' two checksums as the emulated chips compute them.

Source: 256foundation/mujina (crc.rs) and captured frames: CRC-5 of polynomial 05 from 1F, CRC-16 of
polynomial 1021 from FFFF; both most significant bit first, nothing reflected, no final XOR.
"""

from binascii import crc_hqx


def crc5(whole: bytes, type_bits: int = 0, *, with_type: bool = False) -> int:
    """Return the CRC-5 of ``whole``; ``with_type`` takes the three bits ``type_bits`` in last."""
    crc = 0x1F
    for byte in whole:
        crc = _BYTES[crc << 3 ^ byte]
    return _three_bits(crc, type_bits) if with_type else crc


def crc16(data: bytes) -> int:
    """Return the CRC-16 of a job's bytes."""
    return crc_hqx(data, 0xFFFF)


def _three_bits(crc: int, bits: int) -> int:
    for position in (2, 1, 0):
        out = crc >> 4 ^ bits >> position & 1
        crc = crc << 1 & 0x1F ^ (0x05 if out else 0)
    return crc


def _one_byte(value: int) -> int:
    for _ in range(8):
        value = (value << 1 ^ (0x05 << 3 if value & 0x80 else 0)) & 0xFF
    return value >> 3


_BYTES = bytes(_one_byte(value) for value in range(256))
