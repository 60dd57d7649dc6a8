"""How a request says who asks: by Basic, or by the answer to a digest challenge; pure.

Source: RFC 7617 (Basic), RFC 7616 (Digest: SHA-256 and MD5, quality of protection "auth"), and
https://shelly-api-docs.shelly.cloud/gen2/General/Authentication (SHA-256, the user is "admin";
before firmware 2.0 each request needs a challenge of its own, since then one serves for many).
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

_HASHES = {"SHA-256": "sha256", "MD5": "md5"}
"""By the name of an algorithm that of `hashlib`; the first is the better one."""

_SCHEME = re.compile(r"(?:^|,)\s*Digest\s+", re.IGNORECASE)
_PARAMETER = re.compile(r'\s*([A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"=]+))\s*(?:,|$)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What a server wants an answer to; ``stale`` says that only the nonce was too old."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    opaque: str | None = None
    stale: bool = False


def challenges_in(field: str) -> Iterator[Challenge]:
    """Yield the digest challenges in a field WWW-Authenticate that can be answered here."""
    if not field.isprintable():
        return
    for scheme in _SCHEME.finditer(field):
        found, at = dict[str, str](), scheme.end()
        while parameter := _PARAMETER.match(field, at):
            name, quoted, token = parameter.groups()
            found.setdefault(name.lower(), token or re.sub(r"\\(.)", r"\1", quoted or ""))
            at = parameter.end()
        algorithm = found.get("algorithm", "MD5").upper()
        qualities = {one.strip().lower() for one in found.get("qop", "").split(",")}
        if algorithm in _HASHES and "auth" in qualities and {"realm", "nonce"} <= found.keys():
            yield Challenge(
                realm=found["realm"],
                nonce=found["nonce"],
                algorithm=algorithm,
                opaque=found.get("opaque"),
                stale=found.get("stale", "").lower() == "true",
            )


@dataclass(slots=True, kw_only=True)
class HttpLogin:
    """A user and a password for one server, and what that has said of how it wants them.

    With ``is_basic`` the password is sent as it is, until the server asks for a digest.
    """

    user: str
    password: str
    is_basic: bool = False
    _challenge: Challenge | None = None
    _count: int = 0
    _is_reusable: bool = True

    def field(self, page: str, cnonce: str) -> str:
        """Return the line that goes into a GET of ``page``, empty if none does.

        ``cnonce`` is a word of chance, of letters and digits.
        """
        if self._challenge and self._count and not self._is_reusable:
            self._challenge = None
        if self._challenge:
            self._count += 1
            return f"Authorization: {self._answer(self._challenge, page, cnonce)}\r\n"
        if self.is_basic:
            pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            return f"Authorization: Basic {pair}\r\n"
        return ""

    def challenged(self, field: str) -> bool:
        """Take the WWW-Authenticate of a refusal; return whether asking again may help."""
        offered = {one.algorithm: one for one in challenges_in(field)}
        best = next((offered[name] for name in _HASHES if name in offered), None)
        before, count = self._challenge, self._count
        self._challenge, self._count = best, 0
        if best is None or (before and count == 1 and not best.stale):
            self._challenge = None
            return False
        if count > 1 and not best.stale:
            self._is_reusable = False
        self.is_basic = False
        return True

    def _answer(self, challenge: Challenge, page: str, cnonce: str) -> str:
        count = f"{self._count:08x}"
        user = _quoted(self.user)
        parts = [
            f"username={user}, realm={_quoted(challenge.realm)}, nonce={_quoted(challenge.nonce)}",
            f'uri="{page}", algorithm={challenge.algorithm}, qop=auth, nc={count}',
            f'cnonce="{cnonce}", response="{self._response(challenge, page, cnonce, count)}"',
        ]
        if challenge.opaque is not None:
            parts.append(f"opaque={_quoted(challenge.opaque)}")
        return f"Digest {', '.join(parts)}"

    def _response(self, challenge: Challenge, page: str, cnonce: str, count: str) -> str:
        def digest(text: str) -> str:
            name = _HASHES[challenge.algorithm]
            return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

        who = digest(f"{self.user}:{challenge.realm}:{self.password}")
        what = digest(f"GET:{page}")
        return digest(f"{who}:{challenge.nonce}:{count}:{cnonce}:auth:{what}")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
