"""What a Session tells its pool shell."""

from dataclasses import dataclass

from stratum_client.errors import StratumError
from stratum_client.job import Fate, Job, Share
from stratum_client.replies import Extensions, Refusal, Subscription
from stratum_client.wire import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """The pool answered configure, or passed it over (then nothing is granted)."""

    extensions: Extensions


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """The pool granted a subscription: extranonce1 is known."""

    subscription: Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorized:
    """The pool knows us: shares may be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """There is something new to mine; ``job.clean`` means all older jobs are worthless."""

    job: Job


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRefused:
    """The pool sent a job that cannot be mined; the one before goes on."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutChecked:
    """Jobs began to pay as configured, or to fail at it; ``problem`` is "" when they pay."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DifficultyChanged:
    """The pool set another difficulty, for the jobs to come."""

    difficulty: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareAnswered:
    """The pool judged a share; ``seconds`` is how long it took."""

    share: Share
    fate: Fate
    refusal: Refusal | None
    failure: Failure | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectAsked:
    """The pool wants us elsewhere; whether to go is not decided here."""

    params: tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolMessage:
    """A text for the user, made harmless."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """The pool sent something that was passed over; worth a line in the log."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The session is dead: close the connection."""

    error: StratumError


Event = (
    Configured
    | Subscribed
    | Authorized
    | NewJob
    | JobRefused
    | PayoutChecked
    | DifficultyChanged
    | ShareAnswered
    | RedirectAsked
    | PoolMessage
    | Oddity
    | Failed
)
