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

    def watts_at(self, mhz: float, volts: float, *, error: float = 1.0) -> float:
        """Return the watts at a frequency and core voltage; chips draw ``error`` times as much."""
        return self.fixed + self.core_watts(mhz, volts) * error

    def core_watts(self, mhz: float, volts: float) -> float:
        """Return what the chips draw."""
        return (self.watts - self.fixed) * (volts / self.volts) ** 2 * mhz / self.mhz

    def of_chips(self, count: int) -> "PowerModel":
        """Return the model of ``count`` times as much."""
        return PowerModel(
            watts=self.watts * count, fixed=self.fixed * count, mhz=self.mhz, volts=self.volts
        )
