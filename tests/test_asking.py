"""Where verbs look for the daemon they ask."""

import argparse
from pathlib import Path

from stratum_client.verbs.asking import SERVICE_DIR, state_dir_of
from stratum_client.verbs.status import _lines_or_problem


def found(environ: dict[str, str], config: Path | None = None) -> Path:
    return state_dir_of(argparse.Namespace(config=config), environ)


def test_who_has_no_home_asks_the_service(tmp_path: Path) -> None:
    config = tmp_path / "rig.toml"
    config.write_text("")

    assert found({}, config) == SERVICE_DIR
    assert found({"HOME": "/nowhere"}, config) in {
        Path("/nowhere/.local/state/stratum-client"),
        SERVICE_DIR,  # where one runs on this very machine
    }


def test_a_configured_directory_comes_first(tmp_path: Path) -> None:
    config = tmp_path / "rig.toml"
    config.write_text('state_dir = "kept"\n')

    assert found({"HOME": "/nowhere"}, config) == tmp_path / "kept"
    assert found({"SC_STATE_DIR": "/kept"}, config) == Path("/kept")


def test_a_watch_without_a_daemon_tells_the_whole_reason_in_a_narrow_terminal(
    tmp_path: Path,
) -> None:
    lines = _lines_or_problem(tmp_path, 50)

    assert all(len(line) <= 50 for line in lines)
    assert lines[0].startswith("no daemon is running: nobody listens at")
    assert " ".join(lines).endswith("start one with stratum-client run")
