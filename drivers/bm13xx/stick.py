"""What a USB stick is, as data: its chips, how it is recognized, its limits, and its reset line."""

from dataclasses import dataclass

from drivers.api import PortInfo
from drivers.bm13xx.board import Range, UsbIdentity
from drivers.bm13xx.chip import ChipSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class PinReset:
    """How the bridge's free pins reset the chips.

    The pins of ``mask`` are driven: to ``hold`` for ``low`` seconds, then to ``run``, and the chips
    get ``settle`` seconds. Bit n is pin n.
    """

    mask: int
    hold: int
    run: int
    low: float
    settle: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stick:
    """One stick; ``frequency`` in MHz.

    ``chips`` is how many there should be; 1 also where nobody wrote it down, since more are no
    fault. ``usb`` are all the ways it may show itself; ``reset`` is None without a reset line.
    ``is_bus_powered``: USB feeds the chips; False where they are known to have another supply.
    """

    name: str
    summary: str
    chip: ChipSpec
    chips: int
    frequency: Range
    baud_rate: int
    usb: tuple[UsbIdentity, ...]
    reset: PinReset | None = None
    is_bus_powered: bool = True

    def match(self, port: PortInfo) -> int:
        """Return how sure the strings of ``port`` make us; 0 without them: ids are shared."""
        return next(filter(None, (usb.match(port) for usb in self.usb)), 0)
