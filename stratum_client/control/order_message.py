"""A message with an order to curtail, and who signed it; pure.

Two lines: the order, a JSON object, and KEY SIGNATURE::

    {"number": 17, "site": "ekibastuz", "to": "all", "action": "idle", "issued": 1800000000, ...}
    grid 5f0c...

KEY is a name, SIGNATURE lower-case hexadecimal digits over `SIGNED_PREFIX` and all bytes of the
first line without its end: HMAC-SHA256 (64 digits) or Ed25519 (128 digits). No byte of the message
is free to be another, but for one newline that may stand at its end. docs/curtailment.md has the
fields.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SIGNED_PREFIX = b"stratum-client order 1\n"

MAX_MESSAGE = 4096
MAX_NUMBER = 2**53 - 1

_LARGEST_TIME = 32_503_680_000.0  # the year 3000
_LARGEST_WATTS = 1e9
_LONGEST_TEXT = 200
_LAST_LINE = re.compile(rb"([A-Za-z0-9][A-Za-z0-9._-]{0,62}) ((?:[0-9a-f]{2}){32,64})")
_NEEDED = {"number", "site", "to", "action", "issued", "expires"}
_KNOWN = _NEEDED | {"value", "reason"}


class Action(StrEnum):
    """What is ordered."""

    IDLE = "idle"
    WATTS = "watts"
    PERCENT = "percent"
    RELEASE = "release"


class Refusal(StrEnum):
    """Why an order is not obeyed."""

    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown-key"
    FORGED = "forged"
    NOT_ALLOWED = "not-allowed"
    WRONG_TARGET = "wrong-target"
    REPLAYED = "replayed"
    FROM_THE_FUTURE = "from-the-future"
    EXPIRED = "expired"


class RefusedOrderError(Exception):
    """An order is not obeyed; ``order`` is None unless its signature is right."""

    def __init__(self, why: Refusal, problem: str, order: "CurtailOrder | None" = None) -> None:
        super().__init__(problem)
        self.why = why
        self.problem = problem
        self.order = order


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Who may order what; ``verify`` is given the signed bytes and the signature."""

    name: str
    may: frozenset[Action] = frozenset(Action)
    verify: Callable[[bytes, bytes], bool] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurtailOrder:
    """One order; ``value`` in watts or percent, times in seconds since 1970.

    ``digest`` (64 hexadecimal digits) tells this message from all others.
    """

    key: str
    number: int
    site: str
    target: str
    action: Action
    value: float | None
    issued: float
    expires: float | None
    reason: str
    digest: str


def order_in(message: bytes, keys: Mapping[str, Key]) -> CurtailOrder:
    """Return the order in ``message``; raise RefusedOrderError.

    Nothing of the order is looked at before its signature is right.
    """
    if len(message) > MAX_MESSAGE:
        raise _malformed(f"it is longer than {MAX_MESSAGE} bytes")
    text, _, last = message.removesuffix(b"\n").partition(b"\n")
    signed_by = re.fullmatch(_LAST_LINE, last)
    if not signed_by:
        raise _malformed("it is not an order and a line with key and signature")
    name = signed_by[1].decode()
    key = keys.get(name)
    if key is None:
        raise RefusedOrderError(Refusal.UNKNOWN_KEY, f"no key is called {name}")
    if not key.verify(SIGNED_PREFIX + text, bytes.fromhex(signed_by[2].decode())):
        raise RefusedOrderError(Refusal.FORGED, f"it is not signed by {name}")
    try:
        order = _order(text, name, hashlib.sha256(text + b"\n" + last).hexdigest())
    except ValueError as error:
        raise _malformed(str(error)) from error
    if order.action not in key.may:
        problem = f"{name} may not order {order.action}"
        raise RefusedOrderError(Refusal.NOT_ALLOWED, problem, order)
    return order


def signed_order(fields: Mapping[str, object], key: str, sign: Callable[[bytes], bytes]) -> bytes:
    """Return the message of an order with these keys; raise ValueError if it would be refused.

    ``sign`` is given the signed bytes and returns the signature.
    """
    text = json.dumps(fields, ensure_ascii=False).encode()
    last = f"{key} {sign(SIGNED_PREFIX + text).hex()}".encode()
    if not re.fullmatch(_LAST_LINE, last):
        raise ValueError("a key's name is made of letters, digits, -, _ and .")
    _order(text, key, "")
    message = text + b"\n" + last
    if len(message) > MAX_MESSAGE:
        raise ValueError(f"it is longer than {MAX_MESSAGE} bytes")
    return message


def _malformed(problem: str) -> RefusedOrderError:
    return RefusedOrderError(Refusal.MALFORMED, problem)


# --- the first line ---


def _order(text: bytes, key: str, digest: str) -> CurtailOrder:
    """Return the order in JSON; raise ValueError with what is wrong with it."""
    try:
        fields = json.loads(
            text.decode(), object_pairs_hook=_unambiguous, parse_constant=_no_number
        )
    except (ValueError, RecursionError) as error:
        raise ValueError("it is no JSON object with each key once") from error
    if not isinstance(fields, dict) or not _NEEDED <= fields.keys() <= _KNOWN:
        raise ValueError(f"it has not the keys {', '.join(sorted(_NEEDED))}, or others than known")
    issued, expires = _time(fields["issued"]), fields["expires"]
    if expires is not None and _time(expires) <= issued:
        raise ValueError("it expires before it is issued")
    action = _action(fields["action"])
    return CurtailOrder(
        key=key,
        number=_number(fields["number"]),
        site=_text(fields["site"], "site"),
        target=_text(fields["to"], "to"),
        action=action,
        value=_value(action, fields),
        issued=issued,
        expires=None if expires is None else _time(expires),
        reason=_text(fields.get("reason", ""), "reason", least=0).strip(),
        digest=digest,
    )


def _unambiguous(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key twice")
    return fields


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _action(value: object) -> Action:
    if isinstance(value, str) and value in set(Action):
        return Action(value)
    raise ValueError(f'"action" is none of {", ".join(Action)}')


def _number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_NUMBER:
        return value
    raise ValueError(f'"number" is no whole number from 1 to {MAX_NUMBER}')


def _text(value: object, name: str, *, least: int = 1) -> str:
    if isinstance(value, str) and value.isprintable() and least <= len(value) <= _LONGEST_TEXT:
        return value
    raise ValueError(f'"{name}" is no printable text of up to {_LONGEST_TEXT} characters')


def _time(value: object) -> float:
    if _is_within(value, 0, _LARGEST_TIME):
        return float(value)  # type: ignore[arg-type]  # seen to be a number
    raise ValueError("a time is no number of seconds since 1970")


def _value(action: Action, fields: Mapping[str, object]) -> float | None:
    if action in {Action.IDLE, Action.RELEASE}:
        if "value" in fields:
            raise ValueError(f'"value" is not for {action}')
        return None
    value, most = fields.get("value"), 100.0 if action is Action.PERCENT else _LARGEST_WATTS
    if not _is_within(value, 0, most) or not value:
        raise ValueError(f'"value" is no number of {action} above 0, up to {most:g}')
    return float(value)  # type: ignore[arg-type]  # seen to be a number


def _is_within(value: object, low: float, high: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and low <= value <= high  # type: ignore[operator]  # seen to be a number
