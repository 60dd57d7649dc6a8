"""The power a board takes, from frequency and voltage. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerModel:
    """The watts of a whole board: ``watts`` at ``mhz`` and ``volts``, ``fixed`` of them always.

    What the chips draw goes with the frequency and the square of the voltage.
    """

    watts: float
    fixed: float
    mhz: float
    volts: float

    def watts_at(self, mhz: float, volts: float) -> float:
        """Return the watts at a frequency and core voltage."""
        return self.fixed + self._per_mhz(volts) * mhz

    def mhz_at(self, watts: float, volts: float) -> float:
        """Return the frequency that takes ``watts``; negative if even none takes more."""
        return (watts - self.fixed) / self._per_mhz(volts)

    def _per_mhz(self, volts: float) -> float:
        return (self.watts - self.fixed) * (volts / self.volts) ** 2 / self.mhz
