"""The verb: its arguments, what it prints, how it ends."""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from stratum_client.emulated_pool.arguments import settings_of
from stratum_client.emulated_pool.command import add_arguments, serve
from stratum_client.emulated_pool.events import (
    BlockFound,
    ClientAnswered,
    ClientAuthorized,
    ClientConnected,
    ClientGone,
    Event,
    FaultPlayed,
    ShareJudged,
)
from stratum_client.emulated_pool.known_pools import CKPOOL
from stratum_client.emulated_pool.reporting import json_of, line_of, summary_of
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.emulated_pool.tally import Fate, Tally
from stratum_client.emulated_pool.vardiff import VardiffSettings
from stratum_client.errors import ConfigError
from tests.emulated_pool.rig import Rig


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def test_without_arguments_it_is_a_plain_pool_on_loopback() -> None:
    assert settings_of(parsed()) == PoolSettings(listen_port=3333)


def test_every_argument_reaches_the_settings(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("carol:pass:word\n\n dave:x \n")

    settings = settings_of(
        parsed(
            *("--listen", "[::1]:4444", "--profile", "ckpool", "--difficulty", "0.25"),
            *("--vardiff", "2.5", "--network-difficulty", "8", "--block-every", "5s"),
            *("--work-every", "10", "--extranonce-every", "1m", "--branches", "3"),
            *("--outputs", "3", "--job-version", "2000e000", "--version-mask", "00006000"),
            *("--extranonce1-size", "6", "--extranonce2-size", "4"),
            *("--users", "alice:secret", str(users), "--check-addresses", "--no-resume"),
            "--ignore-suggestions",
            *("--idle-timeout", "90", "--max-clients", "7"),
            *("--fault", "close,shares=10", "--fault", "crlf"),
            *("--payout", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
        )
    )

    assert (settings.listen_host, settings.listen_port) == ("::1", 4444)
    assert settings.profile == CKPOOL
    assert settings.difficulty == 0.25
    assert settings.vardiff == VardiffSettings(seconds_per_share=2.5)
    assert settings.chain.network_difficulty == 8
    assert (settings.block_every, settings.work_every, settings.extranonce_every) == (5, 10, 60)
    assert (settings.chain.branches, settings.chain.outputs) == (3, 3)
    assert (settings.chain.version, settings.version_mask) == (0x2000E000, 0x6000)
    assert (settings.extranonce1_size, settings.extranonce2_size) == (6, 4)
    assert settings.users == {"alice": "secret", "carol": "pass:word", "dave": "x"}
    assert (settings.check_addresses, settings.resume) == (True, False)
    assert settings.obey_suggestions is False
    assert (settings.idle_timeout, settings.max_clients) == (90, 7)
    assert [fault.name for fault in settings.faults] == ["close,shares=10", "crlf"]
    # BIP 173: the script of its example address.
    assert settings.chain.payout_script.hex() == "0014751e76e8199196d454941c45d1b3a323f1433bd6"


@pytest.mark.parametrize(
    ("text", "address"),
    [("3334", ("127.0.0.1", 3334)), (":3334", ("0.0.0.0", 3334)), ("host:0", ("host", 0))],
)
def test_an_address_may_be_short(text: str, address: tuple[str, int]) -> None:
    settings = settings_of(parsed("--listen", text))

    assert (settings.listen_host, settings.listen_port) == address


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--listen", "host"], "is not HOST:PORT"),
        (["--listen", "host:70000"], "is not HOST:PORT"),
        (["--difficulty", "0"], "positive"),
        (["--difficulty", "nan"], "positive"),
        (["--vardiff", "0"], "must be positive"),
        (["--vardiff", "fast"], "a time has a unit"),
        (["--profile", "nobody"], "invalid choice"),
        (["--version-mask", "1ffffffff"], "32 bits"),
        (["--payout", "bc1qnothing"], "not a Bitcoin address"),
        (["--fault", "clsoe"], "did you mean 'close'"),
        (["--for", "soon"], "a time has a unit"),
    ],
)
def test_a_wrong_argument_is_named(
    words: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(*words)

    assert ended.value.code == 2
    assert problem in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--extranonce2-size", "17"], "1 to 16 bytes"),
        (["--branches", "17"], "0 to 16"),
        (["--users", "/nowhere/at/all"], "cannot read the users"),
        (["--users", ":x"], "is not USER:PASSWORD"),
    ],
)
def test_arguments_that_do_not_fit_are_a_configuration_error(
    words: list[str], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        settings_of(parsed(*words))


async def test_it_runs_for_a_time_and_ends_with_its_tally(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = await serve(parsed("--listen", "127.0.0.1:0", "--for", "10ms", "--json"))

    printed = capsys.readouterr()
    assert code == 0
    assert json.loads(printed.out) == json_of(Tally().snapshot())
    assert "plain pool at stratum+tcp://127.0.0.1:" in printed.err
    assert printed.err.endswith("0 shares accepted\n")


async def test_a_taken_port_is_told_in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    async with EmulatedPool(PoolSettings()) as other:
        code = await serve(parsed("--listen", f"127.0.0.1:{other.port}"))

    assert code == 1
    told = capsys.readouterr().err
    assert told.startswith(f"cannot listen on 127.0.0.1:{other.port}: Address already in use;")
    assert "--listen" in told


async def test_the_list_of_faults_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert await serve(parsed("--fault", "help")) == 0
    assert "giant-line[=BYTES]" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    program = (
        "import argparse, asyncio\n"
        "from stratum_client.emulated_pool.command import add_arguments, serve\n"
        "parser = argparse.ArgumentParser()\n"
        "add_arguments(parser)\n"
        "arguments = parser.parse_args(['--listen', '127.0.0.1:0', '--json'])\n"
        "raise SystemExit(asyncio.run(serve(arguments)))\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", program),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stderr is not None
    assert b"plain pool at" in await process.stderr.readline()

    process.send_signal(number)
    out, _ = await process.communicate()

    assert process.returncode == 0
    assert json.loads(out)["accepted"] == 0


SHARE: dict[str, Any] = {
    "connection": 3,
    "worker": "a.b",
    "fate": Fate.ACCEPTED,
    "difficulty": 1.5,
    "required": 1.0,
    "reason": "",
    "block": False,
}


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (ClientConnected(connection=1, peer="h:1"), "client 1 connected from h:1"),
        (ClientGone(connection=1, reason="gone home"), "client 1 gone: gone home"),
        (
            ClientAuthorized(connection=1, worker="a\x1b[2Jb", allowed=False),
            "client 1 refused: a?[2Jb",
        ),
        (
            ClientAnswered(connection=1, id=4, result="pong", error=None),
            "client 1 answered request 4: pong",
        ),
        (FaultPlayed(connection=1, fault="close"), "client 1 fault: close"),
        (ShareJudged(**SHARE), "client 3 share accepted: difficulty 1.5 of 1, a.b"),
        (
            ShareJudged(**{**SHARE, "fate": Fate.STALE, "reason": "Stale"}),
            "client 3 share stale (Stale): difficulty 1.5 of 1, a.b",
        ),
        (
            BlockFound(connection=3, worker="a.b", height=7, block_hash="00ff"),
            "client 3 *** BLOCK 7 *** 00ff found by a.b",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_event_is_one_line(event: Event, line: str) -> None:
    assert line_of(event) == line


def test_the_tally_is_told_in_words_and_as_json() -> None:
    rig = Rig("storm=2")
    client = rig.miner()
    client.mine(5)

    tally = rig.engine.tally()

    assert summary_of(tally) == "3 shares accepted; 2 invalid"
    told = json_of(tally)
    assert (told["accepted"], told["invalid"], told["refused"], told["blocks"]) == (3, 2, 2, 0)
    workers, connections = told["workers"], told["connections"]
    assert isinstance(workers, dict)
    assert isinstance(connections, dict)
    assert workers["account.worker"]["accepted"] == connections["1"]["accepted"] == 3
    assert json.loads(json.dumps(told)) == told
