"""`mining.notify` from an untrusted pool: parsed, checked, made a `Job`.

Source: the Stratum v1 documentation; bounds are ours (a block holds under 2^17 transactions).
"""

import binascii
from dataclasses import dataclass

from drivers.header import target_of_nbits
from stratum_client.coinbase import Coinbase, CoinbaseError, parse_coinbase
from stratum_client.job import Job, SessionId

MAX_BRANCH = 32
MAX_COINBASE = 100_000
MAX_JOB_ID = 128
EASIEST_TARGET = 1 << 255
"""Regression-test networks use 0x7fffff << 232, just below."""


class JobError(ValueError):
    """The pool sent a job that cannot be mined; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is in force on a connection when a job arrives."""

    session: SessionId
    extranonce1: bytes
    extranonce2_size: int
    version_mask: int
    difficulty: float
    target: int


def parse_notify(params: list[object], terms: Terms, *, serial: int, arrived: float) -> Job:
    """Return the job in the parameters of one `mining.notify`; raise JobError if it is unfit."""
    if len(params) < 8:
        raise JobError(f"{len(params)} parameters, 9 are needed")
    job_id, prev_hash, coinbase1, coinbase2, branch, version, nbits, ntime = params[:8]
    parts = _bytes(coinbase1, "coinb1"), _bytes(coinbase2, "coinb2")
    if sum(map(len, parts)) > MAX_COINBASE:
        raise JobError(f"a coinbase of more than {MAX_COINBASE} bytes")
    return Job(
        session=terms.session,
        serial=serial,
        job_id=_job_id(job_id),
        prev_hash=_swap_words(_hash(prev_hash, "prevhash")),
        coinbase1=parts[0],
        coinbase2=parts[1],
        merkle_branch=_branch(branch),
        version=_word(version, "version"),
        nbits=_word(nbits, "nbits"),
        ntime=_word(ntime, "ntime"),
        clean=_is_true(params[-1]) if len(params) > 8 else False,
        extranonce1=terms.extranonce1,
        extranonce2_size=terms.extranonce2_size,
        version_mask=terms.version_mask,
        difficulty=terms.difficulty,
        target=terms.target,
        network_target=_network_target(_word(nbits, "nbits")),
        height=_height(parts, terms),
        arrived=arrived,
    )


def coinbase_of(job: Job) -> Coinbase:
    """Return the coinbase of a job, extranonce2 as zeros."""
    start, size = len(job.coinbase1), len(job.extranonce1) + job.extranonce2_size
    return parse_coinbase(job.coinbase(bytes(job.extranonce2_size)), range(start, start + size))


def _job_id(value: object) -> str | int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and 0 < len(value) <= MAX_JOB_ID and value.isprintable():
        return value
    raise JobError(f"the job id must be 1 to {MAX_JOB_ID} printable characters")


def _bytes(value: object, what: str) -> bytes:
    try:
        return binascii.unhexlify(value)  # type: ignore[arg-type]  # wrong types raise too
    except (TypeError, ValueError):
        raise JobError(f"{what} is not hex") from None


def _hash(value: object, what: str) -> bytes:
    raw = _bytes(value, what)
    if len(raw) != 32:
        raise JobError(f"{what} must be 32 bytes, not {len(raw)}")
    return raw


def _swap_words(raw: bytes) -> bytes:
    """Return ``raw`` with the bytes of each 4-byte word reversed: wire form to header order."""
    return b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))


def _branch(value: object) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) > MAX_BRANCH:
        raise JobError(f"the merkle branch must be a list of at most {MAX_BRANCH}")
    return tuple(_hash(item, "merkle branch") for item in value)


def _word(value: object, what: str) -> int:
    """Return a 32-bit integer written as big-endian hex, maybe unpadded."""
    if isinstance(value, str) and 1 <= len(value) <= 8 and value.isalnum():
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise JobError(f"{what} must be 1 to 8 hex digits")


def _is_true(value: object) -> bool:
    return value.lower() == "true" if isinstance(value, str) else value in (True, 1)


def _network_target(nbits: int) -> int:
    target = target_of_nbits(nbits)
    if not 0 < target <= EASIEST_TARGET:
        raise JobError(f"nbits {nbits:08x} give no target of a known network")
    return target


def _height(parts: tuple[bytes, bytes], terms: Terms) -> int | None:
    """Check the coinbase once per job, extranonce2 as zeros; return the block height it names."""
    head = parts[0] + terms.extranonce1
    extranonces = range(len(parts[0]), len(head) + terms.extranonce2_size)
    try:
        raw = head + bytes(terms.extranonce2_size) + parts[1]
        return parse_coinbase(raw, extranonces).height
    except CoinbaseError as error:
        raise JobError(f"the coinbase is not valid: {error}") from None
