"""What stands around the options of --help, as wide as the terminal."""

import argparse

import pytest

from stratum_client.help_text import ParagraphFormatter

NOTES = """\
A paragraph that was written for a wide terminal is filled anew for the one that there is, word by
word.

  a table     stays as it is, however long its lines are, since nobody can guess its columns
  of two      columns
"""


@pytest.mark.parametrize("columns", [50, 80, 120])
def test_paragraphs_fit_the_terminal_and_tables_stay(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    parser = argparse.ArgumentParser(
        prog="p", epilog=NOTES, formatter_class=ParagraphFormatter, add_help=False
    )

    text = parser.format_help()

    table = NOTES.split("\n\n")[1].rstrip()
    paragraph = text.removeprefix("usage: p\n\n").removesuffix(f"\n\n{table}\n")
    assert paragraph.split() == NOTES.split("\n\n", maxsplit=1)[0].split()
    assert max(map(len, paragraph.splitlines())) <= columns - 2
    assert len(paragraph.splitlines()) == {50: 3, 80: 2, 120: 1}[columns]
