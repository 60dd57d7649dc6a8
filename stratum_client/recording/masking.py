"""Secrets out of what is recorded, in whatever way they are written; pure.

A password becomes ``***``. A user name becomes another one of the same length and form, always the
same in one recording, so that a replay stays whole. What is replaced is found as plain text, in
any of JSON's escapes at any depth of quoting, and percent-encoded; a stream is searched across
the cuts of its chunks.
"""

import hashlib
import json
import re
from collections.abc import Iterable

HIDDEN = "***"
PUBLIC_PASSWORDS = {"", "x"}
"""What miners send when a pool wants none."""

_SHORTEST_WORD = 4
"""A secret below is replaced only where it is the whole of a JSON string."""

_SHORTEST_ANYWHERE = 8
"""A secret below is replaced only where it is a word of its own."""

_PROTOCOL = {"mining", "client", "submit", "notify", "method", "params", "result", "error"}
"""Words that are no secret where they are only a part of a JSON string."""

_LONGEST_FORM = 16
"""Bytes that one character of a secret may take."""

_KEPT_START = re.compile(r"(?:bc1[qp]|tb1[qp]|bcrt1[qp]|[13mn2])(?=[0-9A-Za-z]{22})")
_CLASSES = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_PLAIN = "._-+@:~"
_CUT_ESCAPE = re.compile(rb"\\+(?:u[0-9A-Fa-f]{0,3})?|%[0-9A-Fa-f]?|[\xc2-\xf4][\x80-\xbf]{0,2}")
_LOGIN_IN_ADDRESS = re.compile(rb"(?<=://)[^/\s@\"\\]+@")

_Forms = list[list[re.Pattern[bytes]]]
"""For each character of a secret the ways in which it may be written."""


class Masker:
    """Replaces secrets; ``salt`` makes pseudonyms this recording's own.

    It learns who logs in from what we send, so that a pool which is added later is covered too.
    """

    def __init__(self, *, salt: bytes, keep_users: bool = False) -> None:
        self._salt = salt
        self._keep_users = keep_users
        self._secrets: dict[str, str] = {}
        self._pattern: re.Pattern[bytes] | None = None
        self._beginnings: list[_Forms] = []
        self._first: re.Pattern[bytes] = re.compile(b"")
        self._replacements: list[bytes] = []

    @property
    def keeps_users(self) -> bool:
        """Return whether user names stay as they are."""
        return self._keep_users

    def add_passwords(self, passwords: Iterable[str]) -> None:
        """Hide ``passwords`` from now on."""
        fresh = {word: HIDDEN for word in passwords if word not in PUBLIC_PASSWORDS}
        self._add(fresh)

    def add_user(self, user: str) -> None:
        """Replace a user name, its parts between dots included, unless users are to be kept."""
        if user and not self._keep_users:
            parts = [part for part in user.split(".") if len(part) >= _SHORTEST_WORD]
            self._add({name: self.user(name) for name in (user, *parts)})

    def user(self, name: str) -> str:
        """Return what stands for a user name."""
        if self._keep_users:
            return name
        return ".".join(self._pseudonym(part) for part in name.split("."))

    def learn(self, data: bytes) -> None:
        """Take note of user and password in what we send, however many lines go at once."""
        for line in data.splitlines():
            if b"mining.authorize" in line:
                self._learn_login(line)

    def masked(self, data: bytes) -> bytes:
        """Return ``data`` without secrets."""
        if b"@" in data:
            data = _LOGIN_IN_ADDRESS.sub(HIDDEN.encode() + b"@", data)
        return self._pattern.sub(self._replaced, data) if self._pattern else data

    def cut(self, data: bytes) -> int:
        """Return the length of the start of ``data`` that can be masked before more is known.

        The rest may be the beginning of a secret.
        """
        if not self._pattern or not data or data.endswith(b"\n"):
            return len(data)
        line = data.rfind(b"\n") + 1
        whole = {
            i
            for found in self._pattern.finditer(data, line)
            for i in range(found.start() + 1, found.end())
        }
        longest = max(map(len, self._secrets)) * _LONGEST_FORM
        for found in self._first.finditer(data, max(line, len(data) - longest)):
            start = found.start()
            if start in whole:  # part of a secret that is all there
                continue
            if any(_may_begin(forms, data, start) for forms in self._beginnings):
                return start
        return len(data)

    def _learn_login(self, line: bytes) -> None:
        try:
            match json.loads(line):
                case {"method": "mining.authorize", "params": [str(user), *rest]}:
                    self.add_user(user)
                    self.add_passwords(word for word in rest[:1] if isinstance(word, str))
        except ValueError:
            return

    def _add(self, secrets: dict[str, str]) -> None:
        fresh = {name: mask for name, mask in secrets.items() if name not in self._secrets}
        if not fresh:
            return
        self._secrets |= fresh
        names = sorted(self._secrets, key=len, reverse=True)
        self._beginnings = [[_compiled(c) for c in name] for name in names]
        first = b"|".join({_form_of(name[0]) for name in names} | {rb"[\\%\xc2-\xf4]"})
        self._first = re.compile(b"(?=%s)" % first)  # each place where one may begin, or an escape
        self._replacements = [self._secrets[name].encode() for name in names]
        self._pattern = re.compile(b"|".join(b"(%s)" % _pattern_of(name) for name in names))

    def _replaced(self, found: re.Match[bytes]) -> bytes:
        assert found.lastindex
        return self._replacements[found.lastindex - 1]

    def _pseudonym(self, part: str) -> str:
        start = found.group() if (found := _KEPT_START.match(part)) else ""
        rest = part[len(start) :]
        seed = hashlib.shake_256(self._salt + part.encode()).digest(max(len(rest), 1))
        return start + "".join(
            _other(character, chance) for character, chance in zip(rest, seed, strict=False)
        )


def _other(character: str, chance: int) -> str:
    """Return a different character of the same class, one that JSON never escapes."""
    for letters in _CLASSES:
        if character in letters:
            step = 1 + chance % (len(letters) - 1)
            return letters[(letters.index(character) + step) % len(letters)]
    return character if character in _PLAIN else "_"


def _forms_of(character: str) -> list[bytes]:
    """Return patterns of the ways in which one character may be written."""
    plain = character.encode()
    units = character.encode("utf-16-be")
    escape = b"".join(
        rb"\\+u(?i:%04x)" % int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)
    )
    percent = b"".join(rb"%%(?i:%02x)" % byte for byte in plain)
    forms = [escape, percent]
    forms += [rb"\\*" + re.escape(plain)] if character in '"/' else []
    forms += [rb"\\+"] if character == "\\" else [re.escape(plain)]
    return forms


def _form_of(character: str) -> bytes:
    """Return a pattern of all the ways in which one character may be written."""
    return b"(?:" + b"|".join(_forms_of(character)) + b")"


def _compiled(character: str) -> list[re.Pattern[bytes]]:
    return [re.compile(form) for form in _forms_of(character)]


def _pattern_of(secret: str) -> bytes:
    pattern = b"".join(_form_of(character) for character in secret)
    if len(secret) < _SHORTEST_WORD or secret.lower() in _PROTOCOL:
        return rb'(?<=")' + pattern + rb'(?=\\*")'
    is_hex = re.fullmatch("[0-9A-Fa-f]+", secret)
    if len(secret) < _SHORTEST_ANYWHERE or is_hex:  # no digits of a job, no part of a method's name
        return rb"(?<![\w.])" + pattern + rb"(?!\w)"
    return pattern


def _may_begin(secret: _Forms, data: bytes, start: int) -> bool:
    """Return whether ``data`` from ``start`` to its end begins a secret that is not yet whole."""
    positions = {start}
    for forms in secret:
        if len(data) in positions:
            return True
        if any(_CUT_ESCAPE.fullmatch(data, position) for position in positions):
            return True  # even if its start would do as a plain backslash
        positions = {end for at in positions for form in forms for end in _ends(form, data, at)}
        if not positions:
            return False
    return False


def _ends(form: re.Pattern[bytes], data: bytes, start: int) -> Iterable[int]:
    """Return where a character may end; of a run of backslashes any part may be one."""
    found = form.match(data, start)
    if not found:
        return ()
    is_run = not found.group().strip(b"\\")
    return range(start + 1, found.end() + 1) if is_run else (found.end(),)
