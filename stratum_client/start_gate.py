"""What stands between claims and decisions, and which of these let a device take more; pure."""

from collections.abc import Callable, Mapping
from math import inf

from drivers.api import Setpoint
from stratum_client.control.claims import Claims, Decision, Limit

Decide = Callable[[Claims], Mapping[str, Decision]]
"""Returns what follows from some claims for each device."""

Gate = Callable[[Claims, Decide], Claims]
"""Returns the claims with those that hold back who may not start yet."""


def open_gate(claims: Claims, _: Decide) -> Claims:
    """Return ``claims`` as they are: everybody may start at once."""
    return claims


def is_rise(old: Setpoint, new: Setpoint) -> bool:
    """Return whether a device gets more than it has."""
    if not (old.run and new.run):
        return new.run
    pairs = (new.watts, old.watts), (new.mhz, old.mhz)
    return any((inf if now is None else now) > (inf if was is None else was) for now, was in pairs)


def depends_on_facts(limit: Limit) -> bool:
    """Return whether what a limit comes to depends on what devices are."""
    return limit.eco or any(
        value is not None for value in (limit.watts, limit.rig_watts, limit.share)
    )
