"""Block solutions in the ledger: all that is needed to hand one in, by us or by a human. Pure.

They have a file of their own, which is never cut or thrown away. A line ``block`` is written before
the block is sent, a line ``block_ended`` when its fate is known; one without an end is tried again
at the next start.
"""

import json
import struct
from dataclasses import asdict, dataclass
from typing import ClassVar

from drivers.header import hash_value, pack_header, target_of_nbits
from stratum_client.job import CoinbasePrefix, Fate, Job, SessionId, Share
from stratum_client.ledger_lines import Fields, line_of

OLD_SESSION = 0
"""The session number of a block of an earlier process; those of this one count from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFound:
    """A block solution.

    ``hash`` is as explorers show it; ``header`` has 80 bytes, ``coinbase`` is without witness;
    ``coinbase1``, ``coinbase2``, ``merkle_branch`` and ``extranonce1`` are the job's, ``prev_hash``
    and the branch in header order. All these are hex. ``params`` are those of `mining.submit`
    behind the user; ``session_id`` is what a pool may take to resume the session.
    """

    KIND: ClassVar = "block"
    id: str
    time: float
    pool: str
    host: str
    session_id: str | None
    device: str
    height: int | None
    hash: str
    header: str
    coinbase: str
    job: str | int
    params: list[str | int]
    extranonce1: str
    extranonce2: str
    coinbase1: str
    coinbase2: str
    merkle_branch: list[str]
    prev_hash: str
    version: int
    job_version: int
    version_mask: int
    nbits: int
    ntime: int
    job_ntime: int
    nonce: int
    difficulty: float
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockEnded:
    """A block's fate, once."""

    KIND: ClassVar = "block_ended"
    id: str
    time: float
    fate: Fate
    reason: str


def block_found(
    share: Share, *, share_id: str, time: float, host: str, session_id: str | None
) -> BlockFound:
    """Return the record of a block found at the pool ``host``."""
    job = share.job
    return BlockFound(
        id=share_id,
        time=round(time, 6),
        pool=job.session.pool,
        host=host,
        session_id=session_id,
        device=share.device,
        height=job.height,
        hash=f"{share.value:064x}",
        header=header_of(share).hex(),
        coinbase=job.coinbase(share.extranonce2).hex(),
        job=job.job_id,
        params=params_of(share),
        extranonce1=job.extranonce1.hex(),
        extranonce2=share.extranonce2.hex(),
        coinbase1=job.coinbase1.hex(),
        coinbase2=job.coinbase2.hex(),
        merkle_branch=[each.hex() for each in job.merkle_branch],
        prev_hash=job.prev_hash.hex(),
        version=share.version,
        job_version=job.version,
        version_mask=job.version_mask,
        nbits=job.nbits,
        ntime=share.ntime,
        job_ntime=job.ntime,
        nonce=share.nonce,
        difficulty=min(job.difficulty, 1e300),
        target=f"{job.target:064x}",
    )


def shown_block(block: BlockFound) -> dict[str, object]:
    """Return what a human needs to hand a block in."""
    return {
        "pool": block.pool,
        "hash": block.hash,
        "header": block.header,
        "coinbase": block.coinbase,
        "params": json.dumps(block.params),
    }


def params_of(share: Share) -> list[str | int]:
    """Return what `mining.submit` says of the share behind the user."""
    job = share.job
    numbers = share.ntime, share.nonce, share.version & job.version_mask
    return [job.job_id, share.extranonce2.hex(), *(f"{number:08x}" for number in numbers)]


def header_of(share: Share) -> bytes:
    """Return the 80 bytes whose hash the share claims."""
    job = share.job
    root = CoinbasePrefix(job).merkle_root(share.extranonce2)
    return pack_header(share.version, job.prev_hash, root, share.ntime, job.nbits, share.nonce)


def line_of_block(record: BlockFound | BlockEnded) -> bytes:
    """Return the record as a line of the file of blocks."""
    return line_of({"kind": record.KIND, **asdict(record)})


def block_record_of(fields: Fields) -> BlockFound | BlockEnded | None:
    """Return what a line says; None if it is not one of ours, or not as we write it."""
    kind, values = fields.get("kind"), {k: v for k, v in fields.items() if k != "kind"}
    if type(values.get("time")) not in (int, float):
        return None
    try:
        match kind:
            case "block":
                record = BlockFound(**values)  # type: ignore[arg-type]  # judged by what follows
                share_of(record, pool=record.pool, now=0.0)
                return record
            case "block_ended":
                fate = Fate(str(values.pop("fate")))
                return BlockEnded(fate=fate, **values)  # type: ignore[arg-type]  # written by us
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, struct.error):
        pass
    return None


def share_of(record: BlockFound, *, pool: str, now: float) -> Share:
    """Return the block as a share of ``pool``; raise ValueError if its header is not its own.

    The result belongs to no session of this process; it is sent where its coinbase fits, and
    elsewhere as an attempt. ``now`` is monotonic.
    """
    job = Job(
        session=SessionId(pool=pool, number=OLD_SESSION),
        serial=0,
        job_id=record.job,
        prev_hash=bytes.fromhex(record.prev_hash),
        coinbase1=bytes.fromhex(record.coinbase1),
        coinbase2=bytes.fromhex(record.coinbase2),
        merkle_branch=tuple(bytes.fromhex(each) for each in record.merkle_branch),
        version=record.job_version,
        nbits=record.nbits,
        ntime=record.job_ntime,
        clean=True,
        extranonce1=bytes.fromhex(record.extranonce1),
        extranonce2_size=len(record.extranonce2) // 2,
        version_mask=record.version_mask,
        difficulty=record.difficulty,
        target=int(record.target, 16),
        network_target=target_of_nbits(record.nbits),
        height=record.height,
        arrived=now,
    )
    share = Share(
        job=job,
        extranonce2=bytes.fromhex(record.extranonce2),
        ntime=record.ntime,
        nonce=record.nonce,
        version=record.version,
        value=int(record.hash, 16),
        device=record.device,
        found_at=now,
    )
    header = header_of(share)
    if header.hex() != record.header or hash_value(header) != share.value:
        raise ValueError("the header is not that of its parts")
    return share


class BlockJoiner:
    """Reads the file of blocks, and knows which have no end yet."""

    def __init__(self) -> None:
        self.blocks: dict[str, BlockFound] = {}
        self.ends: dict[str, BlockEnded] = {}

    def add(self, record: BlockFound | BlockEnded) -> None:
        """Take note of a record."""
        if isinstance(record, BlockFound):
            self.blocks[record.id] = record
        else:
            self.ends[record.id] = record

    def unresolved(self) -> list[BlockFound]:
        """Return the blocks without an end, oldest first."""
        return [block for share_id, block in self.blocks.items() if share_id not in self.ends]
