"""The kernels of the optional C extension, or why there are none."""

from collections.abc import Callable, Sequence
from functools import partial

from drivers import header
from drivers.hashing.scan import Scan

try:
    from drivers.hashing import _sha256d
except ImportError as error:
    _PROBLEM = str(error)
else:
    _PROBLEM = ""

NAMES = ("sha-ni", "avx512", "avx2", "armv8", "portable")
"""All kernels of the extension; which of them work depends on the machine."""


def kernels() -> tuple[list[tuple[str, int, Scan]], dict[str, str]]:
    """Return name, heads and scan of midstates of each kernel this CPU can run, and reasons.

    The reasons say in plain words why each of the other kernels cannot be used.
    """
    if _PROBLEM:
        reason = (
            f"the C extension is not built ({_PROBLEM}); for the fast kernels: "
            "sudo apt install gcc python3-dev, then reinstall stratum-client"
        )
        return [], dict.fromkeys(NAMES, reason)
    found: list[tuple[str, int, Scan]] = []
    reasons = {}
    for name, heads, missing in _sha256d.kernels():
        if missing:
            reasons[name] = missing
        else:
            found.append((name, heads, partial(_sha256d.search, name)))
    return found, reasons


def scan_heads(scan_midstates: Scan) -> Scan:
    """Return the scan of 64-byte heads made of one of midstates."""

    def scan(
        starts: Sequence[bytes],
        tail: bytes,
        target: int,
        start: int,
        count: int,
        stop: bytearray,
        /,
    ) -> tuple[list[tuple[int, int]], int]:
        midstates = [midstate(head) for head in starts]
        return scan_midstates(midstates, tail, target, start, count, stop)

    return scan


def midstate(first_64: bytes) -> bytes:
    """Return the SHA-256 state after 64 bytes, computed by the extension if there is one."""
    return header.midstate(first_64) if _PROBLEM else _sha256d.midstate(first_64)


def merkle_root() -> Callable[[bytes, bytes], bytes] | None:
    """Return the extension's function; None without it, or if it was built from older sources."""
    return None if _PROBLEM else getattr(_sha256d, "merkle_root", None)
