"""Orders about pools as values, so that they can be noted and given again; pure."""

from dataclasses import dataclass
from enum import StrEnum

from stratum_client.config import PoolConfig
from stratum_client.config_work import WorkConfig


class PoolVerb(StrEnum):
    """What is ordered; each is a method of `pool_set.PoolSet`."""

    USE = "use"
    ENABLE = "enable"
    DISABLE = "disable"
    ADD = "add"
    REMOVE = "remove"
    ARRANGE = "arrange"
    ADJUST = "adjust"
    CONFIGURE = "configure"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOrder:
    """One order; ``pool`` is empty where it concerns all, and for a choice that is released.

    ``enabled`` says how a pool is added, ``comes_back`` that one that is removed will be.
    """

    verb: PoolVerb
    pool: str = ""
    names: tuple[str, ...] = ()
    config: PoolConfig | None = None
    work: WorkConfig | None = None
    enabled: bool = True
    comes_back: bool = False
