"""What verbs share that ask a running daemon over its control socket."""

import argparse
import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

from stratum_client.api.control_client import NoDaemonError, ask, has_socket
from stratum_client.api.control_lines import OrderError
from stratum_client.config_file import find_config
from stratum_client.config_fragments import FOLDER
from stratum_client.errors import ConfigError
from stratum_client.setting_kinds import DIRECTORY, read_value
from stratum_client.state_lock import default_state_dir

EXIT_OK, EXIT_FAILED = 0, 1

SERVICE_DIR = Path("/var/lib/stratum-client")
"""Where systemd keeps the service's state."""


def add_config_argument(parser: argparse.ArgumentParser, *, default: object = None) -> None:
    """Add --config, which says where the daemon is to be found."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=default,
        help="settings, as for run: their state_dir says which daemon is meant",
    )


def state_dir_of(options: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the daemon is to be found: as configured, else ours, else the service's.

    Nothing else of the configuration is looked at: it may be wrong, which is what `reload` is to
    tell, and its passwords are not for everybody who may ask. Raises ConfigError.
    """
    path = options.config or find_config()
    configured = environ.get("SC_STATE_DIR") or (path and _state_dir_in(path))
    if configured:
        return (path.parent if path else Path()) / str(read_value(DIRECTORY, configured))
    try:
        ours = default_state_dir(environ)
    except ConfigError:  # who has no home, as a command of another unit, means the service
        return SERVICE_DIR
    return SERVICE_DIR if not has_socket(ours) and has_socket(SERVICE_DIR) else ours


def _state_dir_in(path: Path) -> str | None:
    """Return what a file, or conf.d beside it, says of the state directory; None if none does."""
    files = (path, *sorted((path.parent / FOLDER).glob("*.toml"), reverse=True))
    try:
        return next((found for file in files if (found := _state_dir_of(file))), None)
    except FileNotFoundError as error:
        raise ConfigError(path, f"cannot be read: {error.strerror}") from error


def _state_dir_of(path: Path) -> str | None:
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8", errors="replace")).get("state_dir")
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, str) and value else None


def asked(options: argparse.Namespace, what: str, **fields: object) -> Mapping[str, object]:
    """Return the daemon's result; raise NoDaemonError, OrderError, ConfigError."""
    given = {key: value for key, value in fields.items() if value is not None}
    return ask(state_dir_of(options), what, **given)


def reported(program: str, action: Callable[[], int]) -> int:
    """Return the exit code of ``action``, its failure told."""
    try:
        return action()
    except (NoDaemonError, OrderError) as error:
        complain(f"{program}: {error}")
        return EXIT_FAILED


def told_if_not_durable(result: Mapping[str, object]) -> None:
    """Say on stderr when a restart of the daemon would not know of a change."""
    if result.get("durable") is False:
        complain(f"done, but a restart will not know of it: {result.get('problem')}")


def tell(text: str) -> None:
    """Write to stdout."""
    print(text, flush=True)  # noqa: T201  # the terminal is our output


def complain(text: str) -> None:
    """Write to stderr."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201  # as above
