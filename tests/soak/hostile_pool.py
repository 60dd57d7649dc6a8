"""A pool that says anything: sensible conversations, bent ones, and nonsense; seeded."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

TRANSCRIPTS = Path(__file__).parent.parent / "vectors" / "transcripts"
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 4, 33, 1 << 31, 1 << 64, 10**90, 0.5, -0.0, 1e308, 2.0**-32),
    *("", "x", "00", "0g", "ff" * 32, "00" * 32, "1fffe000", "ffffffff", "NaN", "1e999", "true"),
    *("\x1b[2J", "\x9b31m", "\u202e", "\u2028", "\ud800", "\0", "\U0001f4a9" * 9, "a" * 5000),
    *(
        [],
        [[]],
        [[[[[[[[[]]]]]]]]],
        {},
        {"a": {}},
        ["mining.notify", "sid"],
        [[]] * 40,
        [None] * 12,
    ),
    *({"message": "x"}, [20, "x", None], [1e308, 2], "127.0.0.1", "eu.pool.example"),
)
RAW_JUNK = (
    *(b"", b"\0", b"{", b"[]", b"null", b"\xff\xfe", b'"', b"[" * 3000, b'{"a":' * 3000, b"{}"),
    *(b'{"id":1e400,"method":"x"}', b'{"id":NaN,"method":"x"}', b'{"id":1,"id":2,"result":true}'),
    *(b'{"id":null,"method":"mining.notify","params":[' + b"[]," * 3000 + b"[]]}",),
    *(b'{"id":1,"result":' + b"9" * 100_000 + b"}", b'{"method":"\\ud800","id":"\\udfff"}'),
)
METHODS = (
    *("mining.notify", "mining.set_difficulty", "mining.set_target", "mining.set_extranonce"),
    *("mining.set_version_mask", "client.reconnect", "client.show_message", "mining.ping"),
    *("client.get_version", "client.get_algo", "mining.unknown", "", "mining.submit"),
)
REFUSALS: tuple[Any, ...] = (
    *([21, "Job not found", None], [22, "Duplicate share", None], [23, "Low difficulty", None]),
    *("Stale", "Above target", {"code": 20, "message": "\x1b]0;x\x07"}, [20, "x" * 900], [20]),
    *([31, "ntime out of range"], False, [None, None], {"message": ["\u202e"]}, 5),
)


def recorded_lines() -> list[dict[str, Any]]:
    """Return what real pools said."""
    lines: list[dict[str, Any]] = []
    for path in sorted(TRANSCRIPTS.glob("*.jsonl")):
        for text in path.read_text().splitlines():
            entry = json.loads(text)
            if entry.get("dir") == "p>c" and "line" in entry:
                lines.append(json.loads(entry["line"]))
    return lines


class HostilePool:
    """What one pool says, over many sessions; lines without their ends."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._recorded = recorded_lines()
        self._extranonce1, self._size = "4128064f", 4
        self._prev_hash = random.randbytes(32).hex()
        self._said: list[dict[str, Any]] = []

    def session_began(self) -> None:
        """Forget the last conversation; now and then resume its extranonce."""
        if self._random.random() < 0.6:
            self._extranonce1 = self._random.randbytes(self._random.choice((0, 1, 4, 4, 8))).hex()
            self._size = self._random.choice((1, 2, 3, 4, 4, 8, 8, 12))
        self._said = self._said[-5:]

    def next_line(self, pending: dict[int, str]) -> bytes:
        """Return what the pool says next; ``pending`` are the requests it has not answered."""
        random, chance = self._random, self._random.random()
        if chance < 0.002:
            return random.choice(RAW_JUNK)
        if chance < 0.004:
            return self._flipped(self._encoded(self._sensible(pending)))
        if chance < 0.03:
            return self._encoded(self._grammatical())
        message = self._sensible(pending)
        if chance < 0.10:
            message = self._bent(random.choice([message, *self._said[-20:], *self._recorded[:9]]))
        elif chance < 0.12:
            message = random.choice(self._said or [message])
        elif chance < 0.13:
            message = random.choice(self._recorded)
        self._said = [*self._said[-40:], message]
        return self._encoded(message)

    def _sensible(self, pending: dict[int, str]) -> dict[str, Any]:
        random = self._random
        opening = [number for number, asked in pending.items() if asked != "mining.submit"]
        if opening and random.random() < 0.8:
            return self._answer(opening[0], pending[opening[0]])
        if pending and random.random() < 0.5:
            number = random.choice(list(pending))
            return self._answer(number, pending[number])
        return next(self._unasked())

    def _answer(self, number: int, asked: str) -> dict[str, Any]:
        random = self._random
        rpc_id = number if random.random() < 0.95 else random.choice((str(number), float(number)))
        match asked:
            case "mining.configure":
                mask = random.choice(("1fffe000", "1fffe000", "ffffffff", "00006000", "0"))
                result: Any = {"version-rolling": True, "version-rolling.mask": mask}
            case "mining.subscribe":
                result = [[["mining.notify", "sid"]], self._extranonce1, self._size]
            case _:
                result = True
        error = None
        if asked == "mining.submit" and random.random() < 0.15:
            result, error = random.choice((None, False)), random.choice(REFUSALS)
        return {"id": rpc_id, "result": result, "error": error}

    def _unasked(self) -> Iterator[dict[str, Any]]:
        random, chance = self._random, self._random.random()
        if chance < 0.70:
            yield self._told("mining.notify", *self._job())
        elif chance < 0.84:
            easy = random.choice((2.0**-32, 2.0**-31, 2.0**-30, 2.0**-30, 2.0**-29, 1, 1e9))
            yield self._told("mining.set_difficulty", easy)
        elif chance < 0.88:
            mask = random.choice(("1fffe000", "00006000", "0", "1fff0000", "ffffffff"))
            yield self._told("mining.set_version_mask", mask)
        elif chance < 0.92:
            self._extranonce1 = random.choice((self._extranonce1, random.randbytes(4).hex()))
            self._size = random.choice((self._size, 2, 4, 8))
            yield self._told("mining.set_extranonce", self._extranonce1, self._size)
        elif chance < 0.93:
            target = random.choice(("00" + "ff" * 31, "ff" * 32, "7f" + "00" * 31))
            yield self._told("mining.set_target", target)
        else:
            text = random.choice(("hello", "\x1b[31m", "x" * 9000))
            method = random.choice(("client.show_message", "mining.ping", "mining.nonsense"))
            yield {"id": random.choice((None, 7, "a")), "method": method, "params": [text]}

    def _told(self, method: str, *params: Any) -> dict[str, Any]:
        return {"id": None, "method": method, "params": list(params)}

    def _job(self) -> tuple[Any, ...]:
        """Return the parameters of a job that can be mined, mostly on the same block."""
        random = self._random
        if random.random() < 0.08:
            self._prev_hash = random.randbytes(32).hex()
        script = 4 + len(self._extranonce1) // 2 + self._size
        height = random.randrange(800_000, 1_000_000).to_bytes(3, "little").hex()
        coinb1 = f"0100000001{'00' * 32}ffffffff{script:02x}03{height}"
        coinb2 = "ffffffff0100f2052a01000000160014" + random.randbytes(20).hex() + "00000000"
        branch = [random.randbytes(32).hex() for _ in range(random.choice((0, 1, 3)))]
        nbits = "207fffff" if random.random() < 0.05 else "1d00ffff"
        version = random.choice(("20000000", "20000000", "20006000"))
        ntime = f"{1_750_000_000 + random.randrange(5):08x}"
        fresh = f"{random.getrandbits(32):x}", random.getrandbits(30), random.getrandbits(30)
        job_id = random.choice((*fresh, random.randrange(3), f"{random.randrange(3)}"))
        clean = random.random() < 0.15
        return (
            job_id, self._prev_hash, coinb1, coinb2, branch, version, nbits, ntime, clean
        )  # fmt: skip

    def _grammatical(self) -> dict[str, Any]:
        """Return a message of the right shape with anything in it."""
        random = self._random
        if random.random() < 0.3:
            return {"id": self._any(), "result": self._any(), "error": self._any()}
        params: Any = [self._any() for _ in range(random.randrange(10))]
        params = params if random.random() < 0.9 else self._any()
        return {"id": self._any(), "method": random.choice(METHODS), "params": params}

    def _any(self) -> Any:
        return self._random.choice(ODD_VALUES)

    def _bent(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return ``message`` with one value replaced, left out, doubled or moved."""
        random, bent = self._random, json.loads(json.dumps(message))
        inside: Any = bent.get("params") or bent.get("result")
        if isinstance(inside, list) and inside and random.random() < 0.8:
            at = random.randrange(len(inside))
            match random.randrange(5):
                case 0:
                    del inside[at]
                case 1:
                    inside.insert(at, self._any())
                case 2 if isinstance(inside[at], str):
                    cut = random.randrange(len(inside[at]) + 1)
                    inside[at] = (
                        inside[at][:cut] + random.choice(("", "0", "g")) + inside[at][cut + 1 :]
                    )
                case 3:
                    random.shuffle(inside)
                case _:
                    inside[at] = self._any()
        else:
            bent[random.choice(("id", "method", "params", "result", "error"))] = self._any()
        return dict(bent)

    def _flipped(self, line: bytes) -> bytes:
        """Return ``line`` with some bytes changed, cut off or doubled."""
        random, data = self._random, bytearray(line)
        for _ in range(random.randrange(1, 4)):
            at = random.randrange(len(data) + 1)
            data[at : at + random.randrange(3)] = random.randbytes(random.randrange(3))
        return bytes(data).replace(b"\n", b" ")

    def _encoded(self, message: dict[str, Any]) -> bytes:
        return json.dumps(message, ensure_ascii=self._random.random() < 0.5).encode(
            "utf-8", "backslashreplace"
        )
