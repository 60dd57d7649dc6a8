"""`stratum-client run`: the daemon, in the foreground."""

import argparse
import asyncio
import os
from dataclasses import replace
from pathlib import Path

from stratum_client.clock import SystemClock
from stratum_client.config import Config
from stratum_client.config_arguments import with_arguments
from stratum_client.config_file import FILE_NAME, find_config, load_config
from stratum_client.errors import ConfigError
from stratum_client.state_lock import default_state_dir, lock_state_dir
from stratum_client.verbs.arguments import (
    add_device_arguments,
    add_pool_arguments,
    add_record_arguments,
    add_run_time_arguments,
    pools_of,
)
from stratum_client.verbs.mining import mine

NO_POOL = f"""\
there is no pool to mine at. Name one, with the address or account it shall pay:
  stratum-client run --pool stratum+tcp://HOST:PORT --user ADDRESS.WORKER
or let `stratum-client config init` write a file {FILE_NAME}; to try without any pool:
  stratum-client demo"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` takes."""
    add_settings_arguments(parser)
    add_record_arguments(parser)


def add_settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to mine at, with what, and for how long."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help=f"settings (default: ./{FILE_NAME}, then ~/.config/stratum-client/, then "
        "/etc/stratum-client/); the command line comes before the file",
    )
    add_pool_arguments(parser)
    add_device_arguments(parser)
    add_run_time_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Mine until stopped."""
    config = _settings(options)
    state_dir = config.state_dir or default_state_dir()
    with lock_state_dir(state_dir, now=SystemClock().wall()) as state:
        kept = None if state.problem else state_dir
        if state.problem:
            config = replace(config, warnings=(*config.warnings, state.warning))
        return asyncio.run(mine(config, options, kept, lambda: _settings(options)))


def _settings(options: argparse.Namespace) -> Config:
    """Return what file, environment and command line say by now; raise ConfigError."""
    config = load_config(options.config or find_config())
    config = with_arguments(
        config, pools=pools_of(options), devices=options.devices, environ=os.environ
    )
    if not config.pools:
        raise ConfigError("run", NO_POOL)
    return config
