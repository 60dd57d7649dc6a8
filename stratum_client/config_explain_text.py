"""Explanations of keys as `config explain` prints them; pure."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

from stratum_client.config_explain import Explanation

_DEFAULT_WIDTH = 12


def whole_lines(one: Explanation, width: int) -> Iterator[str]:
    """Return all there is to say of one key."""
    yield one.name
    yield from _filled(one.does, width)
    yield ""
    yield f"  takes     {one.takes}"
    yield f"  default   {one.default}"
    yield f"  example   {one.example}"
    yield f"  variable  {one.variable}"
    yield f"  a change  takes {'a restart' if one.change == 'restart' else one.change}"


def table_lines(found: Sequence[Explanation], width: int) -> Iterator[str]:
    """Return a key a row; what is said of several together stands above them, once and whole."""
    name_width = max(len(one.name) for one in found)
    for does, keys in groupby(found, key=lambda one: one.does):
        together = list(keys)
        if len(together) > 1:
            yield ""
            yield from _filled(does, width)
        for one in together:
            text = f"takes {one.takes}" if len(together) > 1 else _first_sentence(does)
            row = f"{one.name:<{name_width}}  {one.default:<{_DEFAULT_WIDTH}}  "
            yield from _hanging(row, text, width)
        if len(together) > 1:
            yield ""


def _hanging(row: str, text: str, width: int) -> list[str]:
    """Return a row whose last cell goes on below itself, where it has room to do so."""
    if width - len(row) < 24:
        return [row + text]
    return textwrap.wrap(
        text, width, initial_indent=row, subsequent_indent=" " * len(row), break_long_words=False
    )


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".")


def _filled(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )
