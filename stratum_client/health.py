"""Whether the rig does what it is meant to do, in one sentence; pure.

That is one question, and whether a restart would mend anything another: no pool answers while the
line is down, and a restart would only forget how long to leave each alone. So the watchdog asks
whether somebody looks after the pools.
"""

from collections.abc import Mapping

from stratum_client.pool_roles import PoolRole
from stratum_client.stats import PoolState, PoolStats, RigStats

TENDED_WITHIN = 30.0
"""Seconds within which a pool with a session is looked after, on the slowest machine."""


def health_of(stats: RigStats) -> tuple[bool, str]:
    """Return whether all is as intended: a pool serves, or all devices are meant to rest."""
    serving = [
        pool.name
        for pool in stats.pools
        if pool.state is PoolState.MINING and pool.role in {None, PoolRole.SERVING}
    ]
    if _is_resting(stats):
        return True, f"idle as intended: {stats.devices[0].decision.reason}"
    if serving:
        return True, f"pool {', '.join(serving)} serves"
    if not stats.pools:
        return False, "there is no pool"
    states = (f"{p.name} is {_state(p)}{': ' * bool(p.problem)}{p.problem}" for p in stats.pools)
    return False, f"no pool serves: {'; '.join(states)}"


def _state(pool: PoolStats) -> str:
    """Return why a pool does not serve, in a word: by its session, else by its role."""
    return str(pool.role if pool.role and pool.state is PoolState.MINING else pool.state)


def is_tended(stats: RigStats, ages: Mapping[str, float], patience: float) -> bool:
    """Return whether the pools are looked after, or all devices are meant to rest.

    ``ages``: for each pool the seconds since it was last dialled or ticked. Where no pool has a
    session, one must have been dialled within ``patience``, the longest pause that is allowed.
    """
    if _is_resting(stats) or not stats.pools:
        return True
    connected = [p.name for p in stats.pools if p.state in {PoolState.MINING, PoolState.WAITING}]
    if connected:
        return all(ages[name] <= TENDED_WITHIN for name in connected)
    return min(ages.values(), default=0.0) <= patience


def _is_resting(stats: RigStats) -> bool:
    return bool(stats.devices) and all(not d.decision.limit.run for d in stats.devices)
