"""What a pool's ways consist of, as data; the session reads these and knows no pool by name.

A profile says what cannot be set with a number: orders, texts, shapes and rules. Its sizes,
rates and difficulties are defaults, which `PoolSettings` overrides. The known pools are in
known_pools.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from stratum_client.emulated_pool.problems import Problem, Refusal
from stratum_client.emulated_pool.vardiff import VardiffSettings


class Step(StrEnum):
    """A message at the start of a session, placed in an order by the profile."""

    REPLY = "reply"
    DIFFICULTY = "difficulty"
    NOTIFY = "notify"


class VersionRule(StrEnum):
    """How the sixth parameter of a submit makes the header's version."""

    REPLACE = "replace"  # (job & ~mask) | (bits & mask)
    XOR = "xor"  # job ^ bits
    OR = "or"  # job | bits


class JobIdForm(StrEnum):
    """How job ids are made from a counter."""

    COUNTER = "counter"  # short hex from 1
    DECIMAL_BYTE = "decimal-byte"  # "0" to "255", again and again
    START_AND_COUNTER = "start-and-counter"  # 8 hex digits of the start time, 8 of a counter
    SIXTEEN = "sixteen"  # 16 hex digits, never again the same


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockJob:
    """One of the jobs that announce a new block; ``delay`` in seconds after the block."""

    clean: bool
    empty: bool = False
    delay: float = 0.0
    prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """How a session starts.

    ``extensions`` says what `mining.configure` answers for each one known besides version
    rolling; those unknown get false, or nothing with ``unknown_extensions`` "omitted".
    ``grants_full_mask``: version rolling is granted unasked, with the pool's whole mask.
    ``agent_difficulties`` gives another first difficulty to user agents that contain a text.
    """

    subscribe_order: tuple[Step, ...] = (Step.REPLY,)
    authorize_order: tuple[Step, ...] = (Step.REPLY, Step.DIFFICULTY, Step.NOTIFY)
    first_notify_clean: bool = True
    closes_on_configure: bool = False
    grants_full_mask: bool = False
    mask_after_configure: bool = False
    extensions: Mapping[str, bool] = field(
        default_factory=lambda: MappingProxyType(
            {"minimum-difficulty": True, "subscribe-extranonce": True, "info": True}
        )
    )
    unknown_extensions: Literal["false", "omitted"] = "false"
    breaks_without_version_rolling: bool = False
    whole_minimum_only: bool = False
    subscriptions: tuple[str, ...] = ("mining.set_difficulty", "mining.notify")
    session_id: Literal["counter", "extranonce1", "numbered"] = "counter"
    second_subscribe: Literal["answer", "silence"] = "answer"
    several_workers: bool = True
    early_authorize: Literal["accept", "refuse", "defer"] = "accept"
    early_submit: Literal["refuse", "close", "reconnect"] = "refuse"
    resume: Literal["never", "authorized", "subscribed"] = "subscribed"
    agent_difficulties: Mapping[str, float] = field(default_factory=dict)
    password_difficulty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRules:
    """What makes a share good.

    ``ntime_behind`` and ``ntime_ahead`` are the seconds a share's time may lie before and after
    the job's (after the pool's own clock with ``ntime_by_clock``); None: not looked at.
    Jobs die with their block, with the next clean job, of age, and of their number, as the
    fields say. ``wrong_size_spoils_job``: after an extranonce2 of the wrong size, no share for
    that job is good any more.
    """

    version_rule: VersionRule = VersionRule.REPLACE
    bits_outside_mask: Literal["refuse", "take"] = "refuse"
    bits_missing: Literal["take", "refuse"] = "take"
    bits_unasked: Literal["refuse", "ignore", "take"] = "refuse"
    difficulty: Literal["job", "lower", "immediate"] = "job"
    extranonce2_size: Literal["refuse", "resize", "take"] = "refuse"
    wrong_size_spoils_job: bool = False
    bad_hex_is_low: bool = False
    checks_worker: bool = True
    ntime_behind: int | None = 0
    ntime_ahead: int | None = 7000
    ntime_by_clock: bool = False
    duplicates_by: Literal["header", "text"] = "header"
    duplicates_see_version: bool = True
    block_retires_jobs: bool = True
    clean_retires_jobs: bool = True
    job_lifetime: float = 600.0
    jobs_kept: int = 256
    high_hash_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How a pool talks besides.

    ``canned`` are fixed replies (without `id`) to methods not handled otherwise; other methods
    are refused or met with silence. ``ping_after`` is the silence after which the pool sends a
    `mining.ping`, with ``ping_id``. ``escalation``: seconds of nothing but refused shares until
    a fresh job, a `client.reconnect`, a close.
    """

    refusals: Mapping[Problem, Refusal]
    canned: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    unknown_method: Literal["refuse", "silence"] = "refuse"
    unknown_before_subscribe: Literal["same", "close"] = "same"
    bad_line: Literal["refuse", "close"] = "close"
    strict_requests: bool = False
    subscribes_extranonce: bool = True
    pushes_extranonce: bool = False
    suggestions: Literal["set", "first", "quiet", "ignore", "refuse"] = "set"
    whole_suggestions_only: bool = False
    notify_after_difficulty: Literal["no", "clean", "plain"] = "no"
    block_jobs: tuple[BlockJob, ...] = (BlockJob(clean=True),)
    clean_block_every: int = 1
    job_ids: JobIdForm = JobIdForm.COUNTER
    quick_difficulty_prefix: str = ""
    unpadded_hex: bool = False
    extranonce1_order: Literal["big", "little"] = "big"
    ping_after: float | None = None
    ping_id: int = 42
    escalation: tuple[float, float, float] | None = None
    reply_keys: tuple[str, ...] = ("id", "result", "error")
    notification_keys: tuple[str, ...] = ("id", "method", "params")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One pool's ways, and its defaults: sizes in bytes, times in seconds."""

    name: str
    about: str
    handshake: Handshake
    shares: ShareRules
    manners: Manners
    difficulty: float = 0.001
    extranonce1_size: int = 4
    extranonce2_size: int = 8
    vardiff: VardiffSettings | None = None
    work_every: float = 30.0
    extranonce_every: float | None = None
    idle_timeout: float | None = None
    max_line: int = 16_384
