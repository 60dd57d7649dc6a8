"""Lines of the energy ledger, each holding on to the one before it; pure.

A line is one JSON object in ASCII, keys in order, nothing between them: ``seq`` counts lines from
1, ``prev`` is the ``sha256`` of the line before (64 zeros for the first), and ``sha256`` stands
last: the SHA-256 of everything in the line before the comma in front of it. So each line proves
itself and, by ``prev``, all lines before it; whoever knows the newest digest can tell any change of
any of them. ``head`` files and checkpoints are such lines too.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

FIRST = "0" * 64
"""What the first line holds on to."""

MAX_LINE = 1 << 20

_DIGEST = re.compile(rb',"sha256":"([0-9a-f]{64})"}')
_DIGEST_SIZE = len(b',"sha256":""}') + 64

SEALED = "stratum-client energy ledger 1\n{seq} {digest}\n"
"""What a signature is of: the number and the digest of a line, and so of all lines before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainedLine:
    """A line that is as it was written."""

    seq: int
    prev: str
    digest: str
    fields: Mapping[str, object]


def chained(fields: Mapping[str, object], *, seq: int, prev: str) -> tuple[bytes, ChainedLine]:
    """Return ``fields`` as a line with its line end, and what it says."""
    whole = {**fields, "seq": seq, "prev": prev}
    body = canonical(whole)[:-1]
    digest = sha256(body).hexdigest()
    line = b'%b,"sha256":"%b"}\n' % (body, digest.encode())
    return line, ChainedLine(seq=seq, prev=prev, digest=digest, fields=whole)


def line_in(line: bytes) -> ChainedLine | None:
    """Return what a line without its line end says; None if it is not as it was written."""
    body, digest = line[:-_DIGEST_SIZE], _DIGEST.fullmatch(line[-_DIGEST_SIZE:])
    if not digest or len(line) > MAX_LINE or sha256(body).hexdigest().encode() != digest[1]:
        return None
    try:
        fields = json.loads(body + b"}")
        is_canonical = isinstance(fields, dict) and canonical(fields)[:-1] == body
    except (ValueError, RecursionError):
        return None
    match fields:
        case {"seq": int(seq), "prev": str(prev)} if is_canonical:
            return ChainedLine(seq=seq, prev=prev, digest=digest[1].decode(), fields=fields)
    return None


def canonical(fields: Mapping[str, object]) -> bytes:
    """Return the one way in which ``fields`` are written."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def sealed(seq: int, digest: str) -> bytes:
    """Return what a signature of a line, and of all before it, is made of."""
    return SEALED.format(seq=seq, digest=digest).encode()
