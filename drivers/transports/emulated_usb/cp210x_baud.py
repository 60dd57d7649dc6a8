"""The rates that Silicon Labs bridges make of what they are asked for.

Source: Silicon Labs AN205, table 1, and the divider of the later chips, both as
torvalds/linux drivers/usb/serial/cp210x.c has them.
"""

from bisect import bisect_left

_STEPS = (
    (300, 300),
    (600, 600),
    (1200, 1200),
    (1800, 1800),
    (2400, 2400),
    (4000, 4000),
    (4803, 4800),
    (7207, 7200),
    (9612, 9600),
    (14428, 14400),
    (16062, 16000),
    (19250, 19200),
    (28912, 28800),
    (38601, 38400),
    (51558, 51200),
    (56280, 56000),
    (58053, 57600),
    (64111, 64000),
    (77608, 76800),
    (117028, 115200),
    (129347, 128000),
    (156868, 153600),
    (237832, 230400),
    (254234, 250000),
    (273066, 256000),
    (491520, 460800),
    (567138, 500000),
    (670254, 576000),
    (1 << 32, 921600),
)
"""Up to which asked rate, which rate."""

_CLOCK = 24_000_000


def stepped(asked: int) -> float:
    """Return the rate of a CP2101, CP2102 or CP2103."""
    return float(_STEPS[bisect_left(_STEPS, (asked, 0))][1])


def divided(asked: int) -> float:
    """Return the rate of a CP2104, CP2105 or CP2102N, whole bit/s; 0.0 for none."""
    if asked <= 0:
        return 0.0
    divider = max(1, (_CLOCK + asked // 2) // asked)
    return float(_CLOCK // divider)
