"""Kill -9 between a block and its submit, in real processes: the next start hands the block in."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import PATIENCE, pool, running, said

ROOT = Path(__file__).parents[2]
POOL = ("--difficulty", "0.0001", "--network-difficulty", "0.0008", "--ignore-suggestions")
DEVICE = ("--device", "cpu,threads=1")


def mine_until_killed(url: str, folder: Path) -> None:
    """Mine until a block is found; it is never sent."""
    words = ("run", "--pool", url, "--user", "account.rig", *DEVICE)
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG"}}
    ended = subprocess.run(
        [sys.executable, "-m", "tests.e2e.killed_at_a_block", *words],
        cwd=ROOT,
        env={**kept, "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")},
        capture_output=True,
        timeout=4 * PATIENCE,
        check=False,
    )
    assert ended.returncode == -9, ended.stderr.decode()[-2000:]


def the_first_block(folder: Path) -> dict[str, Any]:
    code, out, err = said("shares", "--blocks", "--json", folder=folder)
    assert (code, err) == (0, "")
    block: dict[str, Any] = json.loads(out.splitlines()[0])
    return block


@pytest.fixture
def orphan(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """A pool, and a block that was found there by a process that is dead."""
    with pool(*POOL, *request.param, folder=tmp_path) as (_, url):
        mine_until_killed(url, tmp_path)
        yield url, the_first_block(tmp_path)


@pytest.mark.parametrize("orphan", [()], indirect=True)
def test_a_pool_that_resumes_the_session_takes_the_block_of_a_dead_process(
    orphan: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    url, block = orphan
    assert block["fate"] is None

    words = ("run", "--pool", url, "--user", "account.rig", *DEVICE, "--json")
    with running(*words, folder=tmp_path) as run:
        run.wait_for(f"BLOCK.ACCEPTED.*{block['hash']}")
        assert run.ended() == 0

    assert the_first_block(tmp_path)["fate"] == "accepted"


@pytest.mark.parametrize("orphan", [("--no-resume",)], indirect=True)
def test_a_pool_that_does_not_is_offered_it_all_the_same_and_a_human_is_told(
    orphan: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    url, block = orphan

    words = ("run", "--pool", url, "--user", "account.rig", *DEVICE, "--json")
    with running(*words, folder=tmp_path) as run:
        run.wait_for(f"BLOCK.WAITING.*header={block['header']}")
        run.wait_for(f"BLOCK.REFUSED_ELSEWHERE.*{block['hash']}")
        assert run.ended() == 0
        assert f"coinbase={block['coinbase']}" in run.err

    again = the_first_block(tmp_path)
    assert (again["id"], again["fate"]) == (block["id"], None), "it waits for the next start"
