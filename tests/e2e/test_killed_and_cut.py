"""A real daemon that is killed, and one whose machine went down: what the next one makes of it."""

import json
import re
import signal
from pathlib import Path

from tests.processes import pool, running

RUN = ("run", "--device", "cpu,threads=1", "--json")
INRUSH = '[power]\ninrush = { min_off = "1s", after_power_loss = "600s-900s" }\n'


def marker(folder: Path) -> Path:
    return folder / "state/stratum-client/running.json"


def words(folder: Path, url: str) -> tuple[str, ...]:
    config = folder / "inrush.toml"
    config.write_text(INRUSH)
    return (*RUN, "--pool", url, "--user", "a.b", "--config", str(config))


def test_a_daemon_that_is_killed_mines_at_once_and_one_that_lost_power_waits(
    tmp_path: Path,
) -> None:
    with pool("--difficulty", "0.0005", "--vardiff", "off", folder=tmp_path) as (_, url):
        command = words(tmp_path, url)
        with running(*command, folder=tmp_path) as run:
            run.wait_for("share.accepted")
            boot_id = json.loads(marker(tmp_path).read_text())["boot_id"]
            run.process.send_signal(signal.SIGKILL)
            run.exit_code()
        assert boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert marker(tmp_path).exists()

        with running(*command, folder=tmp_path) as run:
            run.wait_for(r"daemon\.was_killed")
            run.wait_for("share.accepted")
            run.process.send_signal(signal.SIGKILL)
            run.exit_code()

        marker(tmp_path).write_text(marker(tmp_path).read_text().replace(boot_id, "another boot"))
        with running(*command, folder=tmp_path) as run:
            found = run.wait_for(r"power\.lost .*wait=([0-9.]+)")
            assert 600 <= float(found[1]) <= 900
            run.wait_for("soft restart after a loss of power: random wait, starts ..:..:..")
            run.wait_for("job.new")
            assert not re.search("share.accepted", run.err)
            run.process.send_signal(signal.SIGTERM)
            assert run.exit_code() == 0
        assert not marker(tmp_path).exists(), "a clean end"
