"""Whether somebody keeps this machine's clock right, as its kernel knows.

Source: Linux include/uapi/linux/timex.h and adjtimex(2).
"""

import ctypes
from functools import cache

_STA_UNSYNC = 0x0040


class _Timex(ctypes.Structure):
    """The beginning of struct timex; ``rest`` is more than any machine's end of it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def is_synchronized() -> bool | None:
    """Return whether the clock follows a reference; None if the kernel does not tell.

    It changes nothing and needs no privilege, but some containers forbid the call.
    """
    asked = _Timex()
    try:
        answer: int = _libc().adjtimex(ctypes.byref(asked))
    except (OSError, AttributeError):
        return None
    return None if answer < 0 else not asked.status & _STA_UNSYNC


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
