"""Where verbs look for the daemon they ask."""

import argparse
from pathlib import Path

from stratum_client.verbs.asking import SERVICE_DIR, state_dir_of


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
