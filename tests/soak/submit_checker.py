"""What a client may submit, judged by the bytes of both sides and by a computation of its own.

It reads what the pool said and what the client said and knows nothing of the client's state; of the
client's events it uses only whether a line was taken at all, and asks then whether it could be.
"""

import json
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from typing import Any

Named = tuple[str | int, bytes, bytes, int]
"""What tells jobs of one name apart: its id, both parts of the coinbase, its ntime."""

MOST_JOBS = 300
LARGEST_TARGET = (1 << 256) - 1


class ForbiddenError(AssertionError):
    """The client did what the rules forbid."""


@dataclass
class KnownJob:
    """One `mining.notify` as the pool sent it, with the extranonce in force then."""

    session: int
    params: list[Any]
    extranonce1: bytes
    extranonce2_size: int
    easiest_target: int
    called_off: bool = False

    @property
    def prev_hash(self) -> str:
        return str(self.params[1]).lower()

    @property
    def network_target(self) -> int:
        nbits = int(self.params[6], 16)
        return int((nbits & 0x7FFFFF) << 8 * max((nbits >> 24) - 3, 0))

    def header(self, extranonce2: bytes, version: int, ntime: int, nonce: int) -> bytes:
        _, prev_hash, coinb1, coinb2, branch, _, nbits, _ = self.params[:8]
        coinbase = bytes.fromhex(coinb1) + self.extranonce1 + extranonce2 + bytes.fromhex(coinb2)
        root = twice(coinbase)
        for step in branch:
            root = twice(root + bytes.fromhex(step))
        words = bytes.fromhex(prev_hash)
        previous = b"".join(words[i : i + 4][::-1] for i in range(0, 32, 4))
        numbers = (ntime, int(nbits, 16), nonce)
        tail = b"".join(number.to_bytes(4, "little") for number in numbers)
        return version.to_bytes(4, "little") + previous + root + tail


def twice(data: bytes) -> bytes:
    return sha256(sha256(data).digest()).digest()


def is_hex(value: object, digits: int | None = None) -> bool:
    good = isinstance(value, str) and re.fullmatch(r"([0-9a-fA-F]{2})*", value) is not None
    return good and digits in (None, len(str(value)))


def could_be_mined(params: object) -> bool:
    """Return whether the parameters of a notify have the form of a job."""
    if not isinstance(params, list) or len(params) < 8:
        return False
    job_id, prev_hash, coinb1, coinb2, branch = params[:5]
    words = all(isinstance(p, str) and re.fullmatch("[0-9a-fA-F]{1,8}", p) for p in params[5:8])
    named = isinstance(job_id, (str, int)) and not isinstance(job_id, bool)
    steps = isinstance(branch, list) and all(is_hex(step, 64) for step in branch)
    return words and named and steps and is_hex(prev_hash, 64) and is_hex(coinb1) and is_hex(coinb2)


def named(params: list[Any]) -> Named:
    job_id, _, coinb1, coinb2, *_ = params
    return job_id, bytes.fromhex(coinb1), bytes.fromhex(coinb2), int(params[7], 16)


def target_for(difficulty: float) -> int:
    return min(int(Fraction(0xFFFF << 208) / Fraction(difficulty)), LARGEST_TARGET)


def mask_of(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch("(0[xX])?[0-9a-fA-F]{1,8}", value):
        return int(value, 16)
    return None


@dataclass
class SubmitChecker:
    """Listens to one pool and its client over many sessions; raises ForbiddenError."""

    user: str
    password: str
    wanted_mask: int = 0x1FFFE000
    session: int = 0
    submits: int = 0
    pending: dict[int, str] = field(default_factory=dict)
    _jobs: "OrderedDict[int, KnownJob]" = field(default_factory=OrderedDict)
    _serial: int = 0
    _answered: set[bytes] = field(default_factory=set)
    _headers: dict[int, bytes] = field(default_factory=dict)

    def session_began(self) -> None:
        self.session += 1
        self.pending = {}
        self._last_id = 0
        self._authorized = False
        self._mask: int | None = None
        self._extranonce: tuple[bytes, int] | None = None
        self._target = target_for(1)
        self._early: list[list[Any]] = []
        self._current: KnownJob | None = None
        self._sent: set[bytes] = set()
        self._answered_before, self._answered = self._answered, set()
        self._headers = {}

    # --- what the pool said ---

    def pool_said(
        self,
        line: bytes,
        taken: set[str],
        jobs: list[Named],
        granted: tuple[bytes, int] | None,
    ) -> None:
        """Note a line.

        ``taken`` names the events it led to, ``jobs`` the new jobs, ``granted`` is the extranonce
        after it.
        """
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            if taken - {"Failed"}:
                raise ForbiddenError(f"{taken} came of {line[:80]!r}")
            return
        before, self._extranonce = self._extranonce, granted
        if isinstance(message.get("method"), str):
            params = message.get("params")
            self._told(message["method"], params if isinstance(params, list) else [], taken, before)
        else:
            self._replied(message, taken, jobs)

    def _told(
        self, method: str, params: list[Any], taken: set[str], before: tuple[bytes, int] | None
    ) -> None:
        first = params[0] if params else None
        if self._extranonce != before and method != "mining.set_extranonce":
            raise ForbiddenError(f"the extranonce changed by {method}")
        match method:
            case "mining.notify" if self._extranonce is None:
                self._early.append(params)
            case "mining.notify" if "NewJob" in taken:
                self._job_taken(params)
            case "mining.set_difficulty":
                if (difficulty := number(first)) and 2.0**-32 <= difficulty <= 2.0**128:
                    self._target_set(target_for(difficulty))
            case "mining.set_target" if is_hex(first, 64) and int(str(first), 16):
                self._target_set(int(str(first), 16))
            case "mining.set_version_mask" if self._mask is not None:
                if (mask := mask_of(first)) is not None:
                    self._mask = mask & self.wanted_mask
            case "mining.set_extranonce" if before != self._extranonce and self._extranonce:
                asked = bytes.fromhex(str(first)) if first is not None else before and before[0]
                size = params[1] if len(params) > 1 else None
                wanted = number(size) if size is not None else before and before[1]
                if (asked, wanted) != self._extranonce:
                    raise ForbiddenError(f"{params} was taken as {self._extranonce}")

    def _replied(self, message: dict[str, Any], taken: set[str], jobs: list[Named]) -> None:
        asked = self.pending.pop(int(number(message.get("id")) or 0), None)
        result, error = message.get("result"), message.get("error")
        if "Configured" in taken and asked == "mining.configure":
            terms = result if isinstance(result, dict) and not error else {}
            rolls = terms.get("version-rolling") is True
            mask = mask_of(terms.get("version-rolling.mask")) if rolls else None
            self._mask = None if mask is None else mask & self.wanted_mask
        if "Authorized" in taken:
            if asked != "mining.authorize" or not result or error:
                raise ForbiddenError(f"taken for a login: {message}")
            self._authorized = True
        if "Subscribed" in taken:
            _, extranonce1, size = message["result"][:3]
            granted = bytes.fromhex(extranonce1), number(size)
            if (asked, granted) != ("mining.subscribe", self._extranonce):
                raise ForbiddenError(f"taken for a subscription: {message}")
            early, self._early = self._early[-8:], []
            for params in early:
                if could_be_mined(params) and named(params) in jobs:
                    self._job_taken(params)
        if "ShareAnswered" in taken and (header := self._headers.pop(message["id"], None)):
            self._answered.add(header)

    def _target_set(self, target: int) -> None:
        self._target = target
        for job in self._jobs.values():
            if job.session == self.session:
                job.easiest_target = max(job.easiest_target, target)

    def _job_taken(self, params: list[Any]) -> None:
        if not could_be_mined(params) or self._extranonce is None:
            raise ForbiddenError(f"this was taken for a job: {params}")
        job = KnownJob(self.session, params, *self._extranonce, self._target)
        clean = len(params) > 8 and (params[-1] in (True, 1) or str(params[-1]).lower() == "true")
        if clean or (self._current and self._current.prev_hash != job.prev_hash):
            for known in self._jobs.values():
                known.called_off = True
        self._current = self._jobs[self._serial] = job
        self._serial += 1
        while len(self._jobs) > MOST_JOBS:
            self._jobs.popitem(last=False)

    # --- what the client said ---

    def client_said(self, data: bytes) -> None:
        if data and not data.endswith(b"\n"):
            raise ForbiddenError(f"half a line was sent: {data[-80:]!r}")
        for line in data.splitlines():
            message = json.loads(line, parse_constant=_no_json)
            if self.password in line.decode() and message.get("method") != "mining.authorize":
                raise ForbiddenError(f"the password was sent in {line!r}")
            if "method" in message:
                self._asked(message)

    def _asked(self, message: dict[str, Any]) -> None:
        if message["id"] <= self._last_id:
            raise ForbiddenError(f"id {message['id']} came after {self._last_id}")
        self._last_id = message["id"]
        self.pending[message["id"]] = message["method"]
        if message["method"] == "mining.submit":
            self.submits += 1
            self._check(message["params"], message["id"])

    def _check(self, params: list[Any], request: int) -> None:
        if not self._authorized:
            raise ForbiddenError("a share before the login")
        if params[0] != self.user:
            raise ForbiddenError(f"a share for {params[0]!r}")
        if len(params) != (5 if self._mask is None else 6):
            raise ForbiddenError(f"{len(params)} parameters with a mask of {self._mask}")
        if not all(re.fullmatch("[0-9a-f]{8}", text) for text in params[3:]):
            raise ForbiddenError(f"odd fields: {params}")
        problems = []
        for job in reversed(self._jobs.values()):
            if (job.params[0], type(job.params[0])) == (params[1], type(params[1])):
                problem, header = self._problem(job, params)
                if not problem:
                    self._sent.add(header)
                    self._headers[request] = header
                    return
                problems.append(problem)
        raise ForbiddenError(f"{params}: {problems or 'no such job'}")

    def _problem(self, job: KnownJob, params: list[Any]) -> tuple[str, bytes]:
        """Return why a share is forbidden if ``job`` is meant, and the header it stands for."""
        if not is_hex(params[2], 2 * job.extranonce2_size):
            return "an extranonce2 of another size", b""
        ntime, nonce = int(params[3], 16), int(params[4], 16)
        ahead = ntime - int(job.params[7], 16)
        if not 0 <= ahead <= 600:
            return f"an ntime {ahead} s ahead", b""
        version, mask = int(job.params[5], 16), self._mask or 0
        bits = int(params[5], 16) if len(params) > 5 else 0
        if bits & ~mask:
            return f"version bits {bits:x} outside of {mask:x}", b""
        best = LARGEST_TARGET + 1, b""
        for rolled in {(version & ~mask) | bits, version ^ bits}:
            if rolled & version == version:
                header = job.header(bytes.fromhex(params[2]), rolled, ntime, nonce)
                best = min(best, (int.from_bytes(twice(header), "little"), header))
        value, header = best
        return self._problem_of_hash(job, value, header), header

    def _problem_of_hash(self, job: KnownJob, value: int, header: bytes) -> str:
        ours = job.extranonce1, job.extranonce2_size
        if job.session != self.session and self._extranonce != ours:
            return "another session's coinbase"
        if value <= job.network_target:
            return ""  # always worth a try, even twice when its job is no longer kept
        if header in self._sent or header in self._answered_before:
            return "sent before"
        if value > job.easiest_target:
            return "a hash above the target"
        return self._problem_of_age(job)

    def _problem_of_age(self, job: KnownJob) -> str:
        if job.session == self.session:
            return "a job that was called off" if job.called_off else ""
        # The same coinbase: this session is resumed, and its old jobs are valid.
        resumed = self._current is None or self._current.prev_hash == job.prev_hash
        return "" if resumed else "another session's block"


def number(value: object) -> float | None:
    """Return a finite number, also one in a text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return value if isinstance(value, int) else found if abs(found) < 1e300 else None


def _no_json(constant: str) -> float:
    raise ForbiddenError(f"{constant} is no JSON")
