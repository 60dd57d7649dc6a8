"""What a pool is to the rig at the moment, for those who look on; pure."""

from enum import StrEnum

from stratum_client.pool_health import Loss, PoolHealth
from stratum_client.setting_kinds import shown_seconds


class PoolRole(StrEnum):
    """What a pool is to the rig."""

    SERVING = "serving"
    STANDBY = "standby"
    CONNECTING = "connecting"
    UNHEALTHY = "unhealthy"  # it has a job, but must be well for longer, or is behind
    DISABLED = "disabled"


def role_of(
    pool: PoolHealth, now: float, *, serves: bool, is_chosen: bool, is_wanted: bool
) -> tuple[PoolRole, str]:
    """Return the role of a pool and a few words more; ``is_wanted``: it is to be connected."""
    if not pool.enabled:
        return PoolRole.DISABLED, ""
    if serves:
        return PoolRole.SERVING, "chosen by hand" if is_chosen else ""
    if pool.usable:
        return _role_of_usable(pool, now)
    if is_wanted:
        return PoolRole.CONNECTING, str(pool.loss or "")
    return PoolRole.STANDBY, "not connected"


def _role_of_usable(pool: PoolHealth, now: float) -> tuple[PoolRole, str]:
    if pool.left_behind:
        return PoolRole.UNHEALTHY, str(Loss.STALE_CHAIN)
    if pool.is_due(now):
        return PoolRole.STANDBY, ""
    well = int(now - pool.well_since)
    return PoolRole.UNHEALTHY, f"well for {well} s of {shown_seconds(pool.probation)}"
