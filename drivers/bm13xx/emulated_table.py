"""Nonces that hosts expect at once for work they send as a probe, whatever the hash rate.

At an emulated rate they would take hours to find; they hash to what they should all the same.

Source: kanoi/cgminer, driver-icarus.c (golden work and its nonce) and driver-gekko.c (the work
that opens the cores of a BM1387, and the two nonces it earns).
"""

from drivers.bm13xx.emulated_jobs import EmulatedJob

_GOLDEN_TAIL = bytes.fromhex("2fa722ce1426674f87320b1a")
_GOLDEN_MIDSTATE = bytes.fromhex("e48f544a9a3afa71451471134df6c35682b400254bfe0860c99876bf4679ba4e")
_GOLDEN_NONCE = 0x000187A2
_OPEN_CORE_NONCES = (0x7203EA83, 0xE16BF809)


def known_nonces(job: EmulatedJob, cores_opened: int) -> tuple[int, ...]:
    """Return the nonces to answer a probe with, read big-endian; none for any other work."""
    if job.opens_cores:
        return (_OPEN_CORE_NONCES[cores_opened % 2],)
    golden = job.tail == _GOLDEN_TAIL and job.midstates == (_GOLDEN_MIDSTATE,)
    return (_GOLDEN_NONCE,) if golden else ()
