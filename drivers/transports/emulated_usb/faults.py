"""What an emulated USB device does wrong, in order or by chance.

Source: what libusb and Linux report for such faults; see `transfer_errors`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


class Where(Enum):
    """Which transfers a fault is about."""

    CONTROL = "control requests that are not about descriptors"
    STRING = "reading of string descriptors"
    BULK_IN = "data to the host"
    BULK_OUT = "data from the host"


class FaultKind(Enum):
    """What goes wrong. A stalled bulk endpoint stays so until its halt is cleared."""

    STALL = "the device refuses: EPIPE"
    SHORT = "a transfer ends early: a cut packet to the host, half of the data from it"
    TIMEOUT = "the device does not answer, however long the transfer may take"
    IO_ERROR = "the transfer is damaged: EIO"
    SLOW = "the device answers late"
    VANISH = "the device is unplugged as the transfer begins"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: after ``after`` good transfers, ``times`` in a row, None for ever.

    ``seconds`` is how late a slow device is.
    """

    kind: FaultKind
    where: Where
    after: int = 0
    times: int | None = 1
    seconds: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultChances:
    """The probability of each fault per transfer, bulk or control; 0 to 1."""

    stall: float = 0.0
    short: float = 0.0
    timeout: float = 0.0
    io_error: float = 0.0
    slow: float = 0.0
    seconds: float = 0.02


class FaultPlan:
    """The faults of one device: first what was scripted, then what chance brings."""

    def __init__(
        self,
        script: Iterable[Fault] = (),
        *,
        random: "Random | None" = None,
        chances: FaultChances | None = None,
    ) -> None:
        if (random is None) != (chances is None):
            raise ValueError("chances and a source of chance go together")
        self._script: list[_Scripted] = []
        self._random = random
        self._chances = chances
        for fault in script:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Put a fault on the script; it counts transfers from now on."""
        self._script.append(_Scripted(fault))

    def clear(self) -> None:
        """Forget the script."""
        self._script.clear()

    def next(self, where: Where) -> Fault | None:
        """Return what goes wrong with the transfer that begins now, if anything does."""
        struck = [item for item in self._script if item.fault.where is where and item.strikes()]
        if struck:
            return struck[0].fault
        return self._by_chance(where)

    def _by_chance(self, where: Where) -> Fault | None:
        if self._random is None or self._chances is None or where is Where.STRING:
            return None
        chances = self._chances
        drawn = self._random.random()
        for kind, chance in (
            (FaultKind.STALL, chances.stall),
            (FaultKind.SHORT, chances.short),
            (FaultKind.TIMEOUT, chances.timeout),
            (FaultKind.IO_ERROR, chances.io_error),
            (FaultKind.SLOW, chances.slow),
        ):
            if drawn < chance:
                return Fault(kind=kind, where=where, seconds=chances.seconds)
            drawn -= chance
        return None


class _Scripted:
    """A fault on the script, and how far it has come."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._waiting = fault.after
        self._left = fault.times

    def strikes(self) -> bool:
        """Count one transfer; return whether it is this fault's."""
        if self._waiting:
            self._waiting -= 1
            return False
        if self._left is None:
            return True
        if self._left:
            self._left -= 1
            return True
        return False
