"""What a board takes and at which core voltage: by its model, corrected by what it measures. Pure.

A measurement counts only if nothing changed since the look before it, and the chips had work.
"""

from dataclasses import dataclass, replace

from drivers.bm13xx.power_model import PowerModel
from drivers.bm13xx.target import Abilities
from drivers.bm13xx.voltage_table import VoltageTable

MODEL_STEP = 0.01
"""Share by which the measured power must differ before the model is corrected once more."""

_SMOOTHING = 0.3  # of what a look says, the rest is what was known before
_LEAST_ERROR, _MOST_ERROR = 0.5, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What chips do: their MHz, 0 while they rest, and whether they hash at it."""

    mhz: float = 0.0
    is_hashing: bool = False


class BoardPower:
    """The core voltage in force, ``volts``, and what the board is able to do."""

    def __init__(
        self, model: PowerModel, table: VoltageTable, *, mhz: float, least_mhz: float
    ) -> None:
        self.model = model
        self.volts = table.volts_at(mhz)
        self.abilities = Abilities(mhz=mhz, least_mhz=least_mhz, table=table, power=model)
        self._error: float | None = None
        self._before: tuple[float, float] | None = None

    def settings_changed(self, mhz: float, table: VoltageTable) -> None:
        """Take a new full speed, and a new table."""
        self.abilities = replace(self.abilities, mhz=mhz, table=table)

    def modelled(self, load: Load) -> float:
        """Return the watts of the board by its model, as far as corrected."""
        return self.model.watts_at(load.mhz, self.volts, error=self.abilities.model_error)

    def measured(self, load: Load, watts: float | None) -> None:
        """Let the watts measured of the whole board correct the model."""
        now, before = (load.mhz, self.volts), self._before
        self._before = now if load.is_hashing and load.mhz else None
        if watts is None or self._before is None or now != before:
            return
        error = (watts - self.model.fixed) / self.model.core_watts(load.mhz, self.volts)
        error = min(max(error, _LEAST_ERROR), _MOST_ERROR)
        known = error if self._error is None else self._error
        self._error = known + _SMOOTHING * (error - known)
        if abs(self._error / self.abilities.model_error - 1) > MODEL_STEP:
            self.abilities = replace(self.abilities, model_error=self._error)
