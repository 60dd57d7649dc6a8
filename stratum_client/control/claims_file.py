"""Claims as a text that outlives the daemon; pure.

One JSON object: ``format`` (1) and ``claims``, each with ``level``, ``issuer``, ``device`` (empty:
all), ``run``, ``watts``, ``mhz``, ``rig_watts``, ``share``, ``eco``, ``cause``, ``remark``,
``since`` and ``until`` (seconds since 1970, UTC, or null). ``rig_watts``, ``share`` and ``eco`` may
be left out.
"""

import json
import math
from collections.abc import Mapping

from stratum_client.control.claims import Claim, Claims, Level, Limit

FORMAT = 1
MAX_CLAIMS = 256
_LONGEST = 1000
_LARGEST = 32_503_680_000.0  # the year 3000, and more watts than anybody has
_LEVELS = {str(level): level for level in Level}


class ClaimsFileError(ValueError):
    """A text is no record of claims, or not of a format known here."""


def text_of(claims: Claims) -> bytes:
    """Return ``claims`` as the content of a file."""
    rows = [_row(claim) for claim in claims.claims]
    return json.dumps({"format": FORMAT, "claims": rows}, indent=1).encode() + b"\n"


def claims_in(data: bytes) -> Claims:
    """Return the claims in a file's content; raise ClaimsFileError, for nothing is guessed."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ClaimsFileError("not JSON") from error
    match document:
        case {"format": int(number), "claims": list(rows)} if number is not True:
            if number != FORMAT:
                raise ClaimsFileError(f"format {number} is not known here, only {FORMAT}")
            if len(rows) > MAX_CLAIMS:
                raise ClaimsFileError(f"more than {MAX_CLAIMS} claims")
            claims = Claims()
            for row in rows:
                claims = claims.stated(_claim(row))
            return claims
    raise ClaimsFileError("no record of claims")


def _row(claim: Claim) -> Mapping[str, object]:
    limit = claim.limit
    return {
        "level": str(claim.level),
        "issuer": claim.issuer,
        "device": claim.device,
        "run": limit.run,
        "watts": limit.watts,
        "mhz": limit.mhz,
        "rig_watts": limit.rig_watts,
        "share": limit.share,
        "eco": limit.eco,
        "cause": claim.cause,
        "remark": claim.remark,
        "since": claim.since,
        "until": claim.until,
    }


def _claim(row: object) -> Claim:
    match row:
        case {
            "level": str(level),
            "issuer": str(issuer),
            "device": str(device),
            "run": bool(run),
            "watts": watts,
            "mhz": mhz,
            "cause": str(cause),
            "remark": str(remark),
            "since": since,
            "until": until,
            **more,
        } if level in _LEVELS and all(map(_is_plain, (issuer, device, cause, remark))):
            start = _number(since)
            if start is None:
                raise ClaimsFileError("a claim without a beginning")
            return Claim(
                level=_LEVELS[level],
                issuer=issuer,
                device=device,
                limit=Limit(
                    run=run,
                    watts=_number(watts),
                    mhz=_number(mhz),
                    rig_watts=_number(more.get("rig_watts")),
                    share=_number(more.get("share")),
                    eco=_flag(more.get("eco", False)),
                ),
                cause=cause,
                remark=remark,
                since=start,
                until=_number(until),
            )
    raise ClaimsFileError("a claim that lacks a field or has one of the wrong kind")


def _is_plain(text: str) -> bool:
    return text.isprintable() and len(text) <= _LONGEST


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ClaimsFileError("a flag that is neither true nor false")


def _number(value: object) -> float | None:
    match value:
        case None:
            return None
        case bool():
            pass
        case int() | float() if math.isfinite(value) and 0 <= value <= _LARGEST:
            return float(value)
    raise ClaimsFileError("a number that is none, or out of bounds")
