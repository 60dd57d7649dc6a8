"""A snapshot in words: the lines of the live view, and one line for a log; pure."""

from collections.abc import Iterator, Sequence

from drivers.api import DeviceState
from drivers.header import hashes_to_find, target_of
from stratum_client.control.claims import Claim, Level
from stratum_client.control.power import Source
from stratum_client.job import Fate
from stratum_client.pool_roles import PoolRole
from stratum_client.stats import PoolState, PoolStats, RigStats, ShareCounts
from stratum_client.status_device import device_parts, metered
from stratum_client.status_layout import LABEL_WIDTH, WIDEST_LABEL, fitted, row_lines
from stratum_client.units import duration, scaled

_FOR_EVER = 1e30
"""Seconds; a rate next to nothing would give an infinite time."""


def status_lines(
    stats: RigStats, *, title: str, width: int, height: int | None = None
) -> list[str]:
    """Return the live view, one string a line, none longer than ``width`` characters.

    What has no room on the line of its row stands below it, indented. Where that makes more than
    ``height`` lines, devices have no more than they need for their rate or their reason.
    """
    lines = _lines(stats, title, width, brief=False)
    if height is None or len(lines) <= height:
        return lines
    return _lines(stats, title, width, brief=True)


def _lines(stats: RigStats, title: str, width: int, *, brief: bool) -> list[str]:
    names = (len(device.name) for device in stats.devices)
    label_width = min(max((LABEL_WIDTH, *names)), WIDEST_LABEL)
    lines = [fitted(f"{title} · up {duration(stats.uptime)}", width)]
    for label, parts in _rows(stats):
        lines += row_lines(label, parts, width=width, label_width=label_width)
    for device in stats.devices:
        parts = device_parts(device)
        row = row_lines(device.name, parts, width=width, label_width=label_width)
        first = row_lines(device.name, parts[:1], width=width, label_width=label_width)
        lines += row[: len(first)] if brief else row
    return lines


def _rows(stats: RigStats) -> Iterator[tuple[str, Sequence[str]]]:
    for claim in _worth_a_row(stats):
        yield "limit", [_claim_text(claim)]
    for pool in stats.pools:
        yield "pool", _pool_parts(pool, one_of=len(stats.pools))
    if stats.work and not (len(stats.pools) == 1 and _serves(stats.pools[0])):
        yield "work", [stats.work]
    yield "shares", _shares(stats)
    yield "rate", _rates(stats)
    if power := _power(stats):
        yield "power", power
    if energy := _energy(stats):
        yield "energy", energy


def status_fields(stats: RigStats) -> dict[str, object]:
    """Return the same as fields of one log line."""
    fates = stats.counts.fates
    limits = "; ".join(_claim_text(claim) for claim in _worth_a_row(stats))
    told = {"power": power_text(stats), "limits": limits}
    return {
        "claimed": scaled(stats.claimed_hashrate, "H/s"),
        "proven": scaled(stats.counts.recent_hashrate, "H/s"),
        "credited": scaled(stats.counts.credited_hashrate, "H/s"),
        "accepted": fates[Fate.ACCEPTED],
        "rejected": fates[Fate.REJECTED],
        "stale": fates[Fate.STALE],
        "discarded": fates[Fate.DISCARDED],
        "best": scaled(stats.counts.best_difficulty),
        "next_share": next_share(stats) or "unknown",
        "uptime": duration(stats.uptime),
    } | {name: text for name, text in told.items() if text}


def rate_text(stats: RigStats) -> str:
    """Return the hash rate claimed, proven and credited, side by side."""
    return " · ".join(_rates(stats))


def power_text(stats: RigStats) -> str:
    """Return what the rig takes and by what is known, and what it may take; empty if unknown."""
    return " · ".join(_power(stats))


def energy_text(stats: RigStats) -> str:
    """Return today's energy, how much of it is modelled, its cost, and J/TH; empty if unknown."""
    return " · ".join(_energy(stats))


def next_share(stats: RigStats) -> str:
    """Return the expected time to the next share in words; empty when it cannot be told."""
    if stats.devices and all(d.stats.state is not DeviceState.MINING for d in stats.devices):
        return ""
    rate = stats.claimed_hashrate or stats.counts.recent_hashrate
    known = [pool for pool in stats.pools if pool.difficulty]
    difficulty = next((pool.difficulty for pool in sorted(known, key=_serves, reverse=True)), None)
    if not rate or not difficulty:
        return ""
    return duration(min(hashes_to_find(target_of(difficulty)) / rate, _FOR_EVER))


def _worth_a_row(stats: RigStats) -> list[Claim]:
    """Return the claims but for those of tuners that the rows of their devices tell."""
    tuned = {device.name for device in stats.devices if device.tuning}
    return [c for c in stats.claims if c.level is not Level.TUNER or c.device not in tuned]


def _shares(stats: RigStats) -> list[str]:
    """Return what became of the shares, and when the next one is expected."""
    counts = stats.counts
    parts = [f"{count} {fate}" for fate, count in counts.fates.items() if _is_shown(fate, count)]
    parts.append(f"best {scaled(counts.best_difficulty)}")
    if counts.blocks:
        parts.append(f"★ {counts.blocks} BLOCK{'S' if counts.blocks > 1 else ''} FOUND ★")
    if expected := next_share(stats):
        parts.append(f"next in about {expected}")
    return parts


def _rates(stats: RigStats) -> list[str]:
    counts = stats.counts
    return [
        f"{scaled(stats.claimed_hashrate, 'H/s')} claimed",
        f"{_proven(counts)} proven",
        f"{scaled(counts.credited_hashrate, 'H/s')} credited",
    ]


def _power(stats: RigStats) -> list[str]:
    parts = []
    if stats.power and (stats.power.watts or stats.power.source is Source.PLUG):
        parts.append(metered(stats.power))
    if stats.cap:
        parts.append(f"cap {stats.cap.watts:g} W held by {stats.cap.by}")
    elif stats.power and stats.power.note and parts:
        parts.append(stats.power.note)
    return parts


def _energy(stats: RigStats) -> list[str]:
    energy = stats.energy
    if energy is None or not energy.rig.today.metered:
        return []
    today, hour = energy.rig.today, energy.rig.hour.joules_per_terahash
    text = f"{scaled(float(today.total), 'Wh')} today"
    if today.modelled:
        ratio = float(today.modelled / today.total)
        text += f" ({f'{ratio:.0%}' if ratio >= 0.005 else 'under 1%'} modelled)"
    costs = [f"{float(cost):.4g} {currency}" for currency, cost in energy.costs.items()]
    efficiency = [] if hour is None else [f"{scaled(float(hour), 'J/TH')} in the last hour"]
    return [text, *costs, *efficiency]


def _is_shown(fate: Fate, count: int) -> bool:
    return count > 0 or fate in {Fate.ACCEPTED, Fate.REJECTED, Fate.STALE}


def _proven(counts: ShareCounts) -> str:
    if not counts.solutions:
        return "nothing"
    return f"{scaled(counts.recent_hashrate, 'H/s')} ±{100 * counts.uncertainty:.0f}%"


def _claim_text(claim: Claim) -> str:
    where = f"{claim.device} " if claim.device else ""
    return f"{where}{claim.limit}: {claim.reason}"


def _serves(pool: PoolStats) -> bool:
    return pool.role is PoolRole.SERVING


def _role_text(pool: PoolStats) -> str:
    """Return what a pool is to the rig, and how it fares where work is dealt."""
    text = f"{pool.role}{': ' if pool.role_note else ''}{pool.role_note}"
    if pool.dealt and _serves(pool):
        text += f" {pool.dealt.achieved:.0%} of {pool.dealt.wanted:.0%} wanted"
    return text


def _pool_parts(pool: PoolStats, *, one_of: int) -> list[str]:
    """Return what there is to say of a pool; a problem comes last, as it may need lines."""
    parts = [f"{pool.name} {pool.url}"]
    shows_role = pool.role and (one_of > 1 or pool.role is PoolRole.DISABLED)
    if pool.state is not PoolState.MINING or not shows_role:
        parts.append(str(pool.state))
    if shows_role:
        parts.append(_role_text(pool))
    if pool.state is not PoolState.DISCONNECTED:
        parts += _job_parts(pool)
    if pool.problem and pool.state is not PoolState.WAITING:
        parts.append(pool.problem)
    return parts


def _job_parts(pool: PoolStats) -> list[str]:
    difficulty = [] if pool.difficulty is None else [f"difficulty {scaled(pool.difficulty)}"]
    height = [] if pool.height is None else [f"height {pool.height}"]
    reply = [] if pool.round_trip is None else [f"reply in {1000 * pool.round_trip:.0f} ms"]
    return [*difficulty, *height, *reply]
