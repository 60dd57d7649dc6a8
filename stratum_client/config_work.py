"""The settings that say which pool gets the work, and what to do when there is none."""

from dataclasses import dataclass, field
from typing import Literal

from stratum_client.setting_kinds import SECONDS, one_of, or_auto, read_as, seconds

Strategy = Literal["failover", "quota", "rotate"]
Standby = Literal["warm", "cold"]
NoPoolAction = Literal["idle", "hold", "exit"]

MOMENT = seconds(0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkConfig:
    """How work is shared out among the pools; times in seconds."""

    strategy: Strategy = field(
        default="failover", metadata=read_as(one_of("failover", "quota", "rotate"))
    )
    standby: Standby = field(default="warm", metadata=read_as(one_of("warm", "cold")))
    failback_after: float = field(default=300.0, metadata=read_as(SECONDS))
    silent_after: float | Literal["auto"] = field(
        default="auto", metadata=read_as(or_auto(SECONDS))
    )
    behind_after: float = field(default=30.0, metadata=read_as(SECONDS))
    rotate_every: float = field(default=3600.0, metadata=read_as(SECONDS))
    answers_wait: float = field(default=5.0, metadata=read_as(MOMENT))
    no_pool_action: NoPoolAction = field(
        default="idle", metadata=read_as(one_of("idle", "hold", "exit"))
    )
    exit_after: float = field(default=600.0, metadata=read_as(SECONDS))
