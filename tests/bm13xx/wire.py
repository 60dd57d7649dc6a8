"""The chips' end of the wire, written a second time and bit by bit, to make expected bytes."""

from drivers.bm13xx.chip import ChipSpec


def crc5(data: bytes, bits: int) -> int:
    """Return the CRC-5 of the first ``bits`` bits."""
    crc = 0x1F
    for position in range(bits):
        bit = data[position // 8] >> 7 - position % 8 & 1
        top, crc = crc >> 4, crc << 1 & 0x1F
        if top ^ bit:
            crc ^= 0b00101
    return crc


def framed(body: bytes, *, nonce: bool, preamble: bytes = b"\xaa\x55") -> bytes:
    """Return a response: ``body``, then type and CRC in one byte."""
    kind = 0x80 if nonce else 0x00
    return preamble + body + bytes([kind | crc5(body + bytes([kind]), 8 * len(body) + 3)])


def chip_id_reply(spec: ChipSpec) -> bytes:
    """Return what an unaddressed chip answers to a read of its id, with version rolling on."""
    value = (spec.chip_id << 16).to_bytes(4, "big")
    if spec.name == "BM1384":
        return framed(value, nonce=False, preamble=b"")
    if spec.name == "BM1387":
        return framed(value + b"\0\0", nonce=False, preamble=b"")
    return framed(value + b"\0\0" + (b"" if spec.name == "BM1397" else b"\0\0"), nonce=False)


def nonce_reply(
    spec: ChipSpec, nonce: bytes, job_byte: int, *, midstate: int = 0, version_bits: int = 0
) -> bytes:
    """Return the response of one chip to a job sent with ``job_byte``."""
    if spec.name == "BM1384":
        return nonce + bytes([0x80 | job_byte])
    if spec.name in {"BM1387", "BM1397"}:
        preamble = b"" if spec.name == "BM1387" else b"\xaa\x55"
        return framed(nonce + bytes([0, job_byte | midstate]), nonce=True, preamble=preamble)
    shifted = job_byte << 1 if spec.name in {"BM1368", "BM1370"} else job_byte
    rolled = (version_bits >> 13).to_bytes(2, "big")
    return framed(nonce + bytes([0, shifted]) + rolled, nonce=True)
