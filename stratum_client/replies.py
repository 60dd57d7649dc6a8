"""What a pool's answers to configure, subscribe and submit mean.

Source: BIP 310; reply shapes and refusal texts as ckpool, public-pool, datum_gateway, BTC.com and
others send them.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from stratum_client.errors import PoolProtocolError
from stratum_client.wire import Failure, Reply, number_in

MAX_EXTRANONCE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What a subscribe reply grants; ``session_id`` is None where the pool names none."""

    extranonce1: bytes
    extranonce2_size: int
    session_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """What a configure reply grants; ``version_mask`` is None without version rolling."""

    version_mask: int | None = None
    minimum_difficulty: bool = False
    subscribe_extranonce: bool = False


def subscription_in(reply: Reply) -> Subscription:
    """Return what the pool granted; raise PoolProtocolError if that is not usable."""
    if not isinstance(reply.result, list) or len(reply.result) < 3:
        raise PoolProtocolError("the subscribe reply is not a list of three")
    pairs, extranonce1, size = reply.result[:3]
    return Subscription(
        extranonce1=extranonce1_in(extranonce1),
        extranonce2_size=extranonce2_size_in(size),
        session_id=_session_id(pairs),
    )


def extranonce1_in(value: object) -> bytes:
    """Return the bytes of an extranonce1 in hex; raise PoolProtocolError if it is none."""
    try:
        if isinstance(value, str) and not re.search(r"\s", value):
            extranonce1 = bytes.fromhex(value)
            if len(extranonce1) <= MAX_EXTRANONCE:
                return extranonce1
    except ValueError:
        pass
    raise PoolProtocolError(f"extranonce1 must be hex of at most {MAX_EXTRANONCE} bytes")


def extranonce2_size_in(value: object) -> int:
    """Return the size of extranonce2 in bytes; raise PoolProtocolError outside of 1 to 32."""
    size = number_in(value)
    if size is None or size != int(size) or not 1 <= size <= MAX_EXTRANONCE:
        raise PoolProtocolError(f"extranonce2 must have 1 to {MAX_EXTRANONCE} bytes")
    return int(size)


def extensions_in(reply: Reply, *, wanted_mask: int) -> Extensions:
    """Return what the pool granted of BIP 310; anything odd counts as not granted."""
    result = reply.result
    if reply.failure or not isinstance(result, dict):
        return Extensions()
    mask = mask_in(result.get("version-rolling.mask"))
    granted = result.get("version-rolling") is True and mask is not None
    return Extensions(
        version_mask=mask & wanted_mask if granted and mask is not None else None,
        minimum_difficulty=result.get("minimum-difficulty") is True,
        subscribe_extranonce=result.get("subscribe-extranonce") is True,
    )


def mask_in(value: object) -> int | None:
    """Return a version mask of up to 8 hex digits, ``0x`` allowed; None if it is none."""
    if not isinstance(value, str) or not re.fullmatch(r"(0[xX])?[0-9a-fA-F]{1,8}", value):
        return None
    return int(value, 16)


def _session_id(pairs: object) -> str | None:
    """Return the id that goes with mining.notify, from pairs in any order, or one flat pair."""
    if not isinstance(pairs, list):
        return None
    if len(pairs) == 2 and isinstance(pairs[0], str):
        pairs = [pairs]
    for pair in pairs:
        match pair:
            case ["mining.notify", str(name), *_] if 0 < len(name) <= 128 and name.isprintable():
                return name
    return None


class Refusal(StrEnum):
    """Why a pool refused a share."""

    STALE = "stale"
    DUPLICATE = "duplicate"
    LOW_DIFFICULTY = "low-difficulty"
    BAD_HASH = "bad-hash"
    BAD_VERSION = "bad-version"
    UNAUTHORIZED = "unauthorized"
    NOT_SUBSCRIBED = "not-subscribed"
    NTIME = "ntime"
    MALFORMED = "malformed"
    OTHER = "other"


def refusal_of(failure: Failure) -> Refusal:
    """Classify a refused share: by its text first, for one number means many things."""
    for pattern, refusal in _TEXTS:
        if pattern.search(failure.message):
            return refusal
    return _CODES.get(failure.code, Refusal.OTHER)


_TEXTS = tuple(
    (re.compile(pattern, re.IGNORECASE), refusal)
    for pattern, refusal in (
        (r"h-not-zero", Refusal.BAD_HASH),
        (r"version", Refusal.BAD_VERSION),
        (r"duplicate", Refusal.DUPLICATE),
        (r"n?time.*(old|new|out of range|invalid)|time-too|invalid ntime", Refusal.NTIME),
        (r"not.?subscribed|unsubscribed", Refusal.NOT_SUBSCRIBED),
        (r"worker mismatch|unauthori[sz]ed|not authori[sz]ed", Refusal.UNAUTHORIZED),
        (r"above.?target|low.?diff|difficulty too low|high.?hash", Refusal.LOW_DIFFICULTY),
        (r"stale|job.?not.?found|invalid.?job|unknown.?(work|job)|no such job", Refusal.STALE),
        (
            r"nonce2? length|no nonce|no job|array size|not an? array|params|hex|validation",
            Refusal.MALFORMED,
        ),
    )
)

# 26 to 37: BTC.com family.
_CODES: dict[int | None, Refusal] = {
    21: Refusal.STALE,
    22: Refusal.DUPLICATE,
    23: Refusal.LOW_DIFFICULTY,
    24: Refusal.UNAUTHORIZED,
    25: Refusal.NOT_SUBSCRIBED,
    26: Refusal.MALFORMED,
    27: Refusal.MALFORMED,
    29: Refusal.UNAUTHORIZED,
    31: Refusal.NTIME,
    32: Refusal.NTIME,
    33: Refusal.BAD_VERSION,
    36: Refusal.STALE,
    37: Refusal.STALE,
}
