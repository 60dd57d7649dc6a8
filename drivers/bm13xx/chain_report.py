"""What is to be told of a chain of chips. Pure."""

from collections.abc import Sequence

from drivers.bm13xx.chain import Chain
from drivers.bm13xx.counters import ChipReport
from drivers.bm13xx.recovery import Watchdog


def degradation(chain: Chain, reports: Sequence[ChipReport]) -> str:
    """Return in words which chips do not mine; empty if all do."""
    parts = []
    silent = [report.chip for report in reports if report.silent]
    if chain.missing:
        parts.append(f"{chain.missing} of {chain.chips + chain.missing} chips did not answer")
    if silent:
        parts.append(f"{_named(silent)} of {chain.chips} silent")
    return f"degraded: {', '.join(parts)}" if parts else ""


def chain_details(
    chain: Chain, watchdog: Watchdog, reports: Sequence[ChipReport]
) -> dict[str, object]:
    """Return the details of a device's snapshot that concern its chips."""
    dropped = chain.dropped
    return {
        "chips": chain.chips,
        "chips_missing": chain.missing,
        "chips_silent": [report.chip for report in reports if report.silent],
        "degraded": bool(degradation(chain, reports)),
        "nonces": chain.nonces,
        "ticket_difficulty": chain.ticket_difficulty,
        "proven_hashrate": sum(report.proven for report in reports),
        "per_chip": [
            {
                "nonces": report.nonces,
                "errors": report.errors,
                "proven_hashrate": report.proven,
                "nominal_hashrate": report.nominal,
                "cores_seen": report.cores_seen,
            }
            for report in reports
        ],
        "line_errors": chain.reader.crc_errors,
        "dropped": {
            "stale": dropped.stale,
            "duplicate": dropped.duplicate,
            "unknown_slot": dropped.unknown_slot,
            "outside_mask": dropped.outside_mask,
        },
        "recovery": {stage.value: count for stage, count in watchdog.tried.items() if count},
    }


def _named(chips: Sequence[int]) -> str:
    word = "chip" if len(chips) == 1 else "chips"
    return f"{word} {', '.join(map(str, chips))}"
