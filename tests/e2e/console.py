"""The command line, called in the process of a test."""

import json
from typing import Any

import pytest

from stratum_client import cli


class Console:
    """The command line, called in this process; daemons run in their own."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def said(self, *words: str) -> tuple[int, str, str]:
        code = cli.main(words)
        return code, *self._capsys.readouterr()

    def done(self, *words: str) -> str:
        code, out, err = self.said(*words)
        assert code == 0, err
        return out

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.done("status", "--json"))
        return found
