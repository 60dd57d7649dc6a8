"""`stratum-client bench`: what it prints, and that the path it measures is the real one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from drivers.bm13xx.jobs import FullHeaderJob
from drivers.cpu.cores import usable_cores
from drivers.hashing import kernels, native
from stratum_client import bench_path, bench_text
from stratum_client.bench_kernels import KernelRate
from stratum_client.bench_pool import EXTRANONCE1, EXTRANONCE2_SIZE, MemoryPool
from stratum_client.emulated_pool.jobs import swap_words
from stratum_client.emulated_pool.proof_of_work import double_sha256, merkle_root
from tests.benchmarks.lines import Line, Section

QUICK = ("--seconds", "0.003")
COUNTS = sorted({1, usable_cores()})


def bench(*arguments: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    home = {name: str(folder) for name in ("HOME", "XDG_STATE_HOME", "TMPDIR") if folder}
    return subprocess.run(
        [sys.executable, "-m", "stratum_client", "bench", *arguments],
        env=os.environ | home,
        capture_output=True,
        text=True,
        check=False,
    )


def report(*arguments: str, folder: Path | None = None) -> dict[str, Any]:
    done = bench(*arguments, *QUICK, "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_json_has_each_kernel_with_one_thread_and_with_all() -> None:
    found = report("cpu")

    names = [kernel.name for kernel in kernels.available()]
    assert [(row["kernel"], row["threads"]) for row in found["kernels"]] == [
        (name, threads) for name in names for threads in COUNTS
    ]
    assert all(set(row) == {"kernel", "threads", "hashrate"} for row in found["kernels"])
    assert all(row["hashrate"] > 0 for row in found["kernels"])
    assert {row["kernel"] for row in found["several_midstates"]} == set(names) - {"hashlib"}
    assert found["unavailable"] == kernels.unavailable()
    assert "path" not in found


def test_json_has_the_path_for_each_number_of_devices() -> None:
    found = report("path")

    assert set(found) == {"path"}
    path = found["path"]
    assert path["branches"] == 12
    assert path["works_per_second"] > 0
    assert [row["devices"] for row in path["devices"]] == [1, 10, 100]
    for row in path["devices"]:
        assert row["repetitions"] >= 10
        for name in ("first_frame", "last_frame", "submit"):
            assert 0 < row[name]["p50"] <= row[name]["p99"]
        assert row["first_frame"]["p50"] <= row["last_frame"]["p50"]


def test_everything_is_measured_by_default_and_nothing_is_kept(tmp_path: Path) -> None:
    found = report(folder=tmp_path)

    assert list(found) == ["kernels", "several_midstates", "unavailable", "path"]
    assert list(tmp_path.iterdir()) == []


def test_the_table_names_every_kernel_and_why_some_are_missing() -> None:
    done = bench("cpu", *QUICK)

    assert done.returncode == 0, done.stderr
    for name in (*native.NAMES, "hashlib"):
        assert name in done.stdout
    for reason in kernels.unavailable().values():
        assert reason in done.stdout
    assert "devices" not in done.stdout


def test_the_path_is_a_table_too() -> None:
    done = bench("path", *QUICK)

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("works with 12 branches: ")
    assert [line.split()[0] for line in lines[4:7]] == ["1", "10", "100"]


def test_help_says_what_is_measured() -> None:
    done = bench("--help")

    assert done.returncode == 0
    for word in ("cpu", "path", "all", "--seconds", "--json", "exit codes"):
        assert word in done.stdout


@pytest.mark.parametrize(
    "arguments", [("--seconds", "0"), ("--seconds", "nan"), ("--seconds", "1h"), ("gpu",)]
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...]) -> None:
    done = bench(*arguments)

    assert done.returncode == 2
    assert done.stdout == ""
    assert "bench: error:" in done.stderr


LONG_RUN = """
import signal, sys
from stratum_client.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
sys.exit(main(["bench", "cpu", "--seconds", "600"]))
"""


def is_hashing(processes: list[str]) -> bool:
    """Return whether the first process has used CPU time: it is told to when all are there."""
    if not processes:
        return False
    nanoseconds, *_ = Path(f"/proc/{processes[0]}/schedstat").read_text().split()
    return int(nanoseconds) > 200_000_000


def test_an_interrupt_ends_it_with_all_its_processes() -> None:
    command = [sys.executable, "-c", LONG_RUN]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            if not children.exists():
                pytest.skip("this system does not list a process' children")
            while not is_hashing(hashers := children.read_text().split()):
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, complaint = process.communicate(timeout=20)
        finally:
            process.kill()

    assert process.returncode == 130, complaint
    assert complaint == ""
    assert not [pid for pid in hashers if Path(f"/proc/{pid}").exists()]


def test_reasons_that_several_kernels_share_are_told_once() -> None:
    reason = "the C extension is not built; sudo apt install gcc python3-dev"
    row = KernelRate(kernel="hashlib", midstates=1, threads=1, hashrate=1e6, ratio=1.0)

    text = bench_text.kernels_text([row], dict.fromkeys(native.NAMES, reason))

    assert text.count(reason) == 1
    assert "sha-ni, avx512, avx2, armv8, portable" in text
    assert "1 MH/s" in text


def test_frames_are_of_the_new_block_with_a_root_of_their_own() -> None:
    async def measure(rig: bench_path._Rig, pool: MemoryPool) -> None:
        line = pool.new_block()
        pool.send(line)

        _, wire_prev_hash, before, after, branch, *_ = json.loads(line)["params"]
        assert len(branch) == bench_path.BRANCHES
        jobs = [FullHeaderJob().decode(device.frame) for device in rig.devices]
        prev_hash = swap_words(bytes.fromhex(wire_prev_hash))
        assert [job.prev_hash for job in jobs] == [prev_hash] * 3
        coinbases = [
            bytes.fromhex(before) + EXTRANONCE1 + bytes([n]) + bytes(7) + bytes.fromhex(after)
            for n in range(3)
        ]
        assert EXTRANONCE2_SIZE == 8
        siblings = [bytes.fromhex(sibling) for sibling in branch]
        assert [job.merkle_root for job in jobs] == [
            merkle_root(coinbase, siblings) for coinbase in coinbases
        ]

    bench_path._run(3, measure)


def test_a_solved_nonce_reaches_the_pool_as_a_submit() -> None:
    async def measure(rig: bench_path._Rig, pool: MemoryPool) -> None:
        pool.send(pool.new_block())
        pool.answer()
        header = FullHeaderJob().decode(rig.devices[1].frame).header(7)
        assert double_sha256(header)[-1] < 255  # so it meets the easiest difficulty

        rig.devices[1].solve(7)

        [line] = pool._unread.splitlines()
        request = json.loads(line)
        assert request["method"] == "mining.submit"
        assert request["params"][2] == "0100000000000000"
        assert request["params"][4] == "00000007"
        pool.answer()
        assert rig.miner.tally.last_accepted is not None

    bench_path._run(2, measure)


def test_percentiles_are_values_that_occurred() -> None:
    found = bench_path._percentiles([n * 1000 for n in range(100, 0, -1)])

    assert found == bench_path.Percentiles(p50=50e-6, p99=99e-6)


def test_lines_say_whether_an_aim_is_met() -> None:
    lines = [
        Line("quick", value="1 us", ratio="2", aim="3 us", met=True),
        Line("slow", value="9 us", ratio="18", aim="3 us", met=False),
        Line("free", value="1 us"),
    ]

    heading, *rows = str(Section("path", "sha256d", lines)).splitlines()

    assert heading.split() == ["path", "measured", "x", "sha256d", "aim"]
    assert [row.split()[-1] for row in rows] == ["met", "missed", "us"]
