"""`stratum-client shares` on ledgers as daemons leave them, whole and damaged."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stratum_client.cli import main
from stratum_client.job import Fate
from stratum_client.ledger import ShareLedger
from stratum_client.ledger_reading import Findings, Selection, shares_in
from stratum_client.ledger_records import Gap, line_of_record
from tests.ledgers import Book, a_share, block

NOW = 1_750_000_000.0


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Book]:
    monkeypatch.setenv("SC_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir(tmp_path)
    time.tzset()
    yield Book(tmp_path / "shares")
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def ledger(book: Book) -> Iterator[ShareLedger]:
    """A ledger of a daemon that runs: four shares, a minute between each two, and a block."""
    ledger = book.ledger()
    ledger.open()
    for nonce, fate in enumerate((Fate.ACCEPTED, Fate.ACCEPTED, Fate.STALE)):
        share = a_share(nonce, device="left" if nonce else "right")
        ledger.found(share)
        ledger.ended(share, fate, "stale" if fate is Fate.STALE else "")
        book.clock.now += 60
    ledger.found(a_share(3))
    solution = block()
    ledger.found(solution)
    ledger.ended(solution, Fate.REJECTED, "low difficulty")
    book.wait_for_lines(3 + 3 + 1 + 2)
    yield ledger
    ledger.close()


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["shares", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def objects(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    code, out, err = said(capsys, "--json", *words)
    assert (code, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.usefixtures("ledger")
def test_people_get_a_table_and_what_it_comes_to(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys)

    assert (code, err) == (0, "")
    head, *rows = out.splitlines()
    assert head.split()[:3] == ["TIME", "POOL", "DEVICE"]
    assert rows[0].split()[:4] == ["2025-06-15", "15:06:40", "main", "right"]
    assert "stale" in rows[2]
    assert sorted(("open" in row, "BLOCK" in row) for row in rows[3:5]) == [
        *((False, True), (True, False))
    ]
    assert "5 shares: 2 accepted, 1 rejected, 1 stale, 1 open" in out
    # 2 x 8192 x 2^32 hashes in 180 s, the little that a target of 65535 parts of 65536 adds.
    assert "accepted difficulty 16.4k, 391 GH/s over 3m00s" in out


@pytest.mark.usefixtures("ledger")
def test_machines_get_an_object_for_each_and_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    *shares, total = objects(capsys)

    assert [share["fate"] for share in shares] == [
        *("accepted", "accepted", "stale", "rejected", None)
    ]
    assert shares[2]["reason"] == "stale"
    assert {"id", "nonce", "ntime", "version", "extranonce2", "ended_at"} <= set(shares[0])
    assert total["kind"] == "summary"
    counts = [total[name] for name in ("shares", "accepted", "stale", "rejected", "open")]
    assert counts == [5, 2, 1, 1, 1]
    assert total["accepted_difficulty"] == 16384.0
    assert total["hashrate"] == pytest.approx(16384 * 2**32 * 65536 / 65535 / 180, rel=1e-9)


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("--device", "left"), 2),
        (("--device", "nobody"), 0),
        (("--pool", "main"), 5),
        (("--since", "2025-06-15T15:08:30"), 3),
        (("--since", "2025-06-15T17:08:30+02:00"), 3),
        (("--since", "2025-06-16"), 0),
    ],
)
def test_shares_are_chosen(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], count: int
) -> None:
    *shares, total = objects(capsys, *words)

    assert len(shares) == total["shares"] == count


@pytest.mark.usefixtures("ledger")
def test_a_duration_reaches_back_from_now(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(objects(capsys, "--since", "1h")) == 1
    assert len(objects(capsys, "--since", f"{int((time.time() - NOW) / 86400) + 1}d")) == 6


@pytest.mark.usefixtures("ledger")
def test_a_long_table_is_cut_and_the_summary_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(capsys, "--last", "2")

    assert "the last 2 of 5; --last 0 shows all" in out
    assert "5 shares" in out
    assert said(capsys, "--last", "0")[1].count("2025-06-15") == 5


@pytest.mark.usefixtures("ledger")
def test_blocks_come_with_all_it_takes_to_hand_them_in(capsys: pytest.CaptureFixture[str]) -> None:
    [found] = objects(capsys, "--blocks")
    _, out, _ = said(capsys, "--blocks")

    assert found["fate"] == "rejected"
    assert {"header", "coinbase", "params", "merkle_branch"} <= set(found)
    assert str(found["hash"]) in out
    assert "rejected" in out


def test_the_end_of_a_block_that_only_its_own_file_has_is_shown(
    ledger: ShareLedger, book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    [path] = book.files()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b'"low difficulty"' not in line))

    *shares, _ = objects(capsys)

    assert [share["fate"] for share in shares if share["block"]] == ["rejected"]


def test_no_ledger_is_an_error_that_says_where_it_was_looked_for(
    book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ([], ["--blocks"], ["--json"]):
        code, out, err = said(capsys, *words)

        assert (code, out) == (1, "")
        assert str(book.folder) in err


@pytest.mark.parametrize("words", [("--since", "yesterday"), ("--last", "-1"), ("--since", "9e9")])
def test_what_makes_no_sense_is_refused(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["shares", *words])

    assert ended.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_damaged_lines_are_named_and_what_is_around_them_is_read(
    ledger: ShareLedger, book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    [path] = book.files()
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = next(place for place, line in enumerate(lines) if b'"stale"' in line)
    lines[damaged] = b"\0" * 40 + b"\n"
    path.write_bytes(b"".join(lines))

    code, out, err = said(capsys)

    assert code == 0
    assert (
        err == f"stratum-client shares: {path} line {damaged + 1} is damaged and was passed over\n"
    )
    assert "5 shares: 2 accepted, 1 rejected, 2 open" in out


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 6000), st.binary(max_size=80), st.booleans())
def test_any_bytes_anywhere_cost_only_the_lines_they_are_in(
    ledger: ShareLedger, book: Book, place: int, noise: bytes, instead: bool
) -> None:
    [path] = book.files()
    data = path.read_bytes()
    place %= len(data)
    before = data[:place].count(b"\n")
    behind = data[place + len(noise) * instead :]
    after = behind.count(b"\n") - 1
    try:
        path.write_bytes(data[:place] + noise + behind)
        findings = Findings()
        list(shares_in(book.folder, Selection(), findings))
        whole = sum(1 for line in path.read_bytes().split(b"\n") if line) - findings.damaged
    finally:
        path.write_bytes(data)

    assert whole >= before + max(after, 0)
    assert findings.damaged <= noise.count(b"\n") + 1 + noise.count(b"\n") * instead


def test_a_gap_is_told(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    book.folder.mkdir()
    gap = Gap(time=NOW + 60, since=NOW, lost=7, reason="No space left on device")
    late = Gap(time=NOW + 60, since=NOW, lost=0, reason="the disk is too slow")
    lines = line_of_record(gap) + line_of_record(late)
    (book.folder / "shares-000001.jsonl").write_bytes(lines)

    _, out, _ = said(capsys)

    assert "no shares" in out
    assert "from 2025-06-15 15:06:40 to 2025-06-15 15:07:40: No space left on device (7 rec" in out
    assert "recorded late from 2025-06-15 15:06:40 to 2025-06-15 15:07:40: the disk is" in out
