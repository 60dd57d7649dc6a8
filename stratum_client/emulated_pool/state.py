"""What all sessions of a pool share: the chain, the tally, the agenda, names, memory."""

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from stratum_client.emulated_pool.agenda import Agenda
from stratum_client.emulated_pool.chain import Chain
from stratum_client.emulated_pool.desk import JobDesk
from stratum_client.emulated_pool.events import Event
from stratum_client.emulated_pool.profiles import JobIdForm
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.emulated_pool.tally import Tally

if TYPE_CHECKING:
    from random import Random

SEEN_LIMIT = 1 << 20
"""Shares remembered for finding duplicates, the oldest forgotten first."""
SESSIONS_KEPT = 1000
"""Ended sessions that may be resumed, the oldest forgotten first."""


class PoolState:
    """Shared by the engine and its sessions.

    The engine sets ``block_found`` (a share became a block), ``block_wanted`` (somebody else
    found one; clean or not) and ``restart_wanted``.
    """

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
        self.dirty: set[int] = set()
        self.block_found: Callable[[bytes], None] = lambda _: None
        self.block_wanted: Callable[[bool | None], None] = lambda _: None
        self.restart_wanted: Callable[[], None] = lambda: None
        self._started = 0
        self._forget(settings.first_extranonce1)
        self.chain = Chain(settings.chain, wall=wall, random=random, next_job_id=self._next_job_id)

    def restart(self) -> None:
        """Start again on the same tip: job ids from 1, no session and no share known."""
        self._forget(None)
        self.chain.refresh()

    def new_extranonce1(self, size: int) -> tuple[int, bytes]:
        """Return a number and its ``size`` bytes, other than any client's if the size allows."""
        number = self._next_extranonce1
        self._next_extranonce1 += 1
        cut = number % (1 << 8 * size)
        return number, cut.to_bytes(size, self.profile.manners.extranonce1_order)

    def is_new(self, key: object) -> bool:
        """Say whether a share with this key was never seen before; remember it."""
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > SEEN_LIMIT:
            self._seen.popitem(last=False)
        return True

    def session_ended(self, session_id: str, desk: JobDesk) -> None:
        """Remember the extranonces and jobs of a session, so that it can be resumed."""
        self._ended[session_id] = desk
        if len(self._ended) > SESSIONS_KEPT:
            self._ended.popitem(last=False)

    def session_resumed(self, session_id: str) -> JobDesk | None:
        """Return what an ended session had, once; None when it is not known."""
        return self._ended.pop(session_id, None)

    def _forget(self, first_extranonce1: int | None) -> None:
        chance = self.random.randrange(1, 1 << 32)
        self._next_extranonce1 = chance if first_extranonce1 is None else first_extranonce1
        self._seen: OrderedDict[object, None] = OrderedDict()
        self._ended: OrderedDict[str, JobDesk] = OrderedDict()
        self._job_ids = 0
        self._started = max(self._started + 1, int(self.wall())) & 0xFFFFFFFF

    def _next_job_id(self) -> str:
        self._job_ids += 1
        match self.profile.manners.job_ids:
            case JobIdForm.COUNTER:
                return f"{self._job_ids:x}"
            case JobIdForm.DECIMAL_BYTE:
                return str(self._job_ids % 256)
            case JobIdForm.START_AND_COUNTER:
                return f"{self._started:08x}{self._job_ids:08x}"
            case JobIdForm.SIXTEEN:
                return f"{self._job_ids:08x}{self._started:08x}"
