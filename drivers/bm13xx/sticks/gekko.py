"""What GekkoScience sticks have in common; each has a file of its own.

Source: kanoi/cgminer usbutils.c (strings), driver-gekko.c (compac_toggle_reset: levels and pauses).
"""

from drivers.bm13xx.board import UsbIdentity
from drivers.bm13xx.stick import PinReset

CP2102 = (0x10C4, 0xEA60)
CP2105 = (0x10C4, 0xEA70)
FT_X = (0x0403, 0x6015)

_SURE = 100  # the strings name the stick
_RUN = 0x2  # CBUS1 is nRST, active low; CBUS0 would select a helper micro
_ALL_PINS = 0xF


def cp2102(product: str) -> tuple[UsbIdentity, ...]:
    """Return how a stick with a CP2102 shows itself, under both names of its maker."""
    return tuple(_identity(CP2102, maker, product) for maker in ("GekkoScience", "bitshopperde"))


def ft_x(product: str) -> tuple[UsbIdentity, ...]:
    """Return how a stick with an FT-X bridge shows itself."""
    return (_identity(FT_X, "GekkoScience", product),)


def cp2105(product: str) -> UsbIdentity:
    """Return how a stick with a CP2105 shows itself; its maker is in the product's name."""
    return _identity(CP2105, "Silicon Labs", f"GekkoScience {product}")


def cbus_reset(low: float) -> PinReset:
    """Return the reset of chips on CBUS1 that is held low for ``low`` seconds."""
    return PinReset(mask=_ALL_PINS, hold=0x0, run=_RUN, low=low, settle=0.2)


def _identity(ids: tuple[int, int], manufacturer: str, product: str) -> UsbIdentity:
    vid, pid = ids
    return UsbIdentity(vid=vid, pid=pid, manufacturer=manufacturer, product=product, score=_SURE)
