"""Lines that no pool should send, and difficulties that mean nothing."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


def junk(kind: str, random: "Random") -> bytes:
    """Return the bytes of `JUNK` entry ``kind``, line end included where there is one."""
    return JUNK[kind](random)


def odd_difficulty(kind: str, current: float) -> bytes:
    """Return a whole `mining.set_difficulty` line with `DIFFICULTIES` entry ``kind``.

    ``current`` is the difficulty in force, for the one kind that is odd but right.
    """
    params = DIFFICULTIES[kind].replace(b"CURRENT", repr(current).encode())
    return _notification(b"mining.set_difficulty", params)


def _notification(method: bytes, params: bytes) -> bytes:
    return b'{"id":null,"method":"' + method + b'","params":' + params + b"}\n"


def _garbage(random: "Random") -> bytes:
    return random.randbytes(200).replace(b"\n", b"?") + b"\n"


JUNK: Mapping[str, Callable[["Random"], bytes]] = MappingProxyType(
    {
        "garbage": _garbage,
        "text": lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n",
        "not-utf-8": lambda _: _notification(b"client.show_message", b'["\xff\xfe\x80"]'),
        "nul-bytes": lambda _: bytes(64) + b"\n",
        "deep-json": lambda _: b"[" * 100_000 + b"]" * 100_000 + b"\n",
        "deep-open-json": lambda _: b"[" * 100_000 + b"\n",
        "huge-integer": lambda _: b'{"id":' + b"7" * 5_000 + b',"result":true,"error":null}\n',
        "duplicate-keys": lambda _: (
            b'{"id":null,"method":"mining.set_difficulty","params":[1],"params":[1000000]}\n'
        ),
        "array": lambda _: b"[1,2,3]\n",
        "number": lambda _: b"42\n",
        "null": lambda _: b"null\n",
        "empty-object": lambda _: b"{}\n",
        "half-json": lambda _: b'{"id":null,"method":"mining.notify","par\n',
        "method-number": lambda _: b'{"id":null,"method":7,"params":[]}\n',
        "params-object": lambda _: _notification(b"mining.notify", b'{"job_id":"1"}'),
        "params-missing": lambda _: b'{"id":null,"method":"mining.notify"}\n',
        "orphan-reply": lambda _: b'{"id":987654321,"result":true,"error":null}\n',
        "orphan-error": lambda _: b'{"id":null,"result":null,"error":[20,"Other",null]}\n',
        "unknown-method": lambda _: _notification(b"mining.hashrate", b"[1]"),
        "blank-lines": lambda _: b"\n\r\n   \n",
    }
)
"""Each kind of junk; what it is made from is a source of chance."""

DIFFICULTIES: Mapping[str, bytes] = MappingProxyType(
    {
        "zero": b"[0]",
        "negative": b"[-1]",
        "nan": b"[NaN]",
        "infinity": b"[Infinity]",
        "too-large": b"[1e400]",
        "digits-400": b"[" + b"9" * 400 + b"]",
        "digits-5000": b"[" + b"9" * 5_000 + b"]",
        "tiny": b"[1e-320]",
        "true": b"[true]",
        "null": b"[null]",
        "word": b'["high"]',
        "number-as-text": b'["CURRENT"]',
        "object": b"[{}]",
        "missing": b"[]",
        "not-a-list": b"5",
    }
)
"""The parameters of a `mining.set_difficulty` that changes nothing for a careful client."""
