"""Scripted misbehaviour, as data: what goes wrong, and when.

`Fault(action, when)` may be put into `PoolSettings.faults`, where it strikes each connection, or
given to `EmulatedPool.inject`. fault_specs.py reads them from text, mischief.py plays them.
"""

from dataclasses import dataclass
from enum import StrEnum


class Change(StrEnum):
    """What becomes of a reply."""

    DROP = "drop"  # it is never sent
    DELAY = "delay"  # it comes late
    TWICE = "twice"  # it comes again
    ID_AS_TEXT = "id-text"  # 4 becomes "4"
    ID_AS_FLOAT = "id-float"  # 4 becomes 4.0
    ID_UNKNOWN = "id-unknown"  # 4 becomes 1000000004
    ID_NULL = "id-null"
    ID_MISSING = "id-missing"
    RESULT_NULL = "result-null"  # neither result nor error
    RESULT_FALSE = "result-false"
    RESULT_ODD = "result-odd"  # something of another type
    ERROR_LIST = "error-list"
    ERROR_TEXT = "error-text"
    ERROR_OBJECT = "error-object"
    CLOSE = "close"  # the connection ends instead
    RESET = "reset"
    EXTRANONCE1_ODD = "extranonce1-odd"  # in a subscribe reply: an odd number of digits
    EXTRANONCE1_NOT_HEX = "extranonce1-not-hex"
    EXTRANONCE1_LONG = "extranonce1-long"  # 33 bytes
    EXTRANONCE2_ZERO = "extranonce2-zero"  # nothing left to roll
    EXTRANONCE2_MISSING = "extranonce2-missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterReply:
    """Change replies to ``method`` ("*": to any); ``seconds`` is for delays."""

    change: Change
    method: str = "*"
    seconds: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyNotify:
    """Send the first job before the reply to ``method``: authorize's, or even subscribe's."""

    method: str = "mining.authorize"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Write nothing more, with the socket open; ``hang``: read nothing more either."""

    hang: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfLine:
    """Write half of the next line, then nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Write ``size`` bytes at a time, ``gap`` seconds apart; a large size joins lines."""

    size: int = 1
    gap: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LineEnds:
    """End lines with CR LF; ``blank``: put blank lines between them."""

    blank: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpadded:
    """Print version and ntime of jobs without zeros on the left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Junk:
    """Write something that no pool should; ``kind`` is a name in `junk.JUNK`."""

    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GiantLine:
    """Write ``size`` bytes without a line end, and nothing more."""

    size: int = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class BadJob:
    """Send a job spoiled in one way; ``kind`` is a name in `bad_jobs.KINDS`."""

    kind: str
    clean: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatJob:
    """Send the newest job again; ``changed``: its id again, but with other contents."""

    changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OddDifficulty:
    """Send a `mining.set_difficulty` that means nothing; a name in `junk.DIFFICULTIES`."""

    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SwingDifficulty:
    """Multiply the difficulty by ``factor``, and divide it the next time, with a new job."""

    factor: float = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """End the connection, with FIN or with RST."""

    reset: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Restart the whole pool: all connections end, sessions and job ids are forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Send `client.reconnect`; without ``host`` it has no parameters."""

    host: str | None = None
    port: int = 0
    wait: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectStorm:
    """Refuse the next ``shares`` shares, good or bad; None: all of them."""

    shares: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeExtranonce:
    """Send `mining.set_extranonce` with a new extranonce1, and a clean job.

    ``size`` and ``extranonce2_size`` None keep the sizes.
    """

    size: int | None = None
    extranonce2_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeMask:
    """Send `mining.set_version_mask`."""

    mask: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBlock:
    """Let somebody find a block; ``dirty``: announce it with clean_jobs false."""

    dirty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWork:
    """Give the client new work on the same block."""

    clean: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Send the client a request.

    ``id`` None makes it a notification; "client" takes the id of the client's latest request,
    so that a careless client takes the question for its answer.
    """

    method: str
    params: tuple[str, ...] = ()
    id: int | str | None = "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """Send ``count`` messages at once."""

    count: int = 1000


Action = (
    AlterReply
    | EarlyNotify
    | Silence
    | HalfLine
    | Pace
    | LineEnds
    | Unpadded
    | Junk
    | GiantLine
    | BadJob
    | RepeatJob
    | OddDifficulty
    | SwingDifficulty
    | Drop
    | Restart
    | Redirect
    | RejectStorm
    | ChangeExtranonce
    | ChangeMask
    | NewBlock
    | NewWork
    | Ask
    | Flood
)


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The moment of a fault, counted on each connection for itself.

    At first the fault waits ``after`` seconds from the start of the connection (of the injection,
    if later). Then it strikes at once; or every ``every`` seconds; or when ``shares`` more
    shares have been answered; or at each request for the method ``on``, before it is looked at.
    It strikes at most ``times`` times, all connections together; altered replies count too.
    """

    after: float = 0.0
    every: float | None = None
    shares: int | None = None
    on: str | None = None
    times: int | None = None

    def __post_init__(self) -> None:
        if sum(trigger is not None for trigger in (self.every, self.shares, self.on)) > 1:
            raise ValueError("every, shares and on exclude each other")
        if self.after < 0 or (self.every is not None and self.every <= 0):
            raise ValueError("after must not be negative, every must be positive")
        if self.shares is not None and self.shares < 1:
            raise ValueError("shares must be 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong at a moment; ``label`` is what events call it."""

    action: Action
    when: When = When()
    label: str = ""

    @property
    def name(self) -> str:
        """Return the label, or the action's name."""
        return self.label or type(self.action).__name__
