"""Judging one share: from the parameters of `mining.submit` to a verdict, by our own sums."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from stratum_client.emulated_pool.jobs import IssuedJob
from stratum_client.emulated_pool.problems import Problem
from stratum_client.emulated_pool.profiles import ShareRules, VersionRule
from stratum_client.emulated_pool.proof_of_work import (
    block_header,
    difficulty_of_proof,
    merkle_root,
    network_target,
    proof,
    target_for,
)
from stratum_client.emulated_pool.wire import Json

_HEX_8 = re.compile(r"[0-9a-fA-F]{8}")
_HEX_PAIRS = re.compile(r"(?:[0-9a-fA-F]{2})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a `mining.submit` says, read but not yet judged.

    ``version_bits`` is None when the sixth parameter was not sent; ``texts`` are the hex texts
    as sent: extranonce2, ntime, nonce and the sixth parameter or an empty text.
    """

    worker: str
    job_id: str
    extranonce2: bytes
    ntime: int
    nonce: int
    version_bits: int | None
    texts: tuple[str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is in force for a share besides its job.

    ``difficulty`` counts as the exact value it holds; ``mask`` is None when version rolling was
    not agreed; ``wall`` is seconds since 1970.
    """

    difficulty: float | Fraction
    mask: int | None
    wall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome: no problem means accepted. ``header`` is empty when none was built."""

    problem: Problem | None
    header: bytes = b""
    difficulty: float = 0.0
    block: bool = False


def read_submission(params: Sequence[Json]) -> Submission | Problem:
    """Return the parsed parameters, or what is wrong with them."""
    if not 5 <= len(params) <= 6:
        return Problem.PARAMETER_COUNT
    texts = [text if isinstance(text, str) else "" for text in params[2:]]
    extranonce2, ntime, nonce = texts[:3]
    bits = texts[3] if len(params) == 6 else None
    if not _HEX_PAIRS.fullmatch(extranonce2):
        return Problem.BAD_EXTRANONCE2
    if not _HEX_8.fullmatch(ntime):
        return Problem.BAD_NTIME
    if not _HEX_8.fullmatch(nonce):
        return Problem.BAD_NONCE
    if bits is not None and not _HEX_8.fullmatch(bits):
        return Problem.BAD_VERSION_BITS
    return Submission(
        worker=str(params[0]),
        job_id=str(params[1]),
        extranonce2=bytes.fromhex(extranonce2),
        ntime=int(ntime, 16),
        nonce=int(nonce, 16),
        version_bits=None if bits is None else int(bits, 16),
        texts=(extranonce2, ntime, nonce, bits or ""),
    )


def judge(share: Submission, job: IssuedJob, terms: Terms, rules: ShareRules) -> Verdict:
    """Return whether ``share`` solves ``job``; staleness and duplicates are judged elsewhere.

    A share that meets the network target is good whatever difficulty was asked.
    """
    problem = _outside_rules(share, job, terms, rules)
    if problem is not None:
        return Verdict(problem=problem)
    header = header_of(share, job, mask=terms.mask, rules=rules)
    value = proof(header)
    block = value <= network_target(job.template.nbits)
    enough = block or value <= target_for(terms.difficulty)
    return Verdict(
        problem=None if enough else Problem.ABOVE_TARGET,
        header=header,
        difficulty=difficulty_of_proof(value),
        block=block,
    )


def header_of(share: Submission, job: IssuedJob, *, mask: int | None, rules: ShareRules) -> bytes:
    """Return the 80 bytes that ``share`` claims to have hashed."""
    template, bits = job.template, share.version_bits
    if bits is None or (mask is None and rules.bits_unasked == "ignore"):
        version = template.version
    else:
        version = rolled_version(template.version, bits, mask=mask or 0, rule=rules.version_rule)
    extranonce2 = share.extranonce2
    if rules.extranonce2_size == "resize":
        extranonce2 = extranonce2[: job.extranonce2_size].ljust(job.extranonce2_size, b"\0")
    root = merkle_root(job.coinbase(extranonce2), template.branch)
    return block_header(version, template.prev_hash, root, share.ntime, template.nbits, share.nonce)


def rolled_version(version: int, bits: int, *, mask: int, rule: VersionRule) -> int:
    """Return the header's version under ``rule``, given the sixth parameter of the submit."""
    match rule:
        case VersionRule.REPLACE:
            return version & ~mask | bits & mask
        case VersionRule.XOR:
            return version ^ bits
        case VersionRule.OR:
            return version | bits


def duplicate_key(share: Submission, job: IssuedJob, header: bytes, rules: ShareRules) -> object:
    """Return what two shares have in common that a pool with ``rules`` takes for one."""
    if rules.duplicates_by == "text":
        return (job.extranonce1, share.job_id, *share.texts)
    return header if rules.duplicates_see_version else header[4:]


def _outside_rules(
    share: Submission, job: IssuedJob, terms: Terms, rules: ShareRules
) -> Problem | None:
    right_size = len(share.extranonce2) == job.extranonce2_size
    if rules.extranonce2_size == "refuse" and not right_size:
        return Problem.EXTRANONCE2_SIZE
    if rules.ntime_behind is not None and share.ntime < job.template.ntime - rules.ntime_behind:
        return Problem.NTIME_TOO_OLD
    latest_from = terms.wall if rules.ntime_by_clock else job.template.ntime
    if rules.ntime_ahead is not None and share.ntime > latest_from + rules.ntime_ahead:
        return Problem.NTIME_TOO_NEW
    return _version_problem(share.version_bits, terms.mask, rules)


def _version_problem(bits: int | None, mask: int | None, rules: ShareRules) -> Problem | None:
    if bits is None:
        missing = mask is not None and rules.bits_missing == "refuse"
        return Problem.VERSION_BITS_MISSING if missing else None
    if mask is None:
        refused = rules.bits_unasked == "refuse" and bits != 0
    else:
        refused = rules.bits_outside_mask == "refuse" and bits & ~mask != 0
    return Problem.VERSION_BITS_OUTSIDE_MASK if refused else None
