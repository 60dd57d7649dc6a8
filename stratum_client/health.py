"""Whether the rig does what it is meant to do, in one sentence; pure."""

from stratum_client.pool_roles import PoolRole
from stratum_client.stats import PoolState, PoolStats, RigStats


def health_of(stats: RigStats) -> tuple[bool, str]:
    """Return whether all is as intended: a pool serves, or all devices are meant to rest."""
    serving = [
        pool.name
        for pool in stats.pools
        if pool.state is PoolState.MINING and pool.role in {None, PoolRole.SERVING}
    ]
    resting = bool(stats.devices) and all(not d.decision.limit.run for d in stats.devices)
    if resting:
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
