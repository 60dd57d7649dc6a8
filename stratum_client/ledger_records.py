"""What the lines of the share ledger say: records, as values and as fields of JSON. Pure.

``kind`` is the first member of each line. A share is told of twice: ``found`` before it is sent,
``ended`` when its fate is known; ``id`` joins the two. Ids are made of a number drawn by chance at
each start and a count, so that no clock and no restart can make two shares alike. A record of a
kind that is not known here comes from a later version and is passed over.
"""

from dataclasses import dataclass, fields
from typing import ClassVar

from stratum_client.job import Fate, Share
from stratum_client.ledger_lines import Fields, line_of

LARGEST = 1e300
"""JSON has no infinity, which is the difficulty of the hash 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A process took the ledger over; times are seconds since 1970, UTC, here and below."""

    KIND: ClassVar = "started"
    time: float
    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBegun:
    """The first line of each file; shares without an end are in file ``first`` or later."""

    KIND: ClassVar = "file"
    time: float
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A share, before it is sent.

    ``session`` counts the connections of the process. ``difficulty`` is the job's,
    ``share_difficulty`` what the hash really has. Hex: ``nonce``, ``ntime`` and ``version`` are
    8 digits of the number, ``extranonce2`` as on the wire.
    """

    KIND: ClassVar = "found"
    id: str
    time: float
    pool: str
    session: int
    job: str | int
    height: int | None
    difficulty: float
    share_difficulty: float
    device: str
    nonce: str
    ntime: str
    version: str
    extranonce2: str
    block: bool

    @classmethod
    def of(cls, share: Share, share_id: str, time: float) -> "Found":
        """Return the record of ``share``."""
        job = share.job
        return cls(
            id=share_id,
            time=round(time, 6),
            pool=job.session.pool,
            session=job.session.number,
            job=job.job_id,
            height=job.height,
            difficulty=min(job.difficulty, LARGEST),
            share_difficulty=min(share.difficulty, LARGEST),
            device=share.device,
            nonce=f"{share.nonce:08x}",
            ntime=f"{share.ntime:08x}",
            version=f"{share.version:08x}",
            extranonce2=share.extranonce2.hex(),
            block=share.is_block,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A share's fate, once."""

    KIND: ClassVar = "ended"
    id: str
    time: float
    fate: Fate
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The ledger could not be written from ``since`` to ``time``; so many records are ``lost``."""

    KIND: ClassVar = "gap"
    time: float
    since: float
    lost: int
    reason: str


Record = Started | FileBegun | Found | Ended | Gap


def line_of_record(record: Record) -> bytes:
    """Return the record as a line of the ledger."""
    values = {each.name: getattr(record, each.name) for each in fields(record)}  # asdict is slow
    return line_of({"kind": record.KIND, **values})


def record_of(line: Fields) -> Record | None:
    """Return what a line says; None if it is of no known kind, or lacks what its kind has."""
    match line:
        case {"kind": "found"}:
            return _found_in(line)
        case {
            "kind": "ended",
            "id": str(share_id),
            "time": int(time) | float(time),
            "fate": str(fate),
            "reason": str(reason),
        } if fate in set(Fate):
            return Ended(id=share_id, time=time, fate=Fate(fate), reason=reason)
        case {"kind": "started", "time": int(time) | float(time), "run": str(run)}:
            return Started(time=time, run=run)
        case {"kind": "file", "time": int(time) | float(time), "first": int(first)}:
            return FileBegun(time=time, first=first)
        case {
            "kind": "gap",
            "time": int(time) | float(time),
            "since": int(since) | float(since),
            "lost": int(lost),
            "reason": str(reason),
        }:
            return Gap(time=time, since=since, lost=lost, reason=reason)
    return None


def _found_in(line: Fields) -> Found | None:
    match line:
        case {
            "id": str(share_id),
            "time": int(time) | float(time),
            "pool": str(pool),
            "session": int(session),
            "job": str(job) | int(job),
            "height": int() | None as height,
            "difficulty": int(difficulty) | float(difficulty),
            "share_difficulty": int(share_difficulty) | float(share_difficulty),
            "device": str(device),
            "nonce": str(nonce),
            "ntime": str(ntime),
            "version": str(version),
            "extranonce2": str(extranonce2),
            "block": bool(block),
        }:
            return Found(
                id=share_id,
                time=time,
                pool=pool,
                session=session,
                job=job,
                height=height,
                difficulty=difficulty,
                share_difficulty=share_difficulty,
                device=device,
                nonce=nonce,
                ntime=ntime,
                version=version,
                extranonce2=extranonce2,
                block=block,
            )
    return None
