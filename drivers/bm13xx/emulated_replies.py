"""What the emulated chips say: register values and nonces, in each model's own frame.

Source: captured responses of BM1362, BM1366, BM1368, BM1370 and BM1397 (256foundation/mujina,
bitaxeorg/ESP-Miner, shufps/piaxe-miner, GPTechinno/bm13xx-rs), whose checksums and hashes verify;
kanoi/cgminer (driver-gekko.c) for BM1387 and BM1384.
"""

from drivers.bm13xx.emulated_checksums import crc5
from drivers.bm13xx.emulated_models import ChipModel, Form

_PREAMBLE = b"\xaa\x55"
_REGISTER, _NONCE = 0, 4


def register_frame(
    model: ChipModel, *, address: int, register: int, value: int, wide: bool
) -> bytes:
    """Return a chip's answer to a read; ``wide`` adds the two bytes that come with rolling."""
    content = value.to_bytes(4, "big")
    if model.form is Form.BM1384:
        return _closed(content, _REGISTER)
    content += bytes([address, register])
    if model.form is Form.BM1387:
        return _closed(content, _REGISTER)
    return _PREAMBLE + _closed(content + bytes(2 * wide), _REGISTER)


def nonce_frame(
    model: ChipModel, *, nonce: int, job_byte: int, part: int, excess: int, rolled: int | None
) -> bytes:
    """Return a found nonce (read big-endian) for the job that came with ``job_byte``.

    ``part`` is the sub-core of a chip that takes whole headers, else the midstate's number.
    ``rolled`` is the 16-bit counter of versions, None while the chip rolls none.
    """
    content = nonce.to_bytes(4, "big")
    if model.form is Form.BM1384:
        return content + bytes([0x80 | job_byte])
    content += bytes([min(excess * model.excess_unit, 0xFF), _result_byte(model, job_byte, part)])
    if model.form is Form.BM1387:
        return _closed(content, _NONCE)
    if rolled is not None:
        content += rolled.to_bytes(2, "big")
    return _PREAMBLE + _closed(content, _NONCE)


def _result_byte(model: ChipModel, job_byte: int, part: int) -> int:
    if model.form is Form.BM1387:
        return job_byte + part & 0xFF
    return job_byte << model.result_shift & model.result_mask | part


def _closed(content: bytes, kind: int) -> bytes:
    """Return ``content`` with the last byte: three bits of type, five of checksum over both."""
    return content + bytes([kind << 5 | crc5(content, kind, with_type=True)])
