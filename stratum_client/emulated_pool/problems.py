"""What can be wrong with a share or a request, how it is counted, and how it is worded."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from stratum_client.emulated_pool.tally import Fate


class Problem(Enum):
    """One kind of mistake on the client's side, or a fault that pretends one."""

    NOT_SUBSCRIBED = auto()
    NOT_AUTHORIZED = auto()
    PARAMETER_COUNT = auto()
    WRONG_WORKER = auto()
    BAD_EXTRANONCE2 = auto()
    BAD_NTIME = auto()
    BAD_NONCE = auto()
    BAD_VERSION_BITS = auto()
    UNKNOWN_JOB = auto()
    STALE_JOB = auto()
    NTIME_TOO_OLD = auto()
    NTIME_TOO_NEW = auto()
    EXTRANONCE2_SIZE = auto()
    VERSION_BITS_OUTSIDE_MASK = auto()
    VERSION_BITS_MISSING = auto()
    ABOVE_TARGET = auto()
    DUPLICATE = auto()
    STORM = auto()  # a fault: every share is refused
    UNKNOWN_METHOD = auto()
    UNKNOWN_USER = auto()
    EARLY_AUTHORIZE = auto()  # authorize before subscribe
    BAD_REQUEST = auto()


FATES: Mapping[Problem, Fate] = {
    Problem.NOT_SUBSCRIBED: Fate.UNAUTHORIZED,
    Problem.NOT_AUTHORIZED: Fate.UNAUTHORIZED,
    Problem.WRONG_WORKER: Fate.UNAUTHORIZED,
    Problem.UNKNOWN_JOB: Fate.STALE,
    Problem.STALE_JOB: Fate.STALE,
    Problem.ABOVE_TARGET: Fate.LOW_DIFFICULTY,
    Problem.DUPLICATE: Fate.DUPLICATE,
}
"""How a refused share is counted; what is not named here is invalid."""


class Shape(StrEnum):
    """How a refusal is written on the wire."""

    LIST = "list"  # "error": [code, text, null]
    LIST_WITH_TEXT = "list-with-text"  # "error": [code, text, ""]
    LIST_WITH_PARAMS = "list-with-params"  # "error": [code, text, ", PARAMETERS, undefined"]
    TEXT = "text"  # "error": text
    OBJECT = "object"  # "error": {"code", "message", "data"}
    REJECT_REASON = "reject-reason"  # "error": null, "reject-reason": text
    FALSE = "false"  # "error": null and nothing else


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One refusal; ``result`` is what stands beside it: null or false."""

    code: int
    text: str
    shape: Shape = Shape.LIST
    result: bool | None = None


def members_of(refusal: Refusal, params: list[object]) -> dict[str, object]:
    """Return the members of a reply that refuses a request with ``params``; `id` is missing."""
    error: object = None
    match refusal.shape:
        case Shape.LIST:
            error = [refusal.code, refusal.text, None]
        case Shape.LIST_WITH_TEXT:
            error = [refusal.code, refusal.text, ""]
        case Shape.LIST_WITH_PARAMS:
            given = ",".join(str(param) for param in params)
            error = [refusal.code, refusal.text, f", {given}, undefined"]
        case Shape.TEXT:
            error = refusal.text
        case Shape.OBJECT:
            error = {"code": refusal.code, "message": refusal.text, "data": None}
        case Shape.REJECT_REASON:
            return {"result": refusal.result, "error": None, "reject-reason": refusal.text}
        case Shape.FALSE:
            return {"result": False, "error": None}
    return {"result": refusal.result, "error": error}
