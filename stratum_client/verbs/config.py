"""`stratum-client config`: write a first configuration, check and show one, explain its keys."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from stratum_client.config_arguments import with_arguments
from stratum_client.config_explain import explanations, matching, nearest
from stratum_client.config_explain_text import table_lines, whole_lines
from stratum_client.config_file import (
    FILE_NAME,
    draft_of,
    find_config,
    fragments_beside,
    read_config,
)
from stratum_client.config_problems import Findings, findings_in
from stratum_client.config_shown import DEFAULT, Settings
from stratum_client.config_template import first_config
from stratum_client.errors import ConfigError
from stratum_client.example_words import example_text
from stratum_client.setting_kinds import printable
from stratum_client.units import counted
from stratum_client.verbs.arguments import add_device_arguments, add_pool_arguments, pools_of
from stratum_client.verbs.asking import EXIT_FAILED, EXIT_OK, complain, tell

EXIT_WRONG = 2

_PROGRAM = "stratum-client config"
_INIT = "stratum-client config init --pool stratum+tcp://HOST:PORT --user ADDRESS.WORKER"
_WIDEST = 92
"""Columns of a paragraph that is pleasant to read."""

_ENDLESS = 10_000

_LARGEST = (1 << 20) + 1

_EXIT_CODES = """\
exit codes of config check: 0 no errors, 1 warnings with --strict, 2 errors.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `config` takes."""
    parser.epilog = f"{_EXIT_CODES}\n{parser.epilog}"
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    init = actions.add_parser("init", help="write a first configuration; asks for what is missing")
    init.set_defaults(action=_init)
    init.add_argument("--pool", metavar="URL", help="such as stratum+tcp://HOST:PORT")
    init.add_argument("--user", metavar="USER", help="ADDRESS.WORKER or ACCOUNT.WORKER")
    init.add_argument("--password-file", metavar="FILE", default="", help="file with the password")
    init.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help=f"default: ~/.config/stratum-client/{FILE_NAME}, for root /etc/stratum-client/",
    )
    init.add_argument("--force", action="store_true", help="overwrite a file that is there")
    check = actions.add_parser("check", help="tell every error and warning, with its line")
    check.set_defaults(action=_check)
    check.add_argument("file", metavar="FILE", nargs="?", type=Path, help="default: as for run")
    check.add_argument(
        "--config", metavar="FILE", type=Path, help="the same, as other verbs take it"
    )
    check.add_argument("--strict", action="store_true", help="exit code 1 if there are warnings")
    check.add_argument("--json", action="store_true", help="print one JSON object")
    show = actions.add_parser("show", help="every setting in force, and where it came from")
    show.set_defaults(action=_show)
    show.add_argument("--config", metavar="FILE", type=Path, help="default: as for run")
    show.add_argument("--all", action="store_true", help="defaults too")
    show.add_argument("--json", action="store_true", help="print one JSON object")
    add_pool_arguments(show)
    add_device_arguments(show)
    explain = actions.add_parser("explain", help="what a key does, takes, and is by default")
    explain.set_defaults(action=_explain)
    explain.add_argument(
        "key", metavar="KEY", nargs="?", help="such as work.failback_after; a table; default: all"
    )
    explain.add_argument("--json", action="store_true", help="print one JSON array")


def run(options: argparse.Namespace) -> int:
    """Do what was asked for."""
    return int(options.action(options))


# --- init ---


def _init(options: argparse.Namespace) -> int:
    path = options.output or _default_path()
    if path.exists() and not options.force:
        complain(f"{_PROGRAM}: {path} is there already; --force overwrites it")
        return EXIT_FAILED
    text = _asked_for(options, path.parent)
    if text is None:
        complain(f"{_PROGRAM}: give the pool and whom it shall pay, as in\n  {_INIT}")
        return EXIT_WRONG
    try:
        _write(path, text, force=options.force)
    except OSError as error:
        complain(f"{_PROGRAM}: {path} cannot be written: {error.strerror}")
        return EXIT_FAILED
    found = find_config()
    is_found = found is not None and found.resolve() == path.resolve()
    tell(f"written: {path}\nnow: stratum-client run{'' if is_found else f' --config {path}'}")
    return EXIT_OK


def _asked_for(options: argparse.Namespace, directory: Path) -> str | None:
    """Return a configuration that works, None if nobody says which; raise ConfigError."""
    url, user = options.pool or "", options.user or ""
    if url and user:
        return _working(url, user, options.password_file, directory)
    if not sys.stdin.isatty():
        return None
    try:
        while True:
            url = url or input("Pool, such as stratum+tcp://HOST:PORT: ").strip()
            user = user or input("User, ADDRESS.WORKER or ACCOUNT.WORKER: ").strip()
            try:
                return _working(url, user, options.password_file, directory)
            except ConfigError as error:
                complain(error.problem)
                url, user = ("", user) if error.keys[-1:] == ("url",) else (url, "")
    except EOFError:
        return None


def _working(url: str, user: str, password_file: str, directory: Path) -> str:
    """Return the text of a configuration, read once to see that it is right."""
    for option, value in (("--pool", url), ("--user", user), ("--password-file", password_file)):
        if not value.isprintable():
            raise ConfigError(option, "there is something in it that cannot be printed")
    text = first_config(url=url, user=user, password_file=password_file)
    read_config(text.encode(), name="new configuration", environ={}, directory=directory)
    return text


def _default_path() -> Path:
    if os.geteuid() == 0:
        return Path("/etc/stratum-client") / FILE_NAME
    base = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if base.startswith("/") else Path.home() / ".config"
    return folder / "stratum-client" / FILE_NAME


def _write(path: Path, text: str, *, force: bool) -> None:
    """Write ``path`` with mode 0640, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - made with its mode
        os.fchmod(descriptor, 0o640)
        file.write(text)
    try:
        if force:
            fresh.replace(path)
        else:
            path.hardlink_to(fresh)  # fails where somebody else was quicker
    finally:
        fresh.unlink(missing_ok=True)


# --- check ---


def _check(options: argparse.Namespace) -> int:
    path = options.file or options.config or find_config()
    if path is None:
        complain(f"{_PROGRAM}: there is no configuration; `stratum-client config init` writes one")
        return EXIT_WRONG
    data, mode = _data_of(path)
    found = findings_in(
        data,
        name=str(path),
        environ=os.environ,
        directory=path.parent,
        fragments=fragments_beside(path),
    )
    warnings = list(found.warnings)
    if mode & 0o004 and found.config and _holds_one_of(data, found.config.secrets):
        warnings.append(f"{path}: holds a password and anybody may read it: chmod 640 it")
    _tell_findings(path, found, warnings, options)
    if found.errors:
        return EXIT_WRONG
    return EXIT_FAILED if warnings and options.strict else EXIT_OK


def _holds_one_of(data: bytes, secrets: Iterable[str]) -> bool:
    return any(secret.encode() in data for secret in secrets)


def _tell_findings(
    path: Path, found: Findings, warnings: Sequence[str], options: argparse.Namespace
) -> None:
    if options.json:
        result = {"file": str(path), "errors": found.errors, "warnings": warnings}
        tell(json.dumps({"ok": not found.errors, **result}))
        return
    for text in found.errors:
        tell(f"error    {text}")
    for text in warnings:
        tell(f"warning  {text}")
    if found.config:
        pools, devices = len(found.config.pools), len(found.config.devices)
        mined_with = counted(devices, "device") if devices else "with what is plugged in"
        tell(f"ok       {path}: {counted(pools, 'pool')}, {mined_with}")
    else:
        tell(f"{counted(len(found.errors), 'error')} in {path}")


# --- show ---


def _show(options: argparse.Namespace) -> int:
    path = options.config or find_config()
    data = _data_of(path)[0] if path else b""
    name, directory = str(path or "configuration"), path.parent if path else Path()
    fragments = fragments_beside(path) if path else ()
    draft = draft_of(data, name=name, environ=os.environ, fragments=fragments)
    config = with_arguments(
        read_config(data, name=name, environ=os.environ, directory=directory, fragments=fragments),
        pools=pools_of(options),
        devices=options.devices,
        environ=os.environ,
    )
    given = (("pool", options.pools), ("device", options.devices))
    replaced = frozenset(table for table, arguments in given if arguments)
    rows = Settings(config, draft, explanations(example_text()), replaced).shown()
    rows = tuple(row for row in rows if options.all or options.json or row.origin != DEFAULT)
    if options.json:
        found = {row.name: {"value": row.value, "from": row.origin} for row in rows}
        tell(json.dumps({"file": str(path) if path else None, "settings": found}))
        return EXIT_OK
    if not path:
        tell("# there is no configuration file: all is at its default, which --all shows too")
    width = max((len(f"{row.name} = {row.value}") for row in rows), default=0)
    for row in rows:
        setting = f"{row.name} = {row.value}"
        tell(f"{setting:<{min(width, 60)}}  # {row.origin}")
    for warning in config.warnings:
        complain(f"warning: {warning}")
    return EXIT_OK


def _data_of(path: Path) -> tuple[bytes, int]:
    """Return the content of a file and its mode; raise ConfigError."""
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST), os.fstat(file.fileno()).st_mode
    except OSError as error:
        raise ConfigError(path, f"cannot be read: {error.strerror}") from error


# --- explain ---


def _explain(options: argparse.Namespace) -> int:
    known = explanations(example_text())
    found = list(known.values()) if options.key is None else matching(options.key, known)
    if not found:
        near = nearest(options.key, known)
        guess = f"; did you mean {' or '.join(near)}?" if near else ""
        complain(f'{_PROGRAM}: there is no key "{printable(options.key)}"{guess}')
        return EXIT_WRONG
    if options.json:
        tell(json.dumps([one.json() for one in found]))
    else:
        told = (
            whole_lines(found[0], min(_width(), _WIDEST))
            if len(found) == 1
            else table_lines(found, _width())
        )
        tell("\n".join(told).strip("\n"))
    return EXIT_OK


def _width() -> int:
    """Return the columns there are; a file or pipe has as many as it takes."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _ENDLESS
