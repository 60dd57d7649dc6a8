"""Choice of a kernel by a short timing: instruction sets do not tell which one is quickest."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drivers.hashing.kernels import Kernel

_ROUNDS = 4
_WINDOW = 0.004  # s of CPU time for one kernel in one round
_CONTENDER = 0.7  # of the best rate in the first round: the others cannot win


def quickest(kernels: Sequence["Kernel"], heads: int) -> "Kernel":
    """Return the kernel with the highest rate for a caller with up to ``heads`` heads.

    Takes about 20 ms of CPU time for each kernel that could win and 4 ms for each other.
    """
    rates = {kernel.name: rate(kernel, heads, _WINDOW) for kernel in kernels}
    for _ in range(_ROUNDS):
        limit = _CONTENDER * max(rates.values())
        for kernel in kernels:
            if rates[kernel.name] >= limit:
                rates[kernel.name] = max(rates[kernel.name], rate(kernel, heads, _WINDOW))
    return max(kernels, key=lambda kernel: rates[kernel.name])


def rate(kernel: "Kernel", heads: int, seconds: float) -> float:
    """Return hashes per second of this thread's CPU time, measured for about ``seconds``."""
    used = min(heads, kernel.heads)
    starts = [bytes([head]) * 64 for head in range(used)]
    nonces = max(1, 256 // used)
    hashes, began = 0, time.thread_time()
    while (spent := time.thread_time() - began) < seconds:
        result = kernel.search(starts, bytes(12), 0, 0, nonces, bytearray(1))
        hashes += result.tried * used
        if spent < seconds / 4:
            nonces = min(2 * nonces, 1 << 20)
    return hashes / spent
