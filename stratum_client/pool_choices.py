"""What users have chosen about pools, as a text that outlives the daemon; pure.

One JSON object: ``format`` (1), ``use`` (a pool's name, or null for automatic) and ``disabled`` (a
list of names).
"""

import json
from dataclasses import dataclass

FORMAT = 1
MAX_NAMES = 256
_LONGEST = 64


class ChoicesFileError(ValueError):
    """A text is no record of choices, or not of a format known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolChoices:
    """The pool to be used alone, if any, and those that take no part."""

    use: str | None = None
    disabled: frozenset[str] = frozenset()


def text_of(choices: PoolChoices) -> bytes:
    """Return ``choices`` as the content of a file."""
    document = {
        "format": FORMAT,
        "use": choices.use,
        "disabled": sorted(choices.disabled)[:MAX_NAMES],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def choices_in(data: bytes) -> PoolChoices:
    """Return the choices in a file's content; raise ChoicesFileError."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ChoicesFileError("not JSON") from error
    match document:
        case {"format": int(number), "use": use, "disabled": list(names)} if number is not True:
            if number != FORMAT:
                raise ChoicesFileError(f"format {number} is not known here, only {FORMAT}")
            if len(names) > MAX_NAMES:
                raise ChoicesFileError(f"more than {MAX_NAMES} names")
            disabled = frozenset(_name(name) for name in names)
            return PoolChoices(use=None if use is None else _name(use), disabled=disabled)
    raise ChoicesFileError("no record of choices")


def _name(value: object) -> str:
    if isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable():
        return value
    raise ChoicesFileError("what should be a pool's name is none")
