"""The energy ledger: what it proves, what it survives, and that no edit of it goes unseen."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stratum_client.control.energy_book import checkpoint_of, started
from stratum_client.control.energy_chain import FIRST, chained, line_in, sealed
from stratum_client.control.energy_records import RecordError, interval_in
from stratum_client.control.energy_verify import Verdict
from stratum_client.control.io.energy_ledger import (
    HEAD_NAME,
    OPEN_NAME,
    intervals_in,
    ledger_files,
    verify,
)
from stratum_client.control.io.signing_key import (
    KEY_NAME,
    PUBLIC_NAME,
    SigningError,
    make_key,
    read_key,
    signature_check,
)
from tests.energy_ledgers import HOUR, PLAIN, START, Ledger, lines_of, records, whole_ledger


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ledgers made once: ``plain`` and ``signed``."""
    folder = tmp_path_factory.mktemp("ledgers")
    whole_ledger(folder / "plain")
    whole_ledger(folder / "signed", make_key(folder / "signed" / KEY_NAME))
    return folder


def checked(path: Path, **more: str) -> Verdict:
    return verify(path, check=signature_check(), **more)


def test_a_ledger_as_it_was_written_is_good(made: Path) -> None:
    plain, signed = (checked(made / name) for name in ("plain", "signed"))

    assert (plain.problems, signed.problems) == ([], [])
    assert plain.intervals == signed.intervals == 48
    assert (plain.sealed_to, signed.sealed_to) == (0, signed.last_seq)
    assert signed.signers == {(made / "signed" / PUBLIC_NAME).read_text().strip()}
    assert len(ledger_files(made / "plain")) > 1
    assert (str(plain.first_day), str(plain.last_day)) == ("2025-11-24", "2025-11-26")


def test_the_chain_can_be_followed_with_nothing_but_sha256(made: Path) -> None:
    before, total = FIRST, 0
    for number, line in enumerate(lines_of(made / "plain"), 1):
        body, _, digest = line.rpartition(b',"sha256":"')
        fields = json.loads(line)
        assert (fields["seq"], fields["prev"]) == (number, before)
        before = sha256(body).hexdigest()
        assert digest == before.encode() + b'"}\n'
        total += fields["kind"] == "day"
    assert total == 2, "of the last day there is none yet"


def test_totals_of_days_are_the_sum_of_their_intervals(made: Path) -> None:
    by_day: dict[str, int] = {}
    for line in map(json.loads, lines_of(made / "plain")):
        micro = {"interval": 1, "day": -1}.get(line["kind"], 0)
        for energy in line["rig"]["wh"].values() if micro else ():
            whole = micro * int(energy.replace(".", ""))
            by_day[line["day"]] = by_day.get(line["day"], 0) + whole
    assert [by_day[day] for day in sorted(by_day)[:2]] == [0, 0]
    assert len(by_day) == 3


# --- no edit goes unseen ---


def flip(data: bytearray, random: Random) -> None:
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def insert(data: bytearray, random: Random) -> None:
    data.insert(random.randrange(len(data) + 1), random.choice(b'0 \n{"x'))


def remove(data: bytearray, random: Random) -> None:
    del data[random.randrange(len(data))]


def cut(data: bytearray, random: Random) -> None:
    del data[random.randrange(len(data)) :]


def lines_changed(
    change: Callable[[list[bytes], Random], None],
) -> Callable[[bytearray, Random], None]:
    def changed(data: bytearray, random: Random) -> None:
        lines = bytes(data).splitlines(keepends=True)
        change(lines, random)
        data[:] = b"".join(lines)

    return changed


def drop_line(lines: list[bytes], random: Random) -> None:
    del lines[random.randrange(len(lines))]


def repeat_line(lines: list[bytes], random: Random) -> None:
    number = random.randrange(len(lines))
    lines.insert(random.randrange(len(lines) + 1), lines[number])


def swap_lines(lines: list[bytes], random: Random) -> None:
    one, two = random.randrange(len(lines)), random.randrange(len(lines))
    lines[one], lines[two] = lines[two], lines[one]


def cut_lines(lines: list[bytes], random: Random) -> None:
    del lines[random.randrange(len(lines)) :]


EDITS = [
    *(flip, insert, remove, cut),
    *map(lines_changed, (drop_line, repeat_line, swap_lines, cut_lines)),
]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["plain", "signed"]),
    edits=st.lists(st.sampled_from(EDITS), min_size=1, max_size=3),
    seed=st.integers(0, 2**32),
)
def test_any_changed_removed_or_swapped_byte_or_line_is_found(
    made: Path,
    tmp_path: Path,
    name: str,
    edits: list[Callable[[bytearray, Random], None]],
    seed: int,
) -> None:
    random, folder = Random(seed), tmp_path / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made / name, folder)
    path = random.choice([*ledger_files(folder), folder / HEAD_NAME])
    before = path.read_bytes()
    data = bytearray(before)
    for edit in edits:
        edit(data or bytearray(b"\n"), random)
    path.write_bytes(data)

    verdict = checked(folder)

    assert verdict.is_good == (data == before), verdict.problems


@pytest.mark.parametrize(
    "gone", ["head.json", "energy-000001.jsonl", "energy-000002.jsonl", "last"]
)
def test_a_file_that_is_gone_is_missed(made: Path, tmp_path: Path, gone: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made / "plain", folder)
    path = ledger_files(folder)[-1] if gone == "last" else folder / gone
    path.unlink()

    assert not checked(folder).is_good


def rewritten(lines: list[bytes], change: Callable[[dict[str, object]], None]) -> list[bytes]:
    """Return a chain made anew, as somebody would who knows how but has no key."""
    before, result = FIRST, []
    for seq, line in enumerate(lines, 1):
        fields = json.loads(line)
        del fields["sha256"], fields["seq"], fields["prev"]
        change(fields)
        data, chain = chained(fields, seq=seq, prev=before)
        before = chain.digest
        result.append(data)
    return result


def forge(folder: Path) -> None:
    """Write the whole ledger anew with other hours in it, and a head that fits."""

    def change(fields: dict[str, object]) -> None:
        if fields["kind"] == "start":
            fields["rig"] = "another"

    lines = rewritten(lines_of(folder), change)
    for path in ledger_files(folder)[1:]:
        path.unlink()
    ledger_files(folder)[0].write_bytes(b"".join(lines))
    last = line_in(lines[-1][:-1])
    assert last
    head = json.loads((folder / HEAD_NAME).read_bytes())
    kept = {key: head[key] for key in ("kind", "time", "key", "signature") if key in head}
    (folder / HEAD_NAME).write_bytes(chained(kept, seq=last.seq, prev=last.digest)[0])


def test_a_chain_written_anew_shows_by_the_key_or_by_a_digest_that_was_noted(
    made: Path, tmp_path: Path
) -> None:
    noted = checked(made / "plain").last_digest
    for name in ("plain", "signed"):
        shutil.copytree(made / name, tmp_path / name)
        forge(tmp_path / name)

    assert checked(tmp_path / "plain").is_good, "without a key nobody can tell, as the docs say"
    assert not checked(tmp_path / "plain", noted=noted).is_good
    assert checked(made / "plain", noted=noted).is_good
    assert any("signature is false" in problem for problem in checked(tmp_path / "signed").problems)


def test_another_key_is_not_believed_when_one_is_named(made: Path, tmp_path: Path) -> None:
    right = (made / "signed" / PUBLIC_NAME).read_text().strip()
    other = make_key(tmp_path / KEY_NAME)

    assert checked(made / "signed", key=right).is_good
    assert not checked(made / "signed", key=other.key).is_good
    assert not checked(made / "plain", key=other.key).is_good


def test_without_the_library_a_signed_ledger_is_not_called_good(made: Path) -> None:
    assert verify(made / "plain", check=None).is_good
    assert any("[signing]" in problem for problem in verify(made / "signed", check=None).problems)


def test_a_total_that_does_not_add_up_is_found_even_in_a_perfect_chain(
    made: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made / "plain", folder)
    path = ledger_files(folder)[0]

    def change(fields: dict[str, object]) -> None:
        if fields["kind"] == "day":
            fields["intervals"] = 1

    path.write_bytes(b"".join(rewritten(path.read_bytes().splitlines(True), change)))

    assert any("not the sum" in problem for problem in verify(path, check=None).problems)


# --- what it survives ---


def numbers(folder: Path) -> list[tuple[str, int]]:
    return [(record.run, record.number) for record in intervals_in(folder)]


def test_a_restart_goes_on_with_the_chain_and_a_total_comes_with_the_next_day(
    tmp_path: Path,
) -> None:
    first, second = (
        records(PLAIN, START, 600, run="a"),
        records(PLAIN, START + 30 * HOUR, 300, run="b"),
    )
    for part in (first, second):
        with Ledger(tmp_path) as book:
            for record in part:
                book.ledger.add(record)

    kinds = [json.loads(line)["kind"] for line in lines_of(tmp_path)]
    assert kinds == ["interval", "interval", "day", "interval"]
    assert checked(tmp_path).is_good


@pytest.mark.parametrize("written", [False, True], ids=["lost with the kill", "written before it"])
def test_what_was_open_at_a_kill_is_recovered_once(tmp_path: Path, written: bool) -> None:
    first, second, *_ = records(PLAIN, START, 900, run="killed")
    with Ledger(tmp_path) as book:
        book.ledger.add(first)
        if written:
            book.ledger.add(second)
        book.ledger.checkpoint(second)

    for _ in range(2):
        with Ledger(tmp_path) as book:
            if recovered := book.restored.recovered:
                book.ledger.add(recovered)

    assert numbers(tmp_path) == [("killed", 1), ("killed", 2)]
    assert checked(tmp_path).is_good


def test_a_damaged_checkpoint_is_left_alone(tmp_path: Path) -> None:
    [first, *_] = records(PLAIN, START, 300)
    (tmp_path / OPEN_NAME).write_bytes(checkpoint_of(first)[:-9])

    with Ledger(tmp_path) as book:
        assert book.restored.recovered is None


@pytest.mark.parametrize("left", range(1, 400, 23))
def test_a_torn_last_line_costs_nothing_but_itself(tmp_path: Path, left: int) -> None:
    first, second, third, *_ = records(PLAIN, START, 1200)
    with Ledger(tmp_path) as book:
        book.ledger.add(first)
    [path] = ledger_files(tmp_path)
    torn = chained(second.json(), seq=2, prev=book.ledger.book.digest)[0][:left]
    path.write_bytes(path.read_bytes() + torn)
    assert checked(tmp_path).torn

    with Ledger(tmp_path) as book:
        book.ledger.add(third)

    assert numbers(tmp_path) == [("run", 1), ("run", 3)]
    assert checked(tmp_path).is_good


def test_an_end_that_was_cut_off_stays_visible_after_the_daemon_went_on(tmp_path: Path) -> None:
    first, second, third, *_ = records(PLAIN, START, 1200)
    with Ledger(tmp_path) as book:
        book.ledger.add(first)
        book.ledger.add(second)
    [path] = ledger_files(tmp_path)
    path.write_bytes(path.read_bytes().splitlines(True)[0])

    with Ledger(tmp_path) as book:
        assert book.restored.missing_to == 2
        assert book.reports.events() == ["energy.lines_missing"]
        book.ledger.add(started(run="r", time="t", rig="rig", version="1", missing=2))
        book.ledger.add(third)

    assert checked(tmp_path).problems == ["energy-000001.jsonl line 2: line 3 follows line 1"]


class Disk:
    """Takes as much as it is told to."""

    def __init__(self) -> None:
        self.room: int | None = None

    def write(self, descriptor: int, data: bytes) -> int:
        if self.room is not None:
            data, self.room = data[: self.room], self.room - len(data[: self.room])
            if not data:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(descriptor, data)


def test_a_full_disk_loses_nothing_once_there_is_room_again(tmp_path: Path) -> None:
    disk = Disk()
    with Ledger(tmp_path, write=disk.write, retry=0.01) as book:
        first, second, third, *_ = records(PLAIN, START, 1200)
        book.ledger.add(first)
        book.wait_for(lambda: bool(numbers(tmp_path)))
        disk.room = 150
        book.ledger.add(second)
        book.ledger.add(third)
        book.wait_for(lambda: book.ledger.failing)
        assert numbers(tmp_path) == [("run", 1)]
        disk.room = None
        book.wait_for(lambda: not book.ledger.failing)

    assert numbers(tmp_path) == [("run", 1), ("run", 2), ("run", 3)]
    assert checked(tmp_path).is_good
    assert book.reports.events() == ["energy.failing", "energy.recovered"]
    assert "mining goes on" in str(book.reports.heard[0])


def test_a_folder_that_cannot_be_made_is_reported_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / "energy").write_text("in the way")
    with Ledger(tmp_path / "energy", retry=0.01) as book:
        [first, *_] = records(PLAIN, START, 300)
        book.ledger.add(first)
        book.wait_for(lambda: book.ledger.failing)
        (tmp_path / "energy").unlink()
        book.wait_for(lambda: not book.ledger.failing)

    assert numbers(tmp_path / "energy") == [("run", 1)]


KILLED = """
import sys
from pathlib import Path
from tests.energy_ledgers import PLAIN, START, Ledger, records

run = sys.argv[2]
with Ledger(Path(sys.argv[1])) as book:
    if book.restored.recovered:
        book.ledger.add(book.restored.recovered)
    print("ready", flush=True)
    for record in records(PLAIN, START, 40_000_000, run=run, step=14):
        book.ledger.checkpoint(record)
        book.ledger.add(record)
"""


def test_kill_9_at_any_moment_leaves_a_good_ledger_with_each_interval_once(tmp_path: Path) -> None:
    random = Random(7)
    for run in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path), f"run{run}"],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
        )
        with process:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
            size = sum(path.stat().st_size for path in ledger_files(tmp_path))
            goal = size + random.randrange(1, 60_000)
            while sum(path.stat().st_size for path in ledger_files(tmp_path)) < goal:
                assert process.poll() is None
            process.send_signal(signal.SIGKILL)

    with Ledger(tmp_path) as book:
        if recovered := book.restored.recovered:
            book.ledger.add(recovered)
    assert checked(tmp_path).problems == []
    for run in range(3):
        found = [number for name, number in numbers(tmp_path) if name == f"run{run}"]
        assert found == list(range(1, len(found) + 1))


# --- keys ---


def test_a_key_is_for_its_owner_alone_and_is_never_replaced(tmp_path: Path) -> None:
    key = make_key(tmp_path / "deep" / KEY_NAME)

    assert (tmp_path / "deep" / KEY_NAME).stat().st_mode & 0o777 == 0o600
    assert read_key(tmp_path / "deep" / KEY_NAME).key == key.key
    with pytest.raises(FileExistsError):
        make_key(tmp_path / "deep" / KEY_NAME)


def test_a_key_made_by_openssl_signs_and_openssl_agrees(tmp_path: Path) -> None:
    path, message, signature = (tmp_path / name for name in ("k.pem", "message", "signature"))
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True)
    message.write_bytes(sealed(7, "ab" * 32))
    signature.write_bytes(read_key(path).sign(message.read_bytes()))

    words = ["openssl", "pkeyutl", "-verify", "-inkey", str(path), "-rawin", "-in", str(message)]
    done = subprocess.run([*words, "-sigfile", str(signature)], check=True, capture_output=True)

    assert b"Verified Successfully" in done.stdout


def test_what_is_no_key_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    path.write_text("nonsense")
    with pytest.raises(SigningError, match="no private key in PEM"):
        read_key(path)
    words = ["openssl", "genpkey", "-algorithm", "x25519", "-out", str(path)]
    subprocess.run(words, check=True)
    with pytest.raises(SigningError, match="Ed25519 is needed"):
        read_key(path)


# --- lines ---


@given(st.binary(max_size=300))
def test_no_bytes_are_taken_for_a_line(data: bytes) -> None:
    assert line_in(data) is None


def with_digest(body: str) -> bytes:
    return f'{body},"sha256":"{sha256(body.encode()).hexdigest()}"}}\n'.encode()


@pytest.mark.parametrize(
    "inside",
    [
        '"a":NaN,',
        '"a":1e999,',
        f'"a":{"[" * 200_000},',
        f'"a":{"9" * 5000},',
        '"a" :1,',
    ],
)
def test_a_line_with_the_right_digest_is_no_line_unless_it_is_written_in_the_one_way(
    inside: str, tmp_path: Path
) -> None:
    line = with_digest(f'{{{inside}"kind":"start","prev":"{FIRST}","seq":1')
    (tmp_path / "energy-000001.jsonl").write_bytes(line)

    problem = "energy-000001.jsonl line 1: the line is not as it was written"
    assert problem in checked(tmp_path).problems


def test_numbers_out_of_all_bounds_are_a_problem_and_no_crash(tmp_path: Path) -> None:
    [record] = records(PLAIN, START, 300)
    fields = json.loads(json.dumps(record.json()))
    fields["rig"]["wh"]["driver"] = fields["price"] = fields["cost"] = "9" * 24
    fields["currency"] = "KZT"
    line, _ = chained(fields, seq=1, prev=FIRST)
    (tmp_path / "energy-000001.jsonl").write_bytes(line)

    assert "energy-000001.jsonl line 1: a number out of bounds" in checked(tmp_path).problems
    assert list(intervals_in(tmp_path)) == []


def test_a_record_is_read_as_it_was_written() -> None:
    for record in records(PLAIN, START, 900):
        assert interval_in(record.json()) == record


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["wh", "th", "rig", "day", "start"]), inner, max_size=3
            )
        ),
        max_leaves=6,
    )
)
def test_a_line_of_other_things_is_refused_with_the_one_error(junk: object) -> None:
    [record, *_] = records(PLAIN, START, 300)
    for key in record.json():
        fields = {**record.json(), key: junk}
        with suppress(RecordError):
            interval_in(fields)
