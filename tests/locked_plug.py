"""A Shelly with a password: it verifies each digest by a computation of its own (RFC 7616)."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.plug_server import page


@dataclass
class LockedShelly:
    """Answers requests as a plug called ``realm`` does whose password is ``password``.

    With ``reuses`` a nonce serves for many requests whose count rises (firmware 2.0), else for one.
    """

    body: bytes
    password: str
    reuses: bool = True
    realm: str = "shellyplus1pm-a8032ab12345"
    asked: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _nonces: dict[str, int] = field(default_factory=dict)

    def answer_to(self, requests: list[str]) -> Callable[[], bytes]:
        """Return what a server answers; its newest request is the last of ``requests``."""
        return lambda: self.answer(requests[-1])

    def answer(self, request: str) -> bytes:
        first, *lines = request.split("\r\n")
        [method, target, _] = first.split(" ")
        fields = dict(line.split(": ", 1) for line in lines if ": " in line)
        self.asked.append(fields.get("Authorization", ""))
        if problem := self.problem_with(fields.get("Authorization", ""), method, target):
            self.problems.append(problem)
            return self.challenge()
        return page(self.body)

    def challenge(self) -> bytes:
        nonce = f"{len(self._nonces) + 0x60DC2C69:x}"
        self._nonces[nonce] = 0
        want = f'Digest qop="auth", realm="{self.realm}", nonce="{nonce}", algorithm=SHA-256'
        return page(b"", f"401 Unauthorized\r\nWWW-Authenticate: {want}")

    def problem_with(self, authorization: str, method: str, target: str) -> str:
        """Return why a request is not let in; empty if it is."""
        if not authorization.startswith("Digest "):
            return "no digest"
        said = dict(re.findall(r'(\w+)="?([^",]*)"?(?:, |$)', authorization[7:]))
        who = f"admin:{self.realm}:{self.password}"
        what = f"{method}:{target}"
        middle = ":".join(said[name] for name in ("nonce", "nc", "cnonce", "qop"))
        halves = [hashlib.sha256(half.encode()).hexdigest() for half in (who, what)]
        expected = hashlib.sha256(f"{halves[0]}:{middle}:{halves[1]}".encode()).hexdigest()
        if said["response"] != expected or said["uri"] != target or said["username"] != "admin":
            return "wrong digest"
        used, count = self._nonces.get(said["nonce"]), int(said["nc"], 16)
        if used is None or count <= used or (used and not self.reuses):
            return "old nonce"
        self._nonces[said["nonce"]] = count
        return ""
