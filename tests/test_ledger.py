"""The ledger of a daemon: what stands in it, and what is settled after a kill."""

import hashlib
import json
from pathlib import Path

import pytest

from drivers.header import difficulty_of
from stratum_client.block_records import BlockFound, block_record_of, header_of, share_of
from stratum_client.job import Fate
from stratum_client.ledger import ShareLedger
from tests.ledgers import Book, a_share, block, captured_job


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "shares")


def opened(book: Book) -> ShareLedger:
    ledger = book.ledger()
    ledger.open()
    return ledger


def test_a_share_is_in_the_file_when_found_returns_and_its_fate_follows(book: Book) -> None:
    ledger, share = opened(book), a_share()

    ledger.found(share)
    [found] = [line for line in book.lines() if line["kind"] == "found"]
    ledger.ended(share, Fate.REJECTED, "low difficulty")
    ledger.close()

    assert difficulty_of(share.value) == pytest.approx(29588.014, abs=0.001), "as the pool saw it"
    assert {key: value for key, value in found.items() if key not in ("id", "crc", "time")} == {
        "kind": "found",
        "pool": "main",
        "session": 3,
        "job": captured_job().job_id,
        "height": captured_job().height,
        "difficulty": 8192.0,
        "share_difficulty": share.difficulty,
        "device": "bitaxe",
        "nonce": "7552034c",
        "ntime": "685468d7",
        "version": "20b44000",
        "extranonce2": "17000000",
        "block": False,
    }
    [ended] = [line for line in book.lines() if line["kind"] == "ended"]
    assert (ended["id"], ended["fate"]) == (found["id"], "rejected")
    assert ended["reason"] == "low difficulty"
    assert book.fates() == {found["id"]: ["found", "rejected"]}
    assert not book.reports.heard


def test_the_end_of_what_was_never_found_is_not_news(book: Book) -> None:
    ledger = opened(book)
    ledger.ended(a_share(), Fate.DISCARDED, "duplicate")
    ledger.close()

    assert book.kinds() == {"file": 1, "started": 1}


def test_two_processes_at_the_same_time_of_a_clock_that_was_reset_share_no_id(book: Book) -> None:
    for _ in range(2):
        ledger = opened(book)
        ledger.found(a_share())
        ledger.close()

    assert len(book.fates()) == 2


def test_what_a_killed_process_left_open_is_unanswered_at_the_next_start(book: Book) -> None:
    killed, answered, lost = opened(book), a_share(1), a_share(2)
    killed.found(answered)
    killed.ended(answered, Fate.ACCEPTED, "")
    killed.found(lost)

    for _ in range(3):
        opened(book).close()

    assert sorted(book.fates().values()) == [["found", "accepted"], ["found", "unanswered"]]
    [end] = [line for line in book.lines() if line.get("fate") == "unanswered"]
    assert end["reason"] == "the process ended before the reply"
    killed.close()


@pytest.mark.parametrize("torn", [1, 20, 400])
def test_a_torn_last_line_is_cut_and_nothing_else(book: Book, torn: int) -> None:
    ledger, share = opened(book), a_share()
    ledger.found(share)
    ledger.close()
    [path] = book.files()
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines(keepends=True)[-1][:-1][:torn])

    opened(book).close()

    assert path.read_bytes().startswith(whole)
    assert list(book.fates().values()) == [["found", "unanswered"]]


def test_a_damaged_line_in_the_middle_costs_that_line(book: Book) -> None:
    ledger, shares = opened(book), [a_share(nonce) for nonce in range(3)]
    for share in shares:
        ledger.found(share)
    ledger.close()
    [path] = book.files()
    data = bytearray(path.read_bytes())
    second = data.index(b'"nonce":"00000001"')
    data[second + 10] ^= 1
    path.write_bytes(data)

    opened(book).close()

    ends = [json.loads(line) for line in path.read_bytes().splitlines() if b'"ended"' in line]
    assert [end["fate"] for end in ends] == ["unanswered"] * 2


def test_a_block_is_recorded_with_all_it_takes_to_hand_it_in(book: Book) -> None:
    ledger, share = opened(book), block()
    ledger.found(share)
    [line] = book.blocks()
    ledger.close()

    coinbase = bytes.fromhex(str(line["coinbase"]))
    header = bytes.fromhex(str(line["header"]))
    root = hashlib.sha256(hashlib.sha256(coinbase).digest()).digest()
    branch = line["merkle_branch"]
    assert isinstance(branch, list)
    assert branch
    for sibling in branch:
        both = root + bytes.fromhex(sibling)
        root = hashlib.sha256(hashlib.sha256(both).digest()).digest()
    assert header[36:68] == root
    proof = hashlib.sha256(hashlib.sha256(header).digest()).digest()[::-1]
    assert proof.hex() == line["hash"]
    params = [share.job.job_id, "17000000", "685468d7", f"{share.nonce:08x}", "00b44000"]
    assert line["params"] == params
    assert (line["host"], line["session_id"]) == ("main.example", "abc")


def test_an_open_block_is_given_out_again_and_ends_under_its_old_id(book: Book) -> None:
    killed, share = opened(book), block()
    killed.found(share)
    killed.close()

    ledger = opened(book)
    [record] = ledger.unresolved
    again = ledger.take_back(record, "renamed")
    ledger.ended(again, Fate.ACCEPTED, "")
    ledger.close()

    assert header_of(again) == header_of(share)
    assert (again.value, again.is_block) == (share.value, True)
    assert (again.job.session.pool, again.job.session.number) == ("renamed", 0)
    assert book.fates() == {record.id: ["found", "accepted"]}
    assert [line["kind"] for line in book.blocks()] == ["block", "block_ended"]
    last = opened(book)
    last.close()
    assert not last.unresolved


def test_an_old_open_block_neither_holds_files_back_nor_is_found_twice(book: Book) -> None:
    ledger = opened(book)
    ledger.found(block())
    for nonce in range(600):
        share = a_share(nonce)
        ledger.found(share)
        ledger.ended(share, Fate.ACCEPTED, "")
    ledger.close()
    for _ in range(3):
        again = opened(book)
        again.close()

    firsts = [int(str(line["first"])) for line in book.lines() if line["kind"] == "file"]
    assert len(firsts) == len(book.files()) > 3
    assert all(first >= number for number, first in enumerate(firsts)), "one file back at most"
    assert len(again.unresolved) == 1
    assert book.fates()[again.unresolved[0].id] == ["found"]


def test_a_block_that_only_its_own_file_has_is_found_in_the_shares_too(book: Book) -> None:
    ledger = opened(book)
    ledger.found(block())
    ledger.close()
    [path] = book.files()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b'"found"' not in line))

    for _ in range(2):
        opened(book).close()

    assert list(book.fates().values()) == [["found"]]


def test_a_block_whose_end_only_its_own_file_has_is_ended_in_the_shares_too(book: Book) -> None:
    ledger, share = opened(book), block()
    ledger.found(share)
    ledger.ended(share, Fate.STALE, "stale")
    ledger.close()
    [path] = book.files()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b'"ended"' not in line))

    for _ in range(2):
        opened(book).close()

    assert list(book.fates().values()) == [["found", "stale"]]


def test_a_record_of_a_block_must_be_that_of_a_header(book: Book) -> None:
    ledger = opened(book)
    ledger.found(block())
    ledger.close()
    [line] = book.blocks()
    del line["crc"]

    assert isinstance(block_record_of(line), BlockFound)
    for key, value in [
        *(("nonce", 1), ("header", "00"), ("hash", "xyz"), ("merkle_branch", 5), ("time", "now")),
        *(("nonce", -1), ("version", 1 << 40), ("coinbase1", None), ("extra", 1), ("nbits", 1e400)),
    ]:
        assert block_record_of({**line, key: value}) is None, key
    assert block_record_of({key: value for key, value in line.items() if key != "job"}) is None
    good = block_record_of(line)
    assert isinstance(good, BlockFound)
    assert share_of(good, pool="x", now=1.0).is_block


def test_rotation_keeps_open_shares_in_sight_and_the_whole_within_bounds(book: Book) -> None:
    ledger, early, late = opened(book), a_share(1 << 31), block()
    ledger.found(early)
    ledger.found(late)
    for nonce in range(600):
        share = a_share(nonce)
        ledger.found(share)
        ledger.ended(share, Fate.ACCEPTED, "")
    ledger.close()
    assert len(book.files()) > 2

    again = opened(book)
    again.close()

    ends = [fates for fates in book.fates().values() if fates[-1] == "unanswered"]
    assert ends == [["found", "unanswered"]]
    assert [record.nonce for record in again.unresolved] == [late.nonce]
    assert all(fates[0] == "found" for fates in book.fates().values())


def test_only_so_much_is_kept_but_every_block(book: Book) -> None:
    ledger, first = opened(book), block()
    ledger.found(first)
    ledger.ended(first, Fate.REJECTED, "")
    for nonce in range(2600):
        share = a_share(nonce)
        ledger.found(share)
        ledger.ended(share, Fate.ACCEPTED, "")
    ledger.close()

    files = book.files()
    assert 900_000 < sum(path.stat().st_size for path in files) <= 1_000_000
    assert files[0].name != "shares-000001.jsonl"
    assert [line["kind"] for line in book.blocks()] == ["block", "block_ended"]
