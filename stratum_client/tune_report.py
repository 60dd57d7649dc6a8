"""What the `tune` request tells of one device; pure."""

from collections.abc import Sequence

from stratum_client.control import tuning_trend
from stratum_client.control.tuner import BoardTuner
from stratum_client.control.tuning_evidence import Estimate
from stratum_client.control.tuning_profile import Bar
from stratum_client.control.tuning_trend import Span
from stratum_client.control.tuning_views import Advice
from stratum_client.log_lines import utc

RECENT = 14
"""Spans of the trend that are told."""


def row_of(
    tuner: BoardTuner, advice: Advice, trend: Sequence[Span], last_step: str, wall: float
) -> dict[str, object]:
    """Return what a tuner knows, what it is at and what comes next."""
    profile = tuner.profile
    return {
        "goal": str(tuner.settings.goal),
        "phase": str(advice.phase),
        "text": advice.text,
        "plan": advice.plan,
        "wait_seconds": advice.wait,
        "limit": str(advice.limit),
        "steps": [str(step) for step in advice.steps],
        "last_step": last_step,
        "best_mhz": profile.mhz if profile.goal is tuner.settings.goal else None,
        "explored_at": utc(profile.explored_at) if profile.explored_at else None,
        "speeds": list(tuner.ladder),
        "estimates": [_estimate(one) for one in profile.estimates],
        "failures": [_bar(bar) for bar in profile.bars if wall < bar.until],
        "ageing": tuning_trend.change(trend),
        "trend": [_span(span) for span in trend[-RECENT:]],
    }


def _estimate(one: Estimate) -> dict[str, object]:
    return {
        "mhz": one.mhz,
        "hashrate": one.hashrate,
        "watts": one.watts,
        "joules_per_terahash": one.joules_per_terahash,
        "error_ratio": one.error_ratio,
        "uncertainty_ratio": one.uncertainty,
        "nonces": one.nonces,
        "is_modelled": one.is_modelled,
        "at": utc(one.at),
    }


def _bar(bar: Bar) -> dict[str, object]:
    return {
        "mhz": bar.mhz,
        "reason": bar.why,
        "at": utc(bar.at),
        "until": utc(bar.until),
        "times": bar.times,
    }


def _span(span: Span) -> dict[str, object]:
    return {
        "first": utc(span.first * 86_400.0)[:10],
        "last": utc(span.last * 86_400.0)[:10],
        "mhz": round(span.mhz, 1),
        "nonces": span.nonces,
        "error_ratio": span.error_ratio,
        "chip_error_ratios": [bad / max(good + bad, 1) for good, bad in span.chips],
    }
