"""How each known pool words and shapes its refusals.

Source: as in known_pools.py.
"""

from collections.abc import Mapping
from types import MappingProxyType

from stratum_client.emulated_pool.problems import Problem, Refusal, Shape


def _refusals(
    texts: Mapping[Problem, tuple[int, str]],
    *,
    shape: Shape = Shape.LIST,
    result: bool | None = None,
) -> dict[Problem, Refusal]:
    return {
        problem: Refusal(code=code, text=text, shape=shape, result=result)
        for problem, (code, text) in texts.items()
    }


_PLAIN_TEXTS: Mapping[Problem, tuple[int, str]] = {
    Problem.NOT_SUBSCRIBED: (25, "Not subscribed"),
    Problem.NOT_AUTHORIZED: (24, "Unauthorized worker"),
    Problem.PARAMETER_COUNT: (20, "Wrong number of parameters"),
    Problem.WRONG_WORKER: (24, "Unauthorized worker"),
    Problem.BAD_EXTRANONCE2: (20, "Invalid extranonce2"),
    Problem.BAD_NTIME: (20, "Invalid ntime"),
    Problem.BAD_NONCE: (20, "Invalid nonce"),
    Problem.BAD_VERSION_BITS: (20, "Invalid version bits"),
    Problem.UNKNOWN_JOB: (21, "Job not found"),
    Problem.STALE_JOB: (21, "Stale share"),
    Problem.NTIME_TOO_OLD: (20, "Ntime out of range"),
    Problem.NTIME_TOO_NEW: (20, "Ntime out of range"),
    Problem.EXTRANONCE2_SIZE: (20, "Incorrect size of extranonce2"),
    Problem.VERSION_BITS_OUTSIDE_MASK: (20, "Version bits outside the mask"),
    Problem.VERSION_BITS_MISSING: (20, "Version bits missing"),
    Problem.ABOVE_TARGET: (23, "Low difficulty share"),
    Problem.DUPLICATE: (22, "Duplicate share"),
    Problem.STORM: (20, "Other/Unknown"),
    Problem.UNKNOWN_METHOD: (-3, "Method not found"),
    Problem.UNKNOWN_USER: (24, "Unauthorized worker"),
    Problem.EARLY_AUTHORIZE: (25, "Not subscribed"),
    Problem.BAD_REQUEST: (20, "Bad request"),
}

_CKPOOL_FORMAT_TEXTS: Mapping[Problem, tuple[int, str]] = {
    Problem.PARAMETER_COUNT: (20, "Invalid array size"),
    Problem.BAD_EXTRANONCE2: (20, "No nonce2"),
    Problem.BAD_NTIME: (20, "No ntime"),
    Problem.BAD_NONCE: (20, "No nonce"),
    Problem.BAD_VERSION_BITS: (20, "Invalid version mask"),
    Problem.WRONG_WORKER: (20, "Worker mismatch"),
    Problem.VERSION_BITS_OUTSIDE_MASK: (20, "Invalid version mask"),
    Problem.VERSION_BITS_MISSING: (20, "Invalid version mask"),
}

_CKPOOL_SHARE_TEXTS: Mapping[Problem, tuple[int, str]] = {
    Problem.UNKNOWN_JOB: (21, "Invalid JobID"),
    Problem.STALE_JOB: (21, "Stale"),
    Problem.NTIME_TOO_OLD: (20, "Ntime out of range"),
    Problem.NTIME_TOO_NEW: (20, "Ntime out of range"),
    Problem.EXTRANONCE2_SIZE: (20, "Invalid nonce2 length"),
    Problem.ABOVE_TARGET: (23, "Above target"),
    Problem.DUPLICATE: (22, "Duplicate"),
}

CKPOOL_REFUSALS: Mapping[Problem, Refusal] = {
    **_refusals(_PLAIN_TEXTS),
    **_refusals(_CKPOOL_FORMAT_TEXTS, result=False),
    **_refusals(_CKPOOL_SHARE_TEXTS, result=False),
    Problem.UNKNOWN_USER: Refusal(code=20, text="", shape=Shape.FALSE),
    Problem.EARLY_AUTHORIZE: Refusal(
        code=20, text="Failed subscription", shape=Shape.TEXT, result=False
    ),
}

PUBLIC_POOL_REFUSALS: Mapping[Problem, Refusal] = {
    **_refusals(_PLAIN_TEXTS, shape=Shape.LIST_WITH_TEXT),
    **_refusals(
        {
            Problem.UNKNOWN_JOB: (21, "Job not found"),
            Problem.STALE_JOB: (21, "Job not found"),
            Problem.ABOVE_TARGET: (23, "Difficulty too low"),
            Problem.UNKNOWN_USER: (20, "Authorization validation error"),
        },
        shape=Shape.LIST_WITH_TEXT,
    ),
    **_refusals(
        {Problem.PARAMETER_COUNT: (20, "Mining Submit validation error")},
        shape=Shape.LIST_WITH_PARAMS,
    ),
}

CKPOOL_2017_REFUSALS: Mapping[Problem, Refusal] = {
    **CKPOOL_REFUSALS,
    **_refusals(_CKPOOL_FORMAT_TEXTS, shape=Shape.TEXT, result=False),
    **_refusals(_CKPOOL_SHARE_TEXTS, shape=Shape.REJECT_REASON, result=False),
}

_OCEAN_TEXTS: Mapping[Problem, tuple[int, str]] = {
    Problem.UNKNOWN_JOB: (20, "unknown-work"),
    Problem.STALE_JOB: (21, "stale-prevblk"),
    Problem.NTIME_TOO_OLD: (21, "time-too-old"),
    Problem.NTIME_TOO_NEW: (21, "time-too-new"),
    Problem.DUPLICATE: (22, "duplicate"),
    Problem.ABOVE_TARGET: (23, "high-hash"),
    Problem.VERSION_BITS_OUTSIDE_MASK: (23, "bad-version"),
    Problem.VERSION_BITS_MISSING: (23, "bad-version"),
    Problem.BAD_VERSION_BITS: (23, "bad-version"),
}

_BTCCOM_TEXTS: Mapping[Problem, tuple[int, str]] = {
    Problem.PARAMETER_COUNT: (27, "Illegal params"),
    Problem.BAD_EXTRANONCE2: (27, "Illegal params"),
    Problem.BAD_NTIME: (27, "Illegal params"),
    Problem.BAD_NONCE: (27, "Illegal params"),
    Problem.BAD_VERSION_BITS: (27, "Illegal params"),
    Problem.EXTRANONCE2_SIZE: (27, "Illegal params"),
    Problem.BAD_REQUEST: (27, "Illegal params"),
    Problem.UNKNOWN_METHOD: (26, "Illegal method"),
    Problem.UNKNOWN_USER: (29, "Illegal username"),
    Problem.NTIME_TOO_OLD: (31, "Time too old"),
    Problem.NTIME_TOO_NEW: (32, "Time too new"),
    Problem.VERSION_BITS_OUTSIDE_MASK: (33, "Invalid version mask"),
    Problem.UNKNOWN_JOB: (36, "Job not found"),
    Problem.STALE_JOB: (37, "Stale share"),
    Problem.ABOVE_TARGET: (23, "Low difficulty"),
}


PLAIN_REFUSALS: Mapping[Problem, Refusal] = MappingProxyType(_refusals(_PLAIN_TEXTS))
OCEAN_REFUSALS: Mapping[Problem, Refusal] = MappingProxyType(
    {**PLAIN_REFUSALS, **_refusals(_OCEAN_TEXTS)}
)
BTCCOM_REFUSALS: Mapping[Problem, Refusal] = MappingProxyType(
    {**PLAIN_REFUSALS, **_refusals(_BTCCOM_TEXTS)}
)
