"""Shares, ledgers and their files for the tests of the share ledger."""

import json
import time
from collections import Counter
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random
from zlib import crc32

from drivers.header import DIFFICULTY_1, MAX_TARGET, hash_value, target_of_nbits
from stratum_client.block_records import header_of
from stratum_client.config_ledger import LedgerConfig
from stratum_client.job import Job, SessionId, Share
from stratum_client.ledger import ShareLedger, Way
from stratum_client.notify import Terms, parse_notify
from tests.stand_ins import ManualClock
from tests.vectors.load import stratum

PATIENCE = 30.0
"""Seconds for what must come about on a machine that has much else to do."""

CAPTURED = stratum("shares")[0]
NONCE, VERSION, NTIME = 0x7552034C, 0x20B44000, 0x685468D7


class Reports:
    """Hears of trouble."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, dict[str, object]]] = []

    def __call__(self, level: str, event: str, **fields: object) -> None:
        self.heard.append((level, event, fields))

    def events(self) -> list[str]:
        return [event for _, event, _ in self.heard]


def a_share(nonce: int = NONCE, *, device: str = "bitaxe") -> Share:
    """Return a share of the captured job; the default is the one that its pool accepted."""
    share = share_of_job(captured_job(), nonce)
    return replace(share, value=hash_value(header_of(share)), device=device)


EASY_NBITS = 0x207FFFFF
"""Of regtest: every second hash is a block."""


def captured_job(*, nbits: int | None = None) -> Job:
    """Return the captured job, on another network's terms if ``nbits`` are given."""
    terms = Terms(
        session=SessionId(pool="main", number=3),
        extranonce1=bytes.fromhex("4128064f"),
        extranonce2_size=4,
        version_mask=0x1FFFE000,
        difficulty=8192.0,
        target=DIFFICULTY_1 // 8192,
    )
    job = parse_notify(CAPTURED["notify"]["params"], terms, serial=1, arrived=1000.0)
    return replace(job, nbits=nbits, network_target=target_of_nbits(nbits)) if nbits else job


def block() -> Share:
    """Return a block solution."""
    job = captured_job(nbits=EASY_NBITS)
    for nonce in count():
        share = share_of_job(job, nonce)
        value = hash_value(header_of(share))
        if value <= job.network_target:
            return replace(share, value=value)
    raise AssertionError


def share_of_job(job: Job, nonce: int = NONCE, value: int = MAX_TARGET) -> Share:
    return Share(
        job=job,
        extranonce2=bytes.fromhex("17000000"),
        ntime=NTIME,
        nonce=nonce,
        version=VERSION,
        value=value,
        device="bitaxe",
        found_at=1000.0,
    )


class Book:
    """A ledger in a folder, as one process after another has it."""

    def __init__(self, folder: Path, *, max_size: int = 1_000_000) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.config = LedgerConfig(max_size=max_size)
        self.reports = Reports()
        self._starts = 0

    def ledger(self) -> ShareLedger:
        self._starts += 1
        return ShareLedger(
            self.folder,
            self.config,
            clock=self.clock,
            random=Random(self._starts),
            way_to=lambda pool: Way(host=f"{pool}.example", session_id="abc"),
            report=self.reports,
            max_wait=PATIENCE,
        )

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("shares-*.jsonl"))

    def lines(self) -> list[dict[str, object]]:
        """Return what stands in the files of shares, by our own reading."""
        return [line for path in self.files() for line in checked(path)]

    def blocks(self) -> list[dict[str, object]]:
        return checked(self.folder / "blocks.jsonl")

    def fates(self) -> dict[str, list[str]]:
        """Return for each share the records of it, in order."""
        told: dict[str, list[str]] = {}
        for line in self.lines():
            if line["kind"] in ("found", "ended"):
                told.setdefault(str(line["id"]), []).append(str(line.get("fate", "found")))
        return told

    def wait_for_lines(self, count: int) -> None:
        """Wait until so many records of shares stand there: the ends are written by and by."""
        deadline = time.monotonic() + PATIENCE
        while sum(map(len, self.fates().values())) < count:
            assert time.monotonic() < deadline, self.fates()
            time.sleep(0.002)

    def kinds(self) -> Counter[str]:
        return Counter(str(line["kind"]) for line in self.lines())


def checked(path: Path) -> list[dict[str, object]]:
    """Return a file's lines; each must be whole and carry the right check."""
    data = path.read_bytes()
    assert data.endswith(b"\n") or not data
    lines = []
    for line in data.splitlines():
        body, _, check = line.rpartition(b',"crc":"')
        assert f"{crc32(body):08x}" == check.decode().removesuffix('"}'), line
        lines.append(json.loads(line))
    return lines
