"""A snapshot in words: the lines of the live view, and one line for a log; pure."""

import textwrap

from drivers.api import DeviceState
from drivers.header import hashes_to_find, target_of
from stratum_client.control.claims import Claim, Limit
from stratum_client.control.power import Source
from stratum_client.job import Fate
from stratum_client.pool_roles import PoolRole
from stratum_client.stats import Metered, NamedDevice, PoolState, PoolStats, RigStats, ShareCounts
from stratum_client.wire import printable

_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z")
_LABEL_WIDTH = 9
_FOR_EVER = 1e30
"""Seconds; a rate next to nothing would give an infinite time."""

_AGED = 5.0
"""Seconds after which it is said how old a reading is."""

_LONGEST_PROBLEM = 600
"""Characters: one about a certificate names digests to copy, and a pool may send anything."""

_NARROW = 40
"""Columns of a terminal in which a problem is cut rather than told on lines of its own."""


def status_lines(stats: RigStats, *, title: str, width: int) -> list[str]:
    """Return the live view, one string a line, none longer than ``width`` characters."""
    lines = [f"{title} · up {duration(stats.uptime)}"]
    lines += [_row("limit", _claim_text(claim)) for claim in stats.claims]
    for pool in stats.pools:
        lines += _pool_rows(pool, one_of=len(stats.pools), width=width)
    if stats.work and not (len(stats.pools) == 1 and _serves(stats.pools[0])):
        lines.append(_row("work", stats.work))
    lines.append(_row("shares", shares_text(stats)))
    lines.append(_row("rate", rate_text(stats)))
    if power := power_text(stats):
        lines.append(_row("power", power))
    if energy := energy_text(stats):
        lines.append(_row("energy", energy))
    lines += [_row(device.name, _device_text(device)) for device in stats.devices]
    return [_fitted(line, width) for line in lines]


def status_fields(stats: RigStats) -> dict[str, object]:
    """Return the same as fields of one log line."""
    fates = stats.counts.fates
    limits = "; ".join(_claim_text(claim) for claim in stats.claims)
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


def shares_text(stats: RigStats) -> str:
    """Return what became of the shares, and when the next one is expected."""
    counts = stats.counts
    parts = [f"{count} {fate}" for fate, count in counts.fates.items() if _is_shown(fate, count)]
    parts.append(f"best {scaled(counts.best_difficulty)}")
    if counts.blocks:
        parts.append(f"★ {counts.blocks} BLOCK{'S' if counts.blocks > 1 else ''} FOUND ★")
    if expected := next_share(stats):
        parts.append(f"next in about {expected}")
    return " · ".join(parts)


def rate_text(stats: RigStats) -> str:
    """Return the hash rate claimed, proven and credited, side by side."""
    counts = stats.counts
    return " · ".join(
        (
            f"{scaled(stats.claimed_hashrate, 'H/s')} claimed",
            f"{_proven(counts)} proven",
            f"{scaled(counts.credited_hashrate, 'H/s')} credited",
        )
    )


def power_text(stats: RigStats) -> str:
    """Return what the rig takes and by what is known, and what it may take; empty if unknown."""
    parts = []
    if stats.power and (stats.power.watts or stats.power.source is Source.PLUG):
        parts.append(_metered(stats.power))
    if stats.cap:
        parts.append(f"cap {stats.cap.watts:g} W held by {stats.cap.by}")
    elif stats.power and stats.power.note and parts:
        parts.append(stats.power.note)
    return " · ".join(parts)


def energy_text(stats: RigStats) -> str:
    """Return today's energy, how much of it is modelled, its cost, and J/TH; empty if unknown."""
    energy = stats.energy
    if energy is None or not energy.rig.today.metered:
        return ""
    today, hour = energy.rig.today, energy.rig.hour.joules_per_terahash
    text = f"{scaled(float(today.total), 'Wh')} today"
    if today.modelled:
        text += f" ({float(today.modelled / today.total):.0%} modelled)"
    costs = [f"{float(cost):.4g} {currency}" for currency, cost in energy.costs.items()]
    efficiency = [] if hour is None else [f"{float(hour):.3g} J/TH in the last hour"]
    return " · ".join((text, *costs, *efficiency))


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


def scaled(value: float, unit: str = "") -> str:
    """Return a number with three digits and an SI prefix: ``1.17 TH/s``, ``12.3k``."""
    power = 0
    while abs(value) >= 999.5 and power < len(_PREFIXES) - 1:
        value, power = value / 1000, power + 1
    if power == 0 and 0 < abs(value) < 1:
        number = f"{value:.2g}" if abs(value) >= 1e-4 else f"{value:.1e}"
    else:
        whole = 99.95 <= abs(value) < 999.5 or value == 0
        number = f"{value:.0f}" if whole else f"{value:.3g}"
    return f"{number}{' ' if unit else ''}{_PREFIXES[power]}{unit}"


def duration(seconds: float) -> str:
    """Return a time in its two largest units: ``4.2 s``, ``2m05s``, ``3h12m``, ``12d4h``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole // 60 % 60:02d}m"
    days = whole // 86_400
    return f"{days}d{whole // 3600 % 24}h" if days < 3650 else f"{scaled(days / 365)} years"


def _fitted(line: str, width: int) -> str:
    line = printable(line, len(line)) if not line.isprintable() else line
    return line if len(line) <= width else (line[: max(width - 1, 0)] + "…")[:width]


def _row(label: str, text: str) -> str:
    return f"{printable(label, 24):<{_LABEL_WIDTH}} {text}"


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


def _pool_rows(pool: PoolStats, *, one_of: int, width: int) -> list[str]:
    """Return a pool on one line, and below it the problem if there is no room for all of that."""
    shown = pool.problem if pool.state is not PoolState.WAITING else ""
    problem = printable(shown, _LONGEST_PROBLEM)
    row = _row("pool", _pool_text(pool, problem, one_of=one_of))
    if not problem or len(row) <= width or width < _NARROW:
        return [row]
    indent = " " * (_LABEL_WIDTH + 1)
    below = textwrap.wrap(
        problem, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
    return [_row("pool", _pool_text(pool, "", one_of=one_of)), *below]


def _pool_text(pool: PoolStats, problem: str, *, one_of: int) -> str:
    parts = [f"{pool.name} {pool.url}"]
    shows_role = pool.role and (one_of > 1 or pool.role is PoolRole.DISABLED)
    if pool.state is not PoolState.MINING or not shows_role:
        parts.append(str(pool.state))
    if shows_role:
        parts.append(_role_text(pool))
    if problem:
        parts.append(problem)
    if pool.difficulty is not None:
        parts.append(f"difficulty {scaled(pool.difficulty)}")
    if pool.height is not None:
        parts.append(f"height {pool.height}")
    if pool.round_trip is not None:
        parts.append(f"reply in {1000 * pool.round_trip:.0f} ms")
    return " · ".join(parts)


def _metered(power: Metered) -> str:
    """Return watts with their source, where that is not the device itself, and their age."""
    words = "" if power.source is Source.DRIVER else f" ({power.source})"
    age = f", {duration(power.age)} ago" if power.age > _AGED else ""
    return f"{power.watts:.1f} W{words}{age}"


def _detail(value: object) -> str:
    """Return a detail in short; empty for nothing ("missing 0") and for what is no single value."""
    match value:
        case float():
            return f"{value:.4g}" if value else ""
        case dict() | list() | tuple():
            return ""
    return printable(value, 40) if value else ""


def _allowed(limit: Limit) -> list[str]:
    """Return what a device that may run may take at most."""
    watts = [] if limit.watts is None else [f"at most {limit.watts:.1f} W"]
    mhz = [] if limit.mhz is None else [f"at most {limit.mhz:.0f} MHz"]
    return [*watts, *mhz] if limit.run else []


def _device_text(device: NamedDevice) -> str:
    stats = device.stats
    parts = [scaled(stats.claimed_hashrate, "H/s")]
    if stats.state is not DeviceState.MINING:
        parts = [f"{stats.state}{': ' if stats.reason else ''}{printable(stats.reason, 100)}"]
    parts.append(f"{device.counts.solutions} solutions")
    parts.append(f"{stats.hardware_errors} errors")
    if stats.temperature is not None:
        parts.append(f"{stats.temperature:.0f} °C")
    if device.power:
        parts.append(_metered(device.power))
    elif stats.power is not None:
        parts.append(f"{stats.power:.1f} W")
    if stats.frequency_mhz is not None:
        parts.append(f"{stats.frequency_mhz:.0f} MHz")
    parts += _allowed(device.decision.limit)
    if device.tuning:
        parts.append(f"tuner {device.tuning.phase}: {printable(device.tuning.text, 100)}")
    parts += [f"{name} {text}" for name, value in stats.details.items() if (text := _detail(value))]
    return " · ".join(parts)
