"""Orders to a real daemon from real processes: paused, killed, started again, looked at."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.console import Console
from tests.processes import PATIENCE, Running, pool, running

RUN = ("run", "--device", "cpu,threads=1", "--json")


def address_of(run: Running) -> str:
    port = run.wait_for(r"metrics\.ready address=127\.0\.0\.1 port=(\d+)")[1]
    return f"http://127.0.0.1:{port}"


def fetched(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def with_metrics(folder: Path) -> str:
    config = folder / "metrics.toml"
    config.write_text('[metrics]\nlisten = "127.0.0.1:0"\n')
    return str(config)


def test_a_pause_outlives_a_kill_and_ends_with_resume(tmp_path: Path, console: Console) -> None:
    with pool("--difficulty", "0.0005", "--vardiff", "off", folder=tmp_path) as (_, url):
        words = (*RUN, "--pool", url, "--user", "a.b", "--config", with_metrics(tmp_path))
        with running(*words, folder=tmp_path) as run:
            run.wait_for("share.accepted")
            code, out, err = console.said("pause", "--reason", "fan is loud")
            assert (code, err) == (0, "")
            assert ": fan is loud\nidle: cpu (after " in out
            run.wait_for(r"devices\.idle devices=1 seconds=")
            run.process.send_signal(signal.SIGKILL)
            run.exit_code()

        with running(*words, folder=tmp_path) as run:
            run.wait_for("job.new")
            seen = console.status()
            [claim], [device], [main] = seen["claims"], seen["devices"], seen["pools"]
            assert device["state"] == "idle"
            assert claim["reason"] == device["reason"] == device["limit"]["reason"]
            assert claim["reason"].endswith(": fan is loud")
            assert (main["state"], seen["accepted"]) == ("mining", 0)
            code, text = fetched(f"{address_of(run)}/healthz")
            assert (code, text) == (200, f"idle as intended: {claim['reason']}\n")
            assert limits_in(fetched(f"{address_of(run)}/metrics")[1]) == [claim["reason"]]
            assert claim["reason"] in console.said("status")[1]

            would = json.loads(console.done("resume", "--json", "--dry-run"))
            assert would["released"] == [claim["reason"]]
            again = json.loads(console.done("pause", "--json", "--reason", "fan is loud"))
            assert (again["awake"], again["durable"]) == ([], True)
            claim["reason"] = again["reason"]
            code, out, _ = console.said("resume")
            assert (code, out) == (0, f"ended: {claim['reason']}\ntold to mine: cpu\n")
            run.wait_for("share.accepted")
            assert console.status()["claims"] == []
            assert limits_in(fetched(f"{address_of(run)}/metrics")[1]) == []


def test_sighup_with_a_bad_and_a_good_file_while_shares_stream(
    tmp_path: Path, console: Console
) -> None:
    slow = ("--difficulty", "0.0005", "--vardiff", "off")
    with pool(*slow, folder=tmp_path) as (server, url), pool(folder=tmp_path) as (_, other):
        config = tmp_path / "stratum-client.toml"
        text = f'''
[[pool]]
name = "main"
url = "{url}"
user = "a.b"
[[device]]
driver = "cpu"
settings = {{ threads = 1 }}
'''
        config.write_text(text)
        with running("run", "--json", folder=tmp_path) as run:
            run.wait_for("share.accepted")
            config.write_text(text + "[log]\nlevel = 7\n")
            run.send(signal.SIGHUP)
            run.wait_for(r"reload\.refused by=SIGHUP .*stratum-client.toml:10: log.level: expected")
            assert console.said("reload")[0] == 1

            spare = f'[[pool]]\nname = "spare"\nurl = "{other}"\nuser = "geheim.b"\n'
            config.write_text(text + spare + '[log]\nlevel = "debug"\n')
            code, out, _ = console.said("reload", "--dry-run")
            assert (code, out.splitlines()[-1]) == (0, "nothing was done")
            run.send(signal.SIGHUP)
            run.wait_for(r"reload\.done by=SIGHUP")
            run.wait_for(r"pool\.authorized pool=spare")
            run.wait_for("share.accepted(?s:.*)debug")
            assert console.said("reload")[1] == "nothing has changed\n"
            assert json.loads(console.done("reload", "--json"))["changes"] == []
            assert [one["name"] for one in console.status()["pools"]] == ["main", "spare"]
            assert run.ended() == 0
        summary = run.summary()
        assert server.ended() == 0

    assert run.err.count("pool.subscribed pool=main") == 1, "it kept its connection"
    assert summary["accepted"] == server.summary()["accepted"] > 0
    lost = {fate: summary[fate] for fate in ("rejected", "discarded", "unanswered")}
    assert not any(lost.values()), lost


def test_pools_are_ordered_about_from_the_command_line(tmp_path: Path, console: Console) -> None:
    with pool(folder=tmp_path) as (_, url):
        words = (*RUN, "--pool", url, "--user", "a.b", "--pool", "127.0.0.1:1", "--user", "a.b")
        with running(*words, folder=tmp_path) as run:
            run.wait_for("job.new")
            names = [
                one["name"] for one in json.loads(console.done("pools", "list", "--json"))["pools"]
            ]
            assert names == ["127.0.0.1", "127.0.0.1-2"]
            for tried in (
                *(("disable", names[1]), ("enable", names[1]), ("remove", names[1])),
                *(("use", names[1]), ("add", url, "--user", "c.d", "--name", "third")),
            ):
                assert console.done("pools", *tried, "--dry-run")
            unknown = console.said("pools", "remove", "nobody", "--dry-run")
            assert (unknown[0], "no pool is called 'nobody'" in unknown[2]) == (1, True)
            after = json.loads(console.done("pools", "use", "auto", "--json", "--dry-run"))
            assert [one["name"] for one in after["pools"]] == names
            assert {one["role"] for one in after["pools"]}.isdisjoint({"disabled"})
            assert "disabled" in console.done("pools", "disable", names[1])
            (tmp_path / "password").write_text("geheim-4\n")
            (tmp_path / "password").chmod(0o600)
            secret = ("--password-file", str(tmp_path / "password"))
            added = console.done("pools", "add", url, "--user", "c.d", "--name", "third", *secret)
            assert added.startswith("third: added; it is not in the configuration")
            assert "chosen by hand" in console.done("pools", "use", "third")
            assert console.done("pools", "use", "auto")
            assert console.done("pools", "remove", "third") == "third: removed\n"
            code, _, err = console.said("pools", "use", "nobody")
            assert (code, "no pool is called 'nobody'" in err) == (1, True)
            assert run.ended() == 0

    assert "geheim-4" not in run.err + run.out


def limits_in(text: str) -> list[str]:
    return [
        sample.labels["reason"]
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "stratum_client_device_limit_info"
    ]


def test_without_a_pool_nothing_is_well_and_the_status_says_why(
    tmp_path: Path, console: Console
) -> None:
    words = (*RUN, "--pool", "127.0.0.1:1", "--user", "a.b", "--config", with_metrics(tmp_path))
    with running(*words, folder=tmp_path) as run:
        run.wait_for("pool.lost")
        code, text = fetched(f"{address_of(run)}/healthz")
        [main] = console.status()["pools"]
        shown = console.said("status")[1]

    assert code == 503
    assert "no pool serves" in text
    assert main["problem"] != ""
    assert main["problem"] in shown


def test_without_a_daemon_asking_ends_with_1_and_says_where_was_looked(
    tmp_path: Path, console: Console
) -> None:
    for words in (("status",), ("status", "--json"), ("pause",), ("resume",)):
        code, out, err = console.said(*words)
        assert (code, out) == (1, "")
        assert f"nobody listens at {tmp_path}/state/stratum-client/control.sock" in err


def test_who_watches_sees_the_daemon_come_and_go(tmp_path: Path) -> None:
    with running("status", "--watch", folder=tmp_path) as watch:
        watch.wait_for("no daemon is running")
        with running(*RUN, "--pool", "127.0.0.1:1", "--user", "a.b", folder=tmp_path) as run:
            watch.wait_for(r"cpu +\S+")
            assert run.ended() == 0
        assert watch.ended() == 0


def test_a_terminal_that_goes_ends_the_daemon_cleanly(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    words = ("run", "--pool", "127.0.0.1:1", "--user", "a.b", "--device", "cpu,threads=1")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-m", "stratum_client", *words],
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=subprocess.DEVNULL,
        env=environ,
        cwd=tmp_path,
    ) as process:
        try:
            wait_for(tmp_path / ".local/state/stratum-client/control.sock")
            os.close(slave)
            os.close(master)
            process.send_signal(signal.SIGHUP)

            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
