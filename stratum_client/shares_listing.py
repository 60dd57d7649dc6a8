"""The share ledger in words: a table, a summary, and objects for machines; pure."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from stratum_client.job import Fate
from stratum_client.ledger_reading import Findings, LedgerBlock, Sum
from stratum_client.setting_kinds import printable
from stratum_client.share_ledger import LedgerShare
from stratum_client.units import counted, duration, scaled

OPEN = "open"
"""The fate of a share that nothing more is known of yet."""

_HEADS = ("TIME", "POOL", "DEVICE", "HEIGHT", "DIFFICULTY", "REACHED", "FATE", "REASON")
_BLOCK_HEADS = ("TIME", "POOL", "DEVICE", "HEIGHT", "FATE", "HASH", "REASON")


def share_lines(shares: Sequence[LedgerShare]) -> list[str]:
    """Return a table of shares, oldest first."""
    rows = [
        (
            _moment(share.found.time),
            share.found.pool,
            share.found.device,
            str(share.found.height or "-"),
            scaled(share.found.difficulty),
            scaled(share.found.share_difficulty) + (" BLOCK" if share.found.block else ""),
            str(share.fate or OPEN),
            share.reason,
        )
        for share in sorted(shares, key=lambda share: share.found.time)
    ]
    return _table([_HEADS, *rows])


def block_lines(blocks: Sequence[LedgerBlock]) -> list[str]:
    """Return a table of blocks."""
    rows = [
        (
            _moment(block.found.time),
            block.found.pool,
            block.found.device,
            str(block.found.height or "-"),
            str(block.ended.fate if block.ended else OPEN),
            block.found.hash,
            block.ended.reason if block.ended else "",
        )
        for block in blocks
    ]
    return _table([_BLOCK_HEADS, *rows])


def sum_lines(total: Sum, findings: Findings) -> list[str]:
    """Return what all shares together come to."""
    fates = ", ".join(
        f"{total.fates[fate]} {fate or OPEN}" for fate in (*Fate, None) if total.fates.get(fate)
    )
    lines = [f"{counted(total.count, 'share')}: {fates}" if total.count else "no shares"]
    if total.count:
        rate = total.hashrate
        span = f" over {duration((total.last or 0.0) - (total.first or 0.0))}"
        proven = f", {scaled(rate, 'H/s')}{span}" if rate else ""
        best = scaled(total.best)
        lines.append(f"accepted difficulty {scaled(total.difficulty)}{proven}; best {best}")
    lines += [
        f"{'not recorded' if gap.lost else 'recorded late'} from {_moment(gap.since)} to"
        f" {_moment(gap.time)}: {gap.reason} ({gap.lost} records lost)"
        for gap in findings.gaps
    ]
    return lines


def share_object(share: LedgerShare) -> dict[str, object]:
    """Return a share for machines: the record, and its end (null while that is open)."""
    end = {"fate": share.fate, "reason": share.reason, "ended_at": share.ended_at}
    return {"kind": "share", **asdict(share.found), **end}


def block_object(block: LedgerBlock) -> dict[str, object]:
    """Return a block for machines."""
    ended = block.ended
    end = {
        "fate": ended.fate if ended else None,
        "reason": ended.reason if ended else "",
        "ended_at": ended.time if ended else None,
    }
    return {"kind": "block", **asdict(block.found), **end}


def sum_object(total: Sum, findings: Findings) -> dict[str, object]:
    """Return the summary for machines."""
    return {
        "kind": "summary",
        "shares": total.count,
        **{fate: total.fates.get(fate, 0) for fate in Fate},
        OPEN: total.fates.get(None, 0),
        "accepted_difficulty": total.difficulty,
        "best_difficulty": total.best,
        "first": total.first,
        "last": total.last,
        "hashrate": total.hashrate,
        "damaged_lines": findings.damaged,
        "gaps": [asdict(gap) for gap in findings.gaps],
    }


def _moment(at: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return str(at)


def _table(rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [[printable(cell) if len(cell) < 60 else cell for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
