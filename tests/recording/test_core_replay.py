"""What was recorded comes out again, byte for byte; and what did not happen so is found out."""

import asyncio
import json
from pathlib import Path

import pytest

from stratum_client.cli import main
from stratum_client.job import Fate
from stratum_client.recording.entries import What
from stratum_client.replay.outcome import Outcome, replayed
from tests.recording.rig import PASSWORD, USER, last_run, recorded


async def _recording(file: Path, *faults: str) -> dict[str, int]:
    """Record shares before, amid and after ``faults``; return what became of them."""
    async with recorded(file) as bench:
        await bench.mine_shares(10)
        for fault in faults:
            bench.server.inject(fault)
            await bench.mine_shares(10)
        await bench.mine_shares(5)
    return {str(fate): count for fate, count in bench.ours.fates.items()}


async def _replay(file: Path, *options: str) -> int:
    """Replay in a thread: the loop here is the test's."""
    return await asyncio.to_thread(main, ["replay", str(file), *options])


async def test_a_run_replays_to_the_same_shares_bytes_and_work(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    fates = await _recording(file, "block", "work", "difficulty=tiny", "swing=4", "extranonce")

    run = last_run(file)
    outcome = await _outcome(file)

    assert not outcome.differences
    assert outcome.then == outcome.now == fates
    assert sum(entry.what is What.FOUND for entry in run.entries) >= 50
    sent = b"".join(e.data for e in run.entries if e.rim == "pool" and e.what is What.OUT)
    assert sent.count(b"mining.submit") >= fates["accepted"]  # more if a session was lost


@pytest.mark.parametrize(
    "faults",
    [
        ("close", "reset", "restart"),
        ("send=garbage", "giant-line=3000000"),
        ("job=merkle-30", "mask=00c00000", "reuse-job-id"),
        ("storm=30", "redirect"),
        ("segments=7,times=40", "send=not-utf-8"),
    ],
    ids="+".join,
)
async def test_a_pool_that_misbehaves_is_replayed_with_all_that_it_did(
    tmp_path: Path, faults: tuple[str, ...]
) -> None:
    file = tmp_path / "run.jsonl"
    fates = await _recording(file, *faults)

    outcome = await _outcome(file)

    assert not outcome.differences
    assert outcome.now == fates


async def test_a_changed_share_is_told_with_its_line_and_the_exit_code_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.jsonl"
    await _recording(file)
    lines = file.read_text().splitlines(keepends=True)
    number = next(i for i, line in enumerate(lines) if "mining.submit" in line)
    nonce = json.loads(json.loads(lines[number])["text"].splitlines()[0])["params"][4]
    lines[number] = lines[number].replace(nonce, f"{int(nonce, 16) ^ 1:08x}")
    file.write_text("".join(lines))

    exit_code = await _replay(file)

    assert exit_code == 1
    said = capsys.readouterr().out
    assert f"DIFFERENT: pool pool, line {number + 1}," in said
    assert f"then: sends {json.loads(lines[number])['text'][:20]}" in said
    assert nonce in said.partition("now:")[2]


async def test_an_answer_that_was_other_changes_what_became_of_the_shares(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    fates = await _recording(file)
    refused = r"\"result\":null,\"error\":[21,\"Job not found\",null]"
    text = file.read_text()
    at = text.index("mining.submit")
    accepted = next(
        form
        for form in (r"\"result\":true,\"error\":null", r"\"error\":null,\"result\":true")
        if form in text[at:]
    )
    file.write_text(text[:at] + text[at:].replace(accepted, refused, 1))

    outcome = await _outcome(file)

    assert outcome.now["stale"] == fates["stale"] + 1
    assert outcome.now["accepted"] == fates["accepted"] - 1
    assert [one.whose for one in outcome.differences] == ["shares"]


async def test_a_missing_line_of_ours_is_found(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    await _recording(file)
    lines = file.read_text().splitlines(keepends=True)
    number = max(i for i, line in enumerate(lines) if "mining.submit" in line)
    del lines[number]
    file.write_text("".join(lines))

    outcome = await _outcome(file)

    assert "pool pool" in [one.whose for one in outcome.differences]


async def test_the_exit_code_and_one_object_tell_that_all_is_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.jsonl"
    fates = await _recording(file)

    exit_code = await _replay(file, "--json", "--speed", "1000")

    assert exit_code == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["same"] is True
    assert said["shares"] == {"then": fates, "now": fates}


async def test_nothing_secret_is_in_the_file_and_a_user_only_if_wanted(tmp_path: Path) -> None:
    hidden, kept = tmp_path / "hidden.jsonl", tmp_path / "kept.jsonl"
    await _recording(hidden, "message=hello " + USER)
    async with recorded(kept, keep_users=True) as bench:
        await bench.mine_shares(3)

    assert PASSWORD not in hidden.read_text() + kept.read_text()
    for part in (USER, *USER.split(".")):
        assert part not in hidden.read_text()
        assert part in kept.read_text()
    assert not (await _outcome(hidden)).differences
    assert not (await _outcome(kept)).differences


async def test_a_recording_that_was_cut_off_replays_as_far_as_it_goes(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    await _recording(file, "block")
    data = file.read_bytes()
    half = data.rindex(b"\n", 0, len(data) * 2 // 3)
    file.write_bytes(data[: half + 30])

    outcome = await _outcome(file)

    assert outcome.ends_early == "its last line is torn"
    assert not outcome.differences


async def test_runs_in_one_file_are_replayed_one_by_one(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    first = await _recording(file)
    with file.open("ab") as torn:
        torn.write(b'{"t":12.0,"rim":"pool","na')
    second = await _recording(file, "work")

    exit_codes = [await _replay(file, "--run", number) for number in ("0", "1", "2", "3")]

    assert exit_codes == [0, 0, 0, 2]
    assert first[Fate.ACCEPTED]
    assert second[Fate.ACCEPTED]


async def _outcome(file: Path) -> Outcome:
    return await asyncio.to_thread(replayed, last_run(file))
