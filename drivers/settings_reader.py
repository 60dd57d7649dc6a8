"""The settings of a driver, taken one by one; numbers may come as text, "auto" leaves it to us."""

import difflib
import math
from collections.abc import Mapping, Sequence

from drivers.errors import SettingError

AUTO, ON, OFF = "auto", "on", "off"


class SettingsReader:
    """Takes settings and says what is wrong with them: all methods raise SettingError.

    ``known`` are the names of all that may be given. One that is not given is as good as "auto".
    """

    def __init__(self, driver: str, settings: Mapping[str, object], known: Sequence[str]) -> None:
        self._driver = driver
        self._settings = settings
        for name in settings:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]}? " if close else ""
                raise self.problem(name, f"unknown; {hint}allowed are {', '.join(known)}")

    def given(self, name: str, default: object = AUTO) -> object:
        """Return a setting as it was given."""
        return self._settings.get(name, default)

    def is_given(self, name: str) -> bool:
        """Return whether somebody decided a setting."""
        return self.given(name) != AUTO

    def problem(self, name: str, text: str) -> SettingError:
        """Return the error that says what is wrong with a setting."""
        return SettingError(self._driver, name, text)

    def number(
        self, name: str, lowest: float, highest: float, unit: str = "", *, default: float
    ) -> float:
        """Return a number, ``default`` where none is given."""
        value = self.optional(name, lowest, highest, unit)
        return default if value is None else value

    def optional(self, name: str, lowest: float, highest: float, unit: str = "") -> float | None:
        """Return a number, None where none is given."""
        if not self.is_given(name):
            return None
        return self.within(name, self.given(name), lowest, highest, unit)

    def whole(self, name: str, lowest: int, highest: int, *, default: int) -> int:
        """Return a whole number, ``default`` where none is given."""
        value = self.number(name, lowest, highest, default=default)
        if value != int(value):
            raise self.problem(name, f"must be a whole number, not {value}")
        return int(value)

    def switch(self, name: str, *, default: bool) -> bool:
        """Return whether something is on."""
        given = self.given(name)
        known = {AUTO: default, ON: True, OFF: False}
        value = known.get(given) if isinstance(given, str) else None
        if value is None:
            raise self.problem(name, f"must be {AUTO}, {ON} or {OFF}, not {given!r}")
        return value

    def within(
        self, name: str, given: object, lowest: float, highest: float, unit: str = ""
    ) -> float:
        """Return the number that is, or is part of, what was given for a setting."""
        value = number_in(given)
        if not lowest <= value <= highest:
            shown = f" {unit}" if unit else ""
            raise self.problem(name, f"must be {lowest:g} to {highest:g}{shown}, not {given!r}")
        return value


def number_in(given: object) -> float:
    """Return a number, or text that holds one; not-a-number for all else."""
    if not isinstance(given, (int, float, str)) or isinstance(given, bool):
        return math.nan
    try:
        return float(given)
    except (ValueError, OverflowError):
        return math.nan
