"""What a user wants of the heat of all boards, as settings of one; pure."""

from collections.abc import Mapping

from drivers.api import HeatGoals

TARGET, THROTTLE, TRIP = "target_temperature", "throttle_temperature", "max_temperature"

_AUTO = "auto"


def with_goals(
    settings: Mapping[str, object],
    goals: HeatGoals,
    *,
    highest: float,
    names: tuple[str, ...] = (TARGET, THROTTLE, TRIP),
) -> Mapping[str, object]:
    """Return ``settings`` with ``goals`` in them, as `drivers.api.Cooled` has it.

    ``highest`` is where the board trips by itself, ``names`` are the settings that it has.
    """
    wanted = {TARGET: goals.target, THROTTLE: goals.throttle, TRIP: goals.trip}
    merged = dict(settings)
    for name in names:
        goal, given = wanted[name], settings.get(name, _AUTO)
        if goal is not None and (name != TARGET or given == _AUTO):
            merged[name] = _lower(given, min(goal, highest))
    return merged


def _lower(given: object, goal: float) -> object:
    """Return the lower of both; what is no number is left to whoever reads the setting."""
    if given == _AUTO:
        return goal
    try:
        return min(float(str(given)), goal)
    except ValueError:
        return given
