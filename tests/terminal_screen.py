"""What a terminal shows after the bytes written to it: enough of one to judge a live view."""

import re

_TOKEN = re.compile(
    r"\x1b\[(?P<mark>\??)(?P<number>\d*)(?P<command>[A-Za-z])|(?P<text>.)", re.DOTALL
)


class Screen:
    """Rows of text, as wide as told; keeps everything that scrolled away too."""

    def __init__(self, width: int) -> None:
        self.rows: list[str] = [""]
        self._width = width
        self._row = self._column = 0
        self._wraps = True

    def feed(self, text: str) -> None:
        """Take what a program wrote; raise ValueError for a control it should not have used."""
        for token in _TOKEN.finditer(text):
            if token["text"] is None:
                self._control(token["mark"], int(token["number"] or 1), token["command"])
            else:
                self._put(token["text"])

    def _put(self, character: str) -> None:
        match character:
            case "\r":
                self._column = 0
            case "\n":  # the terminal's driver puts a carriage return before it
                self._down()
                self._column = 0
            case _ if not character.isprintable():
                raise ValueError(f"unexpected control character {character!r}")
            case _:
                self._print(character)

    def _print(self, character: str) -> None:
        if self._column == self._width:
            if self._wraps:
                self._down()
                self._column = 0
            else:
                self._column -= 1
        row = self.rows[self._row].ljust(self._column)
        self.rows[self._row] = row[: self._column] + character + row[self._column + 1 :]
        self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self.rows):
            self.rows.append("")

    def _control(self, mark: str, number: int, command: str) -> None:
        match mark, command:
            case "", "A":
                self._row = max(self._row - number, 0)
            case "", "J":
                self.rows[self._row] = self.rows[self._row][: self._column]
                del self.rows[self._row + 1 :]
            case "", "K":
                self.rows[self._row] = ""
            case "", "m":
                pass  # colours
            case "?", "l" | "h" if number == 7:
                self._wraps = command == "h"
            case _:
                raise ValueError(f"unexpected escape sequence ESC [ {mark}{number}{command}")
