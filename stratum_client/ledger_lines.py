"""Lines of the share ledger: JSON objects that carry their own check, in and out of bytes.

A line is one JSON object in ASCII whose last member is ``crc``: eight hex digits, the CRC-32 of all
bytes of the line before the comma in front of it. So any JSON tool reads the file, and a line that
was torn, overwritten or edited is recognised by itself; lines before and after it stay good.
Pure: what a line means is said in `ledger_records`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

MAX_LINE = 1 << 22
"""Bytes; the largest record is a block with a coinbase of up to a megabyte, in hex."""

_CHECK = re.compile(rb',"crc":"([0-9a-f]{8})"}')
_CHECK_SIZE = len(b',"crc":"00000000"}')

Fields = Mapping[str, object]


def line_of(fields: Fields) -> bytes:
    """Return ``fields``, which must not be empty, as a line with its line end."""
    body = json.dumps(fields, separators=(",", ":"), allow_nan=False)[:-1].encode("ascii")
    return b'%b,"crc":"%08x"}\n' % (body, crc32(body))


def fields_of(line: bytes) -> Fields | None:
    """Return what a line without its line end says; None if it is not as it was written."""
    body, check = line[:-_CHECK_SIZE], _CHECK.fullmatch(line[-_CHECK_SIZE:])
    if not check or int(check[1], 16) != crc32(body) or len(line) > MAX_LINE:
        return None
    try:
        fields = json.loads(body + b"}")
    except (ValueError, RecursionError):  # a check that fits by chance
        return None
    return fields if isinstance(fields, dict) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLine:
    """One line of a file: ``number`` counts from 1; ``fields`` is None when it is damaged."""

    number: int
    fields: Fields | None


class LineReader:
    """Cuts a file's bytes into lines, however they come; memory is bounded."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._number = 0
        self._skipping = False

    @property
    def unfinished(self) -> bool:
        """Return whether the last line has no end: it is being written, or was torn."""
        return bool(self._rest) or self._skipping

    def receive_data(self, data: bytes) -> list[ReadLine]:
        """Return the lines that ``data`` completes; an empty one says nothing and is left out."""
        self._rest += data
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        read = [self._read(line) for line in lines]
        if len(self._rest) > MAX_LINE:
            self._rest.clear()
            self._skipping = True
        return [line for line in read if line]

    def _read(self, line: bytes) -> ReadLine | None:
        self._number += 1
        skipped, self._skipping = self._skipping, False
        if skipped:
            return ReadLine(number=self._number, fields=None)
        return ReadLine(number=self._number, fields=fields_of(line)) if line else None
