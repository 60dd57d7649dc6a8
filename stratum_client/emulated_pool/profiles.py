"""How known pools behave, as data; the session reads these fields and knows no pool by name.

A profile says what cannot be set with a number: orders, texts, shapes and rules. Sizes, rates
and difficulties are its defaults, which `PoolSettings` overrides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import Literal

from stratum_client.emulated_pool.tally import Fate
from stratum_client.emulated_pool.vardiff import VardiffSettings


class Problem(Enum):
    """What can be wrong with a share or a request."""

    NOT_SUBSCRIBED = auto()
    NOT_AUTHORIZED = auto()
    PARAMETER_COUNT = auto()
    WRONG_WORKER = auto()
    BAD_EXTRANONCE2 = auto()
    BAD_NTIME = auto()
    BAD_NONCE = auto()
    BAD_VERSION_BITS = auto()
    UNKNOWN_JOB = auto()
    STALE_JOB = auto()
    NTIME_RANGE = auto()
    EXTRANONCE2_SIZE = auto()
    VERSION_BITS_OUTSIDE_MASK = auto()
    VERSION_BITS_MISSING = auto()
    ABOVE_TARGET = auto()
    DUPLICATE = auto()
    STORM = auto()
    UNKNOWN_METHOD = auto()
    UNKNOWN_USER = auto()
    BAD_MESSAGE = auto()


FATES: Mapping[Problem, Fate] = {
    Problem.NOT_SUBSCRIBED: Fate.UNAUTHORIZED,
    Problem.NOT_AUTHORIZED: Fate.UNAUTHORIZED,
    Problem.WRONG_WORKER: Fate.UNAUTHORIZED,
    Problem.UNKNOWN_JOB: Fate.STALE,
    Problem.STALE_JOB: Fate.STALE,
    Problem.ABOVE_TARGET: Fate.LOW_DIFFICULTY,
    Problem.DUPLICATE: Fate.DUPLICATE,
}
"""How a refused share is counted; what is not named is invalid."""


class Step(StrEnum):
    """A message at the start of a session, placed in an order by the profile."""

    REPLY = "reply"
    DIFFICULTY = "difficulty"
    NOTIFY = "notify"


class Shape(Enum):
    """How a refusal is written."""

    LIST = auto()  # "error": [code, text, null]
    TEXT = auto()  # "error": text
    OBJECT = auto()  # "error": {"code", "message"}
    REJECT_REASON = auto()  # "result": false, "error": null, "reject-reason": text
    FALSE = auto()  # "result": false, "error": null


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal: number, text, shape."""

    code: int
    text: str
    shape: Shape = Shape.LIST


PLAIN_REFUSALS: Mapping[Problem, Refusal] = {
    Problem.NOT_SUBSCRIBED: Refusal(25, "Not subscribed"),
    Problem.NOT_AUTHORIZED: Refusal(24, "Unauthorized worker"),
    Problem.PARAMETER_COUNT: Refusal(20, "Wrong number of parameters"),
    Problem.WRONG_WORKER: Refusal(24, "Unauthorized worker"),
    Problem.BAD_EXTRANONCE2: Refusal(20, "Invalid extranonce2"),
    Problem.BAD_NTIME: Refusal(20, "Invalid ntime"),
    Problem.BAD_NONCE: Refusal(20, "Invalid nonce"),
    Problem.BAD_VERSION_BITS: Refusal(20, "Invalid version bits"),
    Problem.UNKNOWN_JOB: Refusal(21, "Job not found"),
    Problem.STALE_JOB: Refusal(21, "Stale share"),
    Problem.NTIME_RANGE: Refusal(20, "Ntime out of range"),
    Problem.EXTRANONCE2_SIZE: Refusal(20, "Incorrect size of extranonce2"),
    Problem.VERSION_BITS_OUTSIDE_MASK: Refusal(20, "Version bits outside the mask"),
    Problem.VERSION_BITS_MISSING: Refusal(20, "Version bits missing"),
    Problem.ABOVE_TARGET: Refusal(23, "Low difficulty share"),
    Problem.DUPLICATE: Refusal(22, "Duplicate share"),
    Problem.STORM: Refusal(20, "Other/Unknown"),
    Problem.UNKNOWN_METHOD: Refusal(-3, "Method not found"),
    Problem.UNKNOWN_USER: Refusal(24, "Unauthorized worker"),
    Problem.BAD_MESSAGE: Refusal(20, "Bad message"),
}


class VersionRule(StrEnum):
    """How the sixth parameter of a submit makes the header's version."""

    REPLACE = "replace"  # (job & ~mask) | (bits & mask)
    XOR = "xor"  # job ^ bits
    OR = "or"  # job | bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One pool's ways."""

    name: str
    about: str
    # what is sent when
    subscribe_order: tuple[Step, ...] = (Step.REPLY,)
    authorize_order: tuple[Step, ...] = (Step.REPLY, Step.DIFFICULTY, Step.NOTIFY)
    # sizes and rates
    difficulty: float = 0.001
    extranonce1_size: int = 4
    extranonce2_size: int = 8
    vardiff: VardiffSettings | None = None
    work_every: float = 30.0
    idle_timeout: float | None = None
    max_line: int = 16_384
    # shares
    version_rule: VersionRule = VersionRule.REPLACE
    refusals: Mapping[Problem, Refusal] = field(default_factory=lambda: PLAIN_REFUSALS)
    refusal_result: bool | None = None
    difficulty_rule: Literal["job", "lower", "immediate"] = "job"
    # which jobs are dead: those of another block, those before a clean one, the old, the many
    block_retires_jobs: bool = True
    clean_retires_jobs: bool = True
    job_lifetime: float = 600.0
    jobs_kept: int = 256
    # seconds a share's ntime may be behind and ahead of the job's; None: not checked
    ntime_behind: int | None = 0
    ntime_ahead: int | None = 7000


PLAIN = Profile(name="plain", about="keeps to the letter of Stratum v1 and BIP 310")
PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (PLAIN,)}
