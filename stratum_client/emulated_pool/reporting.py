"""What the pool's command prints: a line for each event, the tally as JSON at the end."""

from dataclasses import asdict

from stratum_client.emulated_pool.events import (
    BlockFound,
    ClientAnswered,
    ClientAuthorized,
    ClientConnected,
    ClientGone,
    Event,
    FaultPlayed,
    ShareJudged,
)
from stratum_client.emulated_pool.tally import Counts, TallySnapshot


def line_of(event: Event) -> str:
    """Return one line about ``event``, fit for a terminal whatever a client calls itself."""
    return "".join(c if c.isprintable() else "?" for c in _text_of(event))


def summary_of(tally: TallySnapshot) -> str:
    """Return the tally in words."""
    total = tally.total
    lost = {
        "stale": total.stale,
        "duplicate": total.duplicate,
        "low difficulty": total.low_difficulty,
        "invalid": total.invalid,
        "unauthorized": total.unauthorized,
        "unanswered": total.unanswered,
    }
    parts = [f"{count} {name}" for name, count in lost.items() if count]
    blocks = f", {total.blocks} of them blocks" if total.blocks else ""
    rest = f"; {', '.join(parts)}" if parts else ""
    return f"{total.accepted} shares accepted{blocks}{rest}"


def json_of(tally: TallySnapshot) -> dict[str, object]:
    """Return the tally as one JSON object: the total's members, `workers`, `connections`."""
    return {
        **_members(tally.total),
        "workers": {name: _members(counts) for name, counts in tally.workers.items()},
        "connections": {
            str(number): _members(counts) for number, counts in tally.connections.items()
        },
    }


def _members(counts: Counts) -> dict[str, object]:
    return {**asdict(counts), "refused": counts.refused}


def _text_of(event: Event) -> str:
    match event:
        case ClientConnected(peer=peer):
            text = f"connected from {peer}"
        case ClientGone(reason=reason):
            text = f"gone: {reason}"
        case ClientAuthorized(worker=worker, allowed=allowed):
            text = f"{'authorized' if allowed else 'refused'}: {worker[:80]}"
        case ClientAnswered(id=identifier, result=result):
            text = f"answered request {identifier}: {str(result)[:80]}"
        case FaultPlayed(fault=fault):
            text = f"fault: {fault}"
        case ShareJudged():
            text = _share_text(event)
        case BlockFound(worker=worker, height=height, block_hash=block_hash):
            text = f"*** BLOCK {height} *** {block_hash} found by {worker[:80]}"
    return f"client {event.connection} {text}"


def _share_text(share: ShareJudged) -> str:
    reason = f" ({share.reason})" if share.reason else ""
    reached = f"difficulty {share.difficulty:.6g} of {share.required:.6g}"
    return f"share {share.fate}{reason}: {reached}, {share.worker[:80]}"
