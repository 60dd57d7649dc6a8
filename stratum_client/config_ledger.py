"""The settings of the share ledger."""

import re
from dataclasses import dataclass, field

from stratum_client.setting_kinds import Kind, NotAllowedError, read_as, seconds

_UNITS = {"KB": 1000, "MB": 1000**2, "GB": 1000**3}
_SMALLEST, _LARGEST = 1_000_000, 1_000_000_000_000

YEAR = 31_536_000.0


def _size(value: object) -> object:
    if isinstance(value, str) and (given := re.fullmatch("([0-9]{1,9}) ?([KMG]B)", value.strip())):
        size = int(given[1]) * _UNITS[given[2]]
        if _SMALLEST <= size <= _LARGEST:
            return size
    raise NotAllowedError


SIZE = Kind('a size from 1MB to 1000GB, as in "256MB"', _size)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerConfig:
    """How much of the share ledger is kept; ``max_size`` in bytes for all its files, ``keep`` in s.

    Block solutions are kept for ever, and do not count.
    """

    max_size: int = field(default=256_000_000, metadata=read_as(SIZE))
    keep: float = field(default=90 * 86_400.0, metadata=read_as(seconds(3600.0, 10 * YEAR)))
