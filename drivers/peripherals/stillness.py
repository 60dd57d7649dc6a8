"""A reading that stays exactly the same although the board is cooled harder. Pure; time is given.

A healthy sensor at rest may be still, a simulated one surely is. So stillness alone is only
suspect; the proof is more cooling, by more fan or less power, that lasts and is not answered.
Less cooling proves nothing: after a short spell of more, the heat sink is where it was before.
"""


class Stillness:
    """Notices a frozen reading."""

    DUTY_RISE = 20.0
    """Points of fan duty that every heat sink answers to."""

    POWER_DROP = 0.1
    """Share of the power whose loss every heat sink answers to."""

    LEAST_HEAT = 3.0
    """Watts; below, nothing warms the sensor and a still reading means nothing."""

    SUSPECT_AFTER = 120.0
    """Seconds; a real diode read in steps of 0.125 degrees flickers far more often."""

    SUSPECT_AFTER_CHANGE = 30.0
    """Seconds without an answer after the power changed a lot, as in the ramp at start."""

    AT_REST_AFTER = 30.0
    """Seconds of stillness after which the heat sink is at rest, and more cooling shows."""

    POWER_CHANGE = 0.3
    """Share of the power that counts as a lot."""

    def __init__(self) -> None:
        self._heat = 0.0
        self._value: float | None = None
        self._since: float | None = None
        self._watts: tuple[float, float] | None = None
        self._at_rest: tuple[float, float] | None = None
        self._changed_at: float | None = None
        self._cooled_since: float | None = None

    def read(self, now: float, value: float) -> None:
        """Take a trusted reading."""
        if value != self._value:
            self._restart(value, now)

    def stir(self, now: float, *, watts: float | None, duty: float) -> None:
        """Take the power, None if there is no new reading of it, and the fan's duty in percent."""
        self._heat = heat = self._heat if watts is None else watts
        if self._since is None or (watts is not None and watts < self.LEAST_HEAT):
            self._restart(None, None)
            return
        low, high = self._watts or (heat, heat)
        self._watts = low, high = min(low, heat), max(high, heat)
        if self._changed_at is None and high - low > self.POWER_CHANGE * high:
            self._changed_at = now
        most_heat, least_duty = self._at_rest or (heat, duty)
        if now - self._since < self.AT_REST_AFTER:
            most_heat, least_duty = heat, duty
        self._at_rest = max(most_heat, heat), min(least_duty, duty)
        more_fan = duty >= least_duty + self.DUTY_RISE
        if not more_fan and heat >= most_heat * (1 - self.POWER_DROP):
            self._cooled_since = None
        elif self._cooled_since is None:
            self._cooled_since = now

    def is_frozen(self, now: float, after: float) -> bool:
        """Tell whether the reading has ignored more cooling for ``after`` seconds."""
        return self._cooled_since is not None and now - self._cooled_since >= after

    def is_suspect(self, now: float) -> bool:
        """Tell whether the reading has been still for suspiciously long."""
        if self._changed_at is not None and now - self._changed_at >= self.SUSPECT_AFTER_CHANGE:
            return True
        return self._since is not None and now - self._since >= self.SUSPECT_AFTER

    def _restart(self, value: float | None, since: float | None) -> None:
        self._value, self._since = value, since
        self._watts = None
        self._at_rest = None
        self._changed_at = None
        self._cooled_since = None
