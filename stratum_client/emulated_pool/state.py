"""What all sessions of a pool share: the chain, the tally, the agenda, extranonces, memory."""

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from stratum_client.emulated_pool.agenda import Agenda
from stratum_client.emulated_pool.chain import Chain
from stratum_client.emulated_pool.events import Event
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.emulated_pool.tally import Tally

if TYPE_CHECKING:
    from random import Random

SEEN_LIMIT = 1 << 20
"""Shares remembered for finding duplicates, the oldest forgotten first."""


class PoolState:
    """Shared by the engine and its sessions; ``block_found`` is the engine's to set."""

    def __init__(
        self,
        settings: PoolSettings,
        *,
        wall: Callable[[], float],
        random: "Random",
        now: float,
    ) -> None:
        self.settings = settings
        self.profile = settings.profile
        self.random = random
        self.wall = wall
        self.agenda = Agenda(now)
        self.tally = Tally()
        self.events: list[Event] = []
        self.block_found: Callable[[bytes], None] = lambda _: None
        self.forget()

    def forget(self) -> None:
        """Start again as after a restart: a new chain of job ids, no session, no share known."""
        self._extranonces = self.random.randrange(1 << 32)
        self._seen: OrderedDict[object, None] = OrderedDict()
        self._job_ids = 0
        self.chain = Chain(
            self.settings.chain,
            wall=self.wall,
            random=self.random,
            next_job_id=self._next_job_id,
        )

    def new_extranonce1(self, size: int) -> bytes:
        """Return ``size`` bytes that no other client has, as far as the size allows."""
        self._extranonces += 1
        return (self._extranonces % (1 << 8 * size)).to_bytes(size, "big")

    def is_new(self, key: object) -> bool:
        """Say whether a share with this key was never seen before; remember it."""
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > SEEN_LIMIT:
            self._seen.popitem(last=False)
        return True

    def _next_job_id(self) -> str:
        self._job_ids += 1
        return f"{self._job_ids:x}"
