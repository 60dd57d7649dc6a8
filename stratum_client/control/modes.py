"""How hard a rig may run at some time: full, a share of full power, some watts, or idle; pure."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

ECO = 0.7
"""The share that "eco" counts as where modes are compared."""

_LARGEST = 1e9  # watts


class ModeError(ValueError):
    """A text is no mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """What a whole rig may do at most; without any limit it is free.

    ``share`` is of the power that all devices take at full speed (0 to 1), ``watts`` is of all
    together. ``eco`` is each device's most efficient speed; it has a share besides, to be compared.
    """

    run: bool = True
    share: float | None = None
    watts: float | None = None
    eco: bool = False

    def __str__(self) -> str:
        """Return the mode as the configuration writes it."""
        if not self.run:
            return "idle"
        share = "" if self.share is None else "eco" if self.eco else f"{100 * self.share:g}%"
        watts = "" if self.watts is None else f"{self.watts:g}W"
        return ", ".join(filter(None, (share, watts))) or "full"

    def tightened(self, other: "Mode") -> "Mode":
        """Return what both modes allow."""
        if not (self.run and other.run):
            return REST
        return _joined([self, other], min)


FULL = Mode()
REST = Mode(run=False)


def parse_mode(text: str) -> Mode:
    """Return the mode that ``text`` names: full, eco, idle, "70%", "800W", "1.2kW"."""
    match text:
        case "full" | "100%":
            return FULL
        case "idle":
            return REST
        case "eco":
            return Mode(share=ECO, eco=True)
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(%|W|kW)", text)
    amount = float(found[1]) if found else 0.0
    if found and found[2] == "%" and 0 < amount <= 100:
        return Mode(share=amount / 100)
    watts = amount * 1000 if found and found[2] == "kW" else amount
    if found and found[2] != "%" and 0 < watts <= _LARGEST:
        return Mode(watts=watts)
    raise ModeError("a mode is full, eco, idle, a share as in 70% or a power as in 800W")


def allowed_by(modes: Iterable[Mode]) -> Mode:
    """Return what windows that are open at the same time allow together.

    One that says idle closes all. Else the most permissive holds: full before the rest, then the
    largest share and the largest power; where both kinds are there nobody can say which is more, so
    both hold.
    """
    found = list(modes)
    if any(not mode.run for mode in found):
        return REST
    return FULL if FULL in found else _joined(found, max)


def _joined(modes: Sequence[Mode], choose: Callable[[list[float]], float]) -> Mode:
    """Return a mode with the chosen share and watts of those that have one."""
    shares = [mode.share for mode in modes if mode.share is not None]
    watts = [mode.watts for mode in modes if mode.watts is not None]
    share = choose(shares) if shares else None
    eco = share is not None and any(mode.eco and mode.share == share for mode in modes)
    return Mode(share=share, eco=eco, watts=choose(watts) if watts else None)
