"""The recorded clients of real pools, served by the embedded pool: the same answers, line by line.

Source: our recordings on regtest, tests/vectors/transcripts. What the real pool sent without
being asked (jobs, retargets) is given to the embedded pool at the same place; each answer to a
request is its own.
"""

import json
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from stratum_client.emulated_pool.engine import PoolEngine
from stratum_client.emulated_pool.jobs import template_of
from stratum_client.emulated_pool.known_pools import CKPOOL, CKPOOL_2017, PUBLIC_POOL
from stratum_client.emulated_pool.outputs import Close, Send
from stratum_client.emulated_pool.profiles import Profile
from stratum_client.emulated_pool.settings import PoolSettings

TRANSCRIPTS = Path(__file__).parent.parent / "vectors" / "transcripts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One connection of one file, and what the pool had been set to."""

    file: str
    connection: int
    profile: Profile
    difficulty: float | None
    extranonce1: int


def with_clean_start(profile: Profile) -> Profile:
    """Return ``profile`` with a first job that is clean: public-pool did both."""
    return replace(profile, handshake=replace(profile.handshake, first_notify_clean=True))


RECORDINGS = [
    Recording(
        file="ckpool-cpuminer-opt",
        connection=1,
        profile=CKPOOL,
        difficulty=0.002,
        extranonce1=0x6B041BA9,
    ),
    Recording(
        file="ckpool-2017-cpuminer-opt",
        connection=1,
        profile=CKPOOL_2017,
        difficulty=1,
        extranonce1=0x6B041B47,
    ),
    Recording(
        file="ckpool-probe-rejects",
        connection=1,
        profile=CKPOOL,
        difficulty=0.002,
        extranonce1=0x6B041BAB,
    ),
    Recording(
        file="ckpool-restart-cpuminer-opt",
        connection=1,
        profile=CKPOOL,
        difficulty=0.002,
        extranonce1=0x6B041BB2,
    ),
    Recording(
        file="ckpool-restart-cpuminer-opt",
        connection=3,
        profile=CKPOOL,
        difficulty=0.002,
        extranonce1=0x6B041F94,
    ),
    Recording(
        file="public-pool-probe-rejects",
        connection=1,
        profile=with_clean_start(PUBLIC_POOL),
        difficulty=None,
        extranonce1=0x1A462A71,
    ),
    Recording(
        file="public-pool-cpuminer-opt",
        connection=1,
        profile=PUBLIC_POOL,
        difficulty=None,
        extranonce1=0x5A142E6B,
    ),
]


class Replay:
    """Feeds the client's side to an engine and keeps what it says, ready for comparison."""

    def __init__(self, recording: Recording) -> None:
        settings = PoolSettings(
            profile=recording.profile,
            difficulty=recording.difficulty,
            vardiff="off",
            first_extranonce1=recording.extranonce1,
            own_work=False,
        )
        self.engine = PoolEngine(settings, wall=lambda: 0.0, random=Random(1), now=0.0)
        number = self.engine.connect("recorded", 0.0)
        assert number is not None
        self.number = number
        self.said: deque[Any] = deque()
        self.closed = False

    def hear(self, line: str, now: float) -> None:
        self.engine.receive_data(self.number, line.encode() + b"\n", now)
        self._collect()

    def next_message(self, expected: dict[str, Any], now: float) -> dict[str, Any]:
        """Return what the engine says next; a retarget overtook an answer in one recording."""
        unasked = "method" in expected
        if self.said and not (unasked and "method" not in self.said[0]):
            return dict(self.said.popleft())
        self.prompt(expected, now)
        return dict(self.said.pop())

    def prompt(self, message: dict[str, Any], now: float) -> None:
        """Have the engine send on its own accord what the real pool sent."""
        if message.get("method") == "mining.notify":
            self.adopt(message, now)
        elif message.get("method") == "mining.set_difficulty":
            self.engine.set_difficulty(message["params"][0], now, with_job=False)
        self._collect()

    def adopt(self, message: dict[str, Any], now: float) -> None:
        template = template_of(message["params"])
        self.engine.adopt(template, now, clean=message["params"][8])

    def _collect(self) -> None:
        for _, outputs in self.engine.take_outputs():
            for output in outputs:
                match output:
                    case Send(data):
                        self.said.append(json.loads(data))
                    case Close():
                        self.closed = True


def lines_of(recording: Recording) -> list[dict[str, Any]]:
    text = (TRANSCRIPTS / f"{recording.file}.jsonl").read_text()
    entries = [json.loads(line) for line in text.splitlines()]
    return [entry for entry in entries if entry["conn"] == recording.connection and "line" in entry]


def next_job(entries: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the first job the pool sends before the client sends its next share."""
    for entry in entries:
        message = json.loads(entry["line"]) if readable(entry) else {}
        if message.get("method") == "mining.notify":
            return dict(message)
    return None


def alike(message: dict[str, Any]) -> dict[str, Any]:
    """Return ``message`` without its session ids: a pool makes them up."""
    match message.get("result"):
        case [[*pairs], extranonce1, size]:
            names = [name for name, _ in pairs]
            return {**message, "result": [names, extranonce1, size]}
        case _:
            return message


def shares_in(entries: list[dict[str, Any]]) -> tuple[int, int]:
    """Return how many shares the client sent, and how many the real pool accepted."""
    lines = [(entry["dir"], json.loads(entry["line"])) for entry in entries if readable(entry)]
    submits = [message for way, message in lines if message.get("method") == "mining.submit"]
    ids = {message["id"] for message in submits}
    answers = [message for way, message in lines if way == "p>c" and message["id"] in ids]
    return len(submits), sum(answer["result"] is True for answer in answers)


def readable(entry: dict[str, Any]) -> bool:
    return "not json" not in entry["line"]


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda r: f"{r.file}-{r.connection}")
def test_the_embedded_pool_answers_as_the_real_one_did(recording: Recording) -> None:
    entries = lines_of(recording)
    replay = Replay(recording)
    first_job = next_job(entries)
    assert first_job is not None
    replay.adopt(first_job, 0.0)

    for entry in entries:
        if entry.get("dir") == "c>p":
            replay.hear(entry["line"], entry["t"])
        elif entry.get("dir") == "p>c":
            expected = json.loads(entry["line"])
            assert alike(replay.next_message(expected, entry["t"])) == alike(expected)

    assert not replay.said
    total = replay.engine.tally().total
    assert (total.shares, total.accepted) == shares_in(entries)


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda r: f"{r.file}-{r.connection}")
def test_the_embedded_pool_hangs_up_where_the_real_one_did(recording: Recording) -> None:
    entries = lines_of(recording)
    last_line = [entry for entry in entries if entry.get("dir") == "c>p"][-1]["line"]
    replay = Replay(recording)

    for entry in entries:
        if entry.get("dir") == "c>p":
            replay.hear(entry["line"], entry["t"])

    assert replay.closed == ("not json" in last_line)
