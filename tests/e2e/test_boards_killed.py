"""However the client ends, the board ends with its chips in reset and without power.

The board is emulated in another process, which tells of every change of its power.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import Running, pool, running, said

ON, OFF = r"chips out of reset, core at \d\.\d+ V", "chips in reset, core off"
ENDS = {
    "bitaxe-gamma": OFF,
    "emberone-00": OFF,
    "bitaxe-ultra": r"chips in reset, core at 1\.00 V",  # no part on it can switch its core off
}


@contextmanager
def board_and_client(name: str, folder: Path) -> Iterator[tuple[Running, Running, tuple[str, ...]]]:
    """Run an emulated board, a pool, and a client with both; yield the client's words too."""
    with (
        running("emulate", "device", name, "--pty", folder=folder) as board,
        pool("--difficulty", "2e-5", "--ignore-suggestions", folder=folder) as (_, url),
    ):
        device = board.wait_for(r"--device (\S+)")[1] + ",name=board,frequency=75"
        words = ("run", "--device", device, "--pool", url, "--user", "account.rig", "--json")
        with running(*words, folder=folder) as client:
            yield board, client, words


def last_power(board: Running) -> str:
    """Return what the board said last of its power."""
    told = [line.partition(": ")[2] for line in board.err.splitlines() if ": chips " in line]
    return told[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("name", ENDS)
def test_a_client_told_to_end_leaves_its_board_off(
    name: str, number: signal.Signals, tmp_path: Path
) -> None:
    with board_and_client(name, tmp_path) as (board, client, _):
        client.wait_for("share.accepted")
        board.wait_for(ON)

        assert client.ended(number) == 0
        board.wait_for(f"(?s){ON}.*{ENDS[name]}")

    assert "board.safe" in client.err
    assert "board.unsafe" not in client.err
    assert client.summary()["accepted"] >= 1


def test_a_client_told_to_end_while_it_starts_its_board_leaves_it_off(tmp_path: Path) -> None:
    with board_and_client("bitaxe-gamma", tmp_path) as (board, client, _):
        board.wait_for(ON)

        assert client.ended(signal.SIGTERM) == 0
        board.wait_for(f"(?s){ON}.*{OFF}")


def test_a_killed_client_leaves_its_board_on_until_safe_off(tmp_path: Path) -> None:
    with board_and_client("bitaxe-gamma", tmp_path) as (board, client, words):
        client.wait_for("share.accepted")
        board.wait_for(ON)

        assert client.ended(signal.SIGKILL) == -signal.SIGKILL
        assert OFF not in last_power(board)

        code, out, err = said("devices", "safe-off", *words[1:3], folder=tmp_path)
        assert (code, err) == (0, "")
        assert "board at" in out
        assert ": off: " in out
        board.wait_for(f"(?s){ON}.*{OFF}")


def test_a_client_started_after_a_kill_mines_with_the_board_it_finds_on(tmp_path: Path) -> None:
    with board_and_client("bitaxe-gamma", tmp_path) as (board, client, words):
        client.wait_for("share.accepted")
        client.ended(signal.SIGKILL)

        with running(*words, folder=tmp_path) as second:
            second.wait_for("share.accepted")
            assert second.ended() == 0
        board.wait_for(f"(?s){ON}.*{OFF}")

    assert second.summary()["hardware_errors"] == 0
