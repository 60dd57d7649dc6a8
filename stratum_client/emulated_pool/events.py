"""What happens at the pool, for the log and for tests."""

from dataclasses import dataclass

from stratum_client.emulated_pool.tally import Fate
from stratum_client.emulated_pool.wire import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConnected:
    """A client dialled in."""

    connection: int
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAuthorized:
    """A worker was let in, or not."""

    connection: int
    worker: str
    allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAnswered:
    """A client answered a request of the pool."""

    connection: int
    id: Json
    result: Json
    error: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientGone:
    """A connection ended; ``reason`` says by whom and why."""

    connection: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareJudged:
    """A share came in.

    ``difficulty`` is the one its hash reached (0 when there was nothing to hash), ``required``
    what was asked of it; ``reason`` is the refusal's text, empty when accepted.
    """

    connection: int
    worker: str
    fate: Fate
    difficulty: float
    required: float
    reason: str
    block: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFound:
    """A share met the network target; ``block_hash`` as explorers show it."""

    connection: int
    worker: str
    height: int
    block_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlayed:
    """A scripted fault struck a connection."""

    connection: int
    fault: str


Event = (
    ClientConnected
    | ClientAuthorized
    | ClientAnswered
    | ClientGone
    | ShareJudged
    | BlockFound
    | FaultPlayed
)
