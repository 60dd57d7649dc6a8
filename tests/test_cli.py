"""The command line's contract, in real processes: exit codes, streams, signals, summaries."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stratum_client.cli import VERBS
from tests.certificates import Authority
from tests.processes import Running, is_alive, pool, running, said
from tests.terminal_screen import Screen

EASY = ("--difficulty", "0.0002", "--ignore-suggestions", "--network-difficulty", "1000000")
"""Shares come often, and no block by chance, which would make those in flight stale."""
MUTE = ("--fault", "reply=drop,method=mining.submit")
CPU = ("--device", "cpu,threads=1")
END_LIMIT = 3.0
"""Seconds that a clean end may take by contract; here on top of what a loaded machine needs."""


def mining(url: str, *more: str) -> tuple[str, ...]:
    return ("run", "--pool", url, "--user", "account.rig", *CPU, *more)


# --- what is said without mining ---


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_every_verb_explains_itself_and_its_exit_codes(verb: str, tmp_path: Path) -> None:
    code, out, err = said(*([verb] if verb else []), "--help", folder=tmp_path)

    assert (code, err) == (0, "")
    assert out.startswith("usage: stratum-client")
    assert "exit codes: 0 done" in out


def test_no_verb_shows_the_help_and_an_unknown_one_what_there_is(tmp_path: Path) -> None:
    assert said(folder=tmp_path)[0] == 2

    code, _, err = said("mien", folder=tmp_path)

    assert code == 2
    assert all(verb in err for verb in VERBS)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("statsu",), 'there is no verb "statsu"; did you mean status?'),
        (("status", "--jsno"), "stratum-client status: not understood: --jsno; see stratum-client"),
        (("--jsno",), "stratum-client: not understood: --jsno"),
    ],
)
def test_what_is_not_understood_is_named_without_a_page_of_usage(
    words: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    code, out, err = said(*words, folder=tmp_path)

    assert (code, out) == (2, "")
    assert told in err
    assert "usage:" not in err


@pytest.mark.parametrize("words", [("config", "explain"), ("doctor",)])
def test_output_to_a_full_disk_is_an_error_in_words(words: tuple[str, ...], tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "stratum_client", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "SC_STATE_DIR": str(tmp_path)},
        )

    assert done.returncode == 1
    assert "the output cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_without_a_pool_says_what_to_give(tmp_path: Path) -> None:
    code, out, err = said("run", folder=tmp_path)

    assert (code, out) == (2, "")
    assert "no pool to mine at" in err
    assert "--pool stratum+tcp://HOST:PORT --user ADDRESS.WORKER" in err
    assert "stratum-client demo" in err
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        # The address of BIP 173 with its last character changed.
        (
            ("--user", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5.rig"),
            ["looks like a Bitcoin address", "checksum is wrong"],
        ),
        (("--user", "account", "--device", "cpuu"), ["cpuu", "known: ", "cpu"]),
        (("--user", "account", "--device", "cpu,threds=2"), ["threds", "threads"]),
        (("--user", "account", "--device", "cpu,threads=none"), ["threads", "whole number"]),
        ((), ["user is missing"]),
        (("--user", "a", "--password-file", "nowhere"), ["nowhere"]),
        (("--user", "a", "--for", "5 parsecs"), ["--for", "90s"]),
        (("--user", "a", "--config", "nowhere.toml"), ["nowhere.toml"]),
    ],
)
def test_wrong_arguments_are_refused_in_plain_words(
    arguments: tuple[str, ...], words: list[str], tmp_path: Path
) -> None:
    code, out, err = said("run", "--pool", "127.0.0.1:1", *arguments, folder=tmp_path)

    assert (code, out) == (2, "")
    assert all(word in err for word in words), err
    assert "Traceback" not in err


def test_an_argument_of_a_pool_needs_a_pool_before_it(tmp_path: Path) -> None:
    code, _, err = said("run", "--user", "a", "--pool", "127.0.0.1:1", folder=tmp_path)

    assert code == 2
    assert "belongs to the --pool before it" in err


def test_a_wrong_key_in_the_configuration_is_named_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "stratum-client.toml").write_text('[[pool]]\nurl = "127.0.0.1:1"\nusr = "x"\n')

    code, _, err = said("run", folder=tmp_path)

    assert code == 2
    assert "stratum-client.toml:3:" in err
    assert 'did you mean "user"?' in err


# --- mining ---


def test_the_summary_has_what_was_promised_and_logs_stay_on_stderr(tmp_path: Path) -> None:
    code, out, err = said("demo", "--for", "4s", "--json", folder=tmp_path)
    [line] = out.splitlines()
    summary = json.loads(line)

    assert code == 0
    assert summary.keys() >= {
        *("accepted", "rejected", "stale", "discarded", "hardware_errors", "hashrate"),
        *("pools", "devices"),
    }
    [at], devices = summary["pools"], summary["devices"]
    [device] = [device for device in devices if device["driver"] == "cpu"]
    assert at.keys() >= {"name", "url", "state", "accepted", "rejected", "stale"}
    assert device.keys() >= {"name", "driver", "hashrate", "solutions", "hardware_errors"}
    assert summary["accepted"] == at["accepted"] > 0
    assert device["solutions"] >= summary["accepted"]
    assert summary["rejected"] == summary["hardware_errors"] == 0
    assert (at["state"], device["driver"]) == ("mining", "cpu")
    assert summary["hashrate"] > 0
    assert "share.accepted" in err
    assert not (tmp_path / "state").exists(), "a demo keeps no state"


def test_piped_output_is_plain_lines(tmp_path: Path) -> None:
    code, out, err = said("demo", "--for", "2s", *CPU, folder=tmp_path)

    assert (code, err) == (0, "")
    assert all(line.isprintable() for line in out.splitlines())
    assert "job.new" in out
    assert "daemon.stopped" in out.splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_cleanly_with_shares_in_flight_answered(
    number: signal.Signals, tmp_path: Path
) -> None:
    slow = ("--fault", "reply=delay,method=mining.submit,seconds=300ms")
    with pool(*EASY, *slow, folder=tmp_path) as (server, url):
        with running(*mining(url, "--json"), folder=tmp_path) as run:
            run.wait_for("share.accepted")
            children = run.children()
            started = time.monotonic()
            code = run.ended(number, seconds=10)
            took = time.monotonic() - started

        assert server.ended() == 0
        ours, theirs = run.summary(), server.summary()

    assert code == 0
    assert took < END_LIMIT
    assert "Traceback" not in run.out + run.err
    assert ours["unanswered"] == 0
    assert ours["accepted"] == theirs["accepted"] > 0
    assert theirs["refused"] == 0
    assert children
    assert not any(map(is_alive, children))


def test_a_pool_that_never_answers_cannot_delay_the_end(tmp_path: Path) -> None:
    with (
        pool(*EASY, *MUTE, folder=tmp_path) as (server, url),
        running(*mining(url, "--json"), folder=tmp_path) as run,
    ):
        server.wait_for("share accepted")  # in flight for ever: we never hear of it
        started = time.monotonic()
        code = run.ended(seconds=10)
        took = time.monotonic() - started

    assert code == 0
    assert took < END_LIMIT
    assert run.summary()["unanswered"] > 0
    assert "Traceback" not in run.out + run.err


def test_a_pool_out_of_reach_cannot_delay_the_end(tmp_path: Path) -> None:
    with running(*mining("127.0.0.1:1", "--json"), folder=tmp_path) as run:
        run.wait_for("pool.lost.*connection refused")
        started = time.monotonic()
        code = run.ended(seconds=10)
        took = time.monotonic() - started

    assert code == 0
    assert took < END_LIMIT
    assert run.summary()["pools"][0]["state"] == "disconnected"
    assert "Traceback" not in run.out + run.err


def test_the_second_signal_ends_at_once(tmp_path: Path) -> None:
    with (
        pool(*EASY, *MUTE, folder=tmp_path) as (server, url),
        # Ending at once leaves things open, which Python would warn of.
        running(*mining(url), folder=tmp_path, warnings="ignore") as run,
    ):
        server.wait_for("share accepted")  # in flight for ever: we never hear of it
        children = run.children()
        run.send(signal.SIGINT)
        run.wait_for("daemon.stopping")
        code = run.ended(seconds=10)

    assert code == 130
    assert "Traceback" not in run.out + run.err
    assert children
    assert not any(map(is_alive, children))


def test_no_worker_survives_a_daemon_that_was_killed(tmp_path: Path) -> None:
    with (
        pool(*EASY, folder=tmp_path) as (_, url),
        running(*mining(url), folder=tmp_path) as run,
    ):
        run.wait_for("share.accepted")
        children = run.children()
        run.ended(signal.SIGKILL)
        deadline = time.monotonic() + 10
        while any(map(is_alive, children)) and time.monotonic() < deadline:
            time.sleep(0.02)

    assert children
    assert not any(map(is_alive, children))


def test_a_second_daemon_is_told_who_holds_the_state_directory(tmp_path: Path) -> None:
    with pool(*EASY, folder=tmp_path) as (_, url):
        with running(*mining(url), folder=tmp_path) as first:
            first.wait_for("pool.authorized")
            code, _, err = said(*mining(url), folder=tmp_path)
            first.ended()
        again, _, _ = said(*mining(url, "--for", "1s"), folder=tmp_path)

    assert code in {1, 2}
    assert str(first.process.pid) in err
    assert "Traceback" not in err
    assert again == 0, "the lock ends with its holder"


def test_a_password_comes_from_a_file_and_is_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cr3t-word\n")
    (tmp_path / "stratum-client.toml").write_text('[log]\nlevel = "debug"\n')
    words = ("--password-file", "password", "--for", "1s")
    with pool(*EASY, "--users", "account:s3cr3t-word", folder=tmp_path) as (_, url):
        code, out, err = said(*mining(url, *words), folder=tmp_path)
        _, refused, _ = said(*mining(url, "--for", "1s"), folder=tmp_path)

    assert code == 0
    assert "pool.authorized" in out
    assert "s3cr3t-word" not in out + err
    assert "pool.authorized" not in refused
    assert "pool refused user" in refused


def test_a_reader_that_goes_away_does_not_stop_the_mining(tmp_path: Path) -> None:
    command = f"{sys.executable} -m stratum_client demo --for 3s {' '.join(CPU)} | head -1"
    done = subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; {command}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )

    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    assert done.returncode in {0, 1}


def test_several_devices_and_threads_share_the_work(tmp_path: Path) -> None:
    with pool(*EASY, folder=tmp_path) as (server, url):
        words = ("--device", "cpu,threads=1,duty=50", "--for", "3s", "--json")
        code, out, _ = said(*mining(url, *words), folder=tmp_path)
        server.ended()
    summary: dict[str, Any] = json.loads(out)

    assert code == 0
    assert len({device["name"] for device in summary["devices"]}) == 2
    solutions = sum(device["solutions"] for device in summary["devices"])
    assert solutions >= summary["accepted"] == server.summary()["accepted"] > 0
    assert summary["rejected"] == 0


def test_it_mines_by_tls_at_a_pool_that_a_pin_makes_trusted(tmp_path: Path) -> None:
    own = Authority(tmp_path).self_signed("own", "DNS:elsewhere.example")
    files = ("--tls-cert", str(own.certificate), "--tls-key", str(own.key))
    with pool(*EASY, *files, folder=tmp_path) as (server, url):
        words = mining(url, "--pin", own.key_digest().hex())
        with running(*words, folder=tmp_path) as mined:
            mined.wait_for("share.accepted")
            mined.send(signal.SIGTERM)
            code, log = mined.exit_code(), mined.out
        server.ended()

    assert code == 0
    assert re.search(r"pool\.connected.*tls=TLSv1\.3", log)
    assert server.summary()["accepted"] > 0


# --- a look at a pool; the pool itself ---


def test_pools_test_reports_what_the_pool_grants(tmp_path: Path) -> None:
    # The payout is the example address of BIP 173, which is the pool's default.
    user = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4.rig"
    with pool("--difficulty", "16384.75", "--extranonce2-size", "7", folder=tmp_path) as (_, url):
        code, out, _ = said("pools", "test", url, "--user", user, "--json", folder=tmp_path)
        plain_code, plain, _ = said("pools", "test", url, "--user", user, folder=tmp_path)
    facts = json.loads(out)

    assert (code, plain_code) == (0, 0)
    assert (facts["ok"], facts["authorized"], facts["difficulty"]) == (True, True, 16384.75)
    assert (facts["version_rolling"], facts["extranonce2_size"]) == ("1fffe000", 7)
    assert facts["pays_you_percent"] == 100
    assert re.search(r"^difficulty +16384\.[78]", plain, re.MULTILINE)
    assert re.search(r"^version rolling +1fffe000$", plain, re.MULTILINE)
    assert re.search(r"^extranonce2 +7 bytes$", plain, re.MULTILINE)
    assert re.search(r"^pays you +100 %$", plain, re.MULTILINE)
    assert re.search(r"^answer +[0-9.]+ ms$", plain, re.MULTILINE)


def test_pools_test_checks_whom_the_coinbase_pays(tmp_path: Path) -> None:
    ours = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
    other = "bc1qvyq0cc6rahyvsazfdje0twl7ez82ndmuac2lhv"
    with pool(folder=tmp_path) as (_, url):
        words = ("pools", "test", url, "--user", "me", "--json", "--address")
        code, out, _ = said(*words, ours, folder=tmp_path)
        other_code, other_out, _ = said(*words, other, folder=tmp_path)
    wrong_code, _, wrong = said(*words, ours[:-1], folder=tmp_path)

    assert (code, json.loads(out)["payout"]) == (0, "right")
    assert (other_code, json.loads(other_out)["ok"]) == (1, False)
    assert f"no output of the coinbase pays {other}" in json.loads(other_out)["payout"]
    assert wrong_code == 2
    assert "--address" in wrong
    assert "wrong checksum" in wrong


def test_pools_test_shows_tls_with_the_pin_that_a_second_call_may_use(tmp_path: Path) -> None:
    own = Authority(tmp_path).self_signed("own", "DNS:localhost")
    files = ("--tls-cert", str(own.certificate), "--tls-key", str(own.key))
    with pool(*files, folder=tmp_path) as (_, url):
        words = ("pools", "test", url, "--user", "me", "--json")
        code, out, _ = said(*words, folder=tmp_path)
        seen_code, seen, _ = said(*words, "--insecure", folder=tmp_path)
        facts = json.loads(seen)
        pinned_code, pinned, _ = said(*words, "--pin", facts["pin_sha256"], folder=tmp_path)

    assert (code, seen_code, pinned_code) == (1, 0, 0)
    assert facts["pin_sha256"] == own.key_digest().hex()
    assert facts["pin_sha256"] in json.loads(out)["error"]
    assert facts["certificate_sha256"] == own.digest().hex()
    assert facts["tls"].startswith("TLSv1.3")
    assert facts["certificate"] == "CN=own"
    assert facts["names"] == ["localhost"]
    assert "NOTHING" in facts["trusted_by"]
    assert json.loads(pinned)["trusted_by"] == "its pin"


def test_the_pool_refuses_a_certificate_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "junk").write_text("junk")

    for words in (("--tls-cert", str(tmp_path / "junk")), ("--tls-key", "x")):
        code, _, err = said("pool", *words, folder=tmp_path)
        assert code == 2
        assert words[0] in err
        assert "Traceback" not in err


def test_pools_test_fails_in_plain_words(tmp_path: Path) -> None:
    with pool("--users", "other:x", folder=tmp_path) as (_, url):
        code, out, _ = said("pools", "test", url, "--user", "me", "--json", folder=tmp_path)
    gone, reason, err = said("pools", "test", "127.0.0.1:1", "--user", "me", folder=tmp_path)

    assert (code, json.loads(out)["ok"]) == (1, False)
    assert "pool refused user 'me'" in json.loads(out)["error"]
    assert gone == 1
    assert "nothing listens there" in reason + err


# --- the live view ---


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_terminal_shows_one_block_redrawn_in_place(width: int, tmp_path: Path) -> None:
    with (
        pool(*EASY, folder=tmp_path) as (_, url),
        running(*mining(url), folder=tmp_path, width=width) as run,
    ):
        run.wait_until(lambda run: len(re.findall(r"\x1b\[\d+A", run.out)) > 8)
        run.wait_for("share.accepted")
        run.wait_until(lambda run: re.search(r"[1-9]\d* accepted", run.out))
        assert run.ended() == 0
    text = shown(run, width)
    lines = text[text.rindex("stratum-client 0") :].splitlines()
    block = [line for line in lines if not line.startswith(" ")]  # the others are below their row

    assert text.count("\npool      ") == text.count("\nrate      ") == 1
    assert [line.split()[0] for line in block] == [
        "stratum-client",
        "pool",
        "shares",
        "rate",
        "cpu",
    ]
    assert all(len(line) <= width for line in lines)
    assert "up " in block[0]
    assert " accepted" in block[2]
    assert "H/s claimed" in block[3]
    assert "H/s" in block[4]
    if width == 200:
        assert lines == block
        assert "mining" in block[1]
        assert "difficulty 0.0002" in block[1]
        assert "best " in block[2]
        assert "next in about " in block[2]
    assert "Traceback" not in run.out + run.err


def shown(run: Running, width: int) -> str:
    screen = Screen(width)
    screen.feed(run.out)
    return "\n".join(screen.rows)


def test_a_block_found_is_announced_unmissably(tmp_path: Path) -> None:
    words = (*EASY, "--network-difficulty", "0.0005")
    with pool(*words, folder=tmp_path) as (server, url):
        with running(*mining(url), folder=tmp_path, width=100) as run:
            run.wait_until(lambda run: "BLOCK.ACCEPTED" in run.out and "BLOCKS FOUND" in run.out)
            assert run.ended() == 0
        server.ended()

    assert server.summary()["blocks"] > 0
    assert "BLOCK.FOUND" in run.out
