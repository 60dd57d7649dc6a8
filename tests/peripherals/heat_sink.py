"""A heat sink to control: one thermal mass, cooled the better the faster its fan turns."""


class HeatSink:
    """Degrees Celsius, watts, joules per degree; ``still`` and ``full`` in degrees per watt."""

    def __init__(
        self, *, watts: float, capacity: float, still: float = 4.0, full: float = 1.2
    ) -> None:
        self.temperature = 25.0
        self.watts = watts
        self._capacity = capacity
        self._still = still
        self._full = full

    def pass_time(self, seconds: float, duty: float) -> None:
        steps = max(1, round(seconds * 10))
        flow = 1 / self._still + (1 / self._full - 1 / self._still) * duty / 100
        for _ in range(steps):
            loss = (self.temperature - 25.0) * flow
            self.temperature += (self.watts - loss) / self._capacity * seconds / steps

    def reading(self) -> float:
        """Return the temperature as a diode shows it: in steps of 0.125, without any noise."""
        return round(self.temperature * 8) / 8
