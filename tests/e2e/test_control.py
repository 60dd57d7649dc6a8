"""Orders to a real daemon from real processes: paused, killed, started again, looked at."""

import json
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.processes import Running, pool, running, said

RUN = ("run", "--device", "cpu,threads=1", "--json")


def status(folder: Path) -> dict[str, Any]:
    code, out, err = said("status", "--json", folder=folder)
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


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


def test_a_pause_outlives_a_kill_and_ends_with_resume(tmp_path: Path) -> None:
    with pool("--difficulty", "0.0005", "--vardiff", "off", folder=tmp_path) as (_, url):
        words = (*RUN, "--pool", url, "--user", "a.b", "--config", with_metrics(tmp_path))
        with running(*words, folder=tmp_path) as run:
            run.wait_for("share.accepted")
            code, out, err = said("pause", "--reason", "fan is loud", folder=tmp_path)
            assert (code, err) == (0, "")
            assert ": fan is loud\nidle: cpu (after " in out
            run.wait_for(r"devices\.idle devices=1 seconds=")
            run.process.send_signal(signal.SIGKILL)
            run.exit_code()

        with running(*words, folder=tmp_path) as run:
            run.wait_for("job.new")
            seen = status(tmp_path)
            [claim], [device], [main] = seen["claims"], seen["devices"], seen["pools"]
            assert device["state"] == "idle"
            assert claim["reason"] == device["reason"] == device["limit"]["reason"]
            assert claim["reason"].endswith(": fan is loud")
            assert (main["state"], seen["accepted"]) == ("mining", 0)
            code, text = fetched(f"{address_of(run)}/healthz")
            assert (code, text) == (200, f"idle as intended: {claim['reason']}\n")
            assert limits_in(fetched(f"{address_of(run)}/metrics")[1]) == [claim["reason"]]
            assert claim["reason"] in said("status", folder=tmp_path)[1]

            code, out, _ = said("resume", folder=tmp_path)
            assert (code, out) == (0, f"ended: {claim['reason']}\ntold to mine: cpu\n")
            run.wait_for("share.accepted")
            assert status(tmp_path)["claims"] == []
            assert limits_in(fetched(f"{address_of(run)}/metrics")[1]) == []


def limits_in(text: str) -> list[str]:
    return [
        sample.labels["reason"]
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "stratum_client_device_limit_info"
    ]


def test_without_a_pool_nothing_is_well_and_the_status_says_why(tmp_path: Path) -> None:
    words = (*RUN, "--pool", "127.0.0.1:1", "--user", "a.b", "--config", with_metrics(tmp_path))
    with running(*words, folder=tmp_path) as run:
        run.wait_for("pool.lost")
        code, text = fetched(f"{address_of(run)}/healthz")
        [main] = status(tmp_path)["pools"]
        shown = said("status", folder=tmp_path)[1]

    assert code == 503
    assert "no pool serves" in text
    assert main["problem"] != ""
    assert main["problem"] in shown


def test_without_a_daemon_asking_ends_with_1_and_says_where_was_looked(tmp_path: Path) -> None:
    for words in (("status",), ("status", "--json"), ("pause",), ("resume",)):
        code, out, err = said(*words, folder=tmp_path)
        assert (code, out) == (1, "")
        assert f"nobody listens at {tmp_path}/state/stratum-client/control.sock" in err


def test_who_watches_sees_the_daemon_come_and_go(tmp_path: Path) -> None:
    with running("status", "--watch", folder=tmp_path) as watch:
        watch.wait_for("no daemon is running")
        with running(*RUN, "--pool", "127.0.0.1:1", "--user", "a.b", folder=tmp_path) as run:
            watch.wait_for(r"cpu +\S+")
            assert run.ended() == 0
        assert watch.ended() == 0
