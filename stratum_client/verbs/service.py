"""`stratum-client service`: let systemd run the daemon, from now on and after each start."""

import argparse
import json
import os
import pwd
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stratum_client.config import Config
from stratum_client.config_file import find_config, fragments_beside, read_config
from stratum_client.config_fragments import Fragment
from stratum_client.config_template import config_without_pool, first_config
from stratum_client.errors import ConfigError
from stratum_client.service_program import program_words, unit_needs, unreachable
from stratum_client.service_steps import (
    Machine,
    Step,
    StepError,
    WriteFile,
    done,
    install_steps,
    remove_steps,
)
from stratum_client.service_unit import CONFIG_PATH, STATE_PATH, UNIT_NAME, UNIT_PATH, USER, unit
from stratum_client.verbs.asking import EXIT_FAILED, EXIT_OK, complain, tell

SYSTEMD = Path("/run/systemd/system")
"""Is there while systemd runs the machine. Source: man sd_booted(3)."""

_SHOWN = (
    *("LoadState", "UnitFileState", "ActiveState", "SubState", "StatusText", "MainPID"),
    *("NRestarts", "Result", "ActiveEnterTimestamp"),
)

_PROGRAM = "stratum-client service"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `service` takes."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    install = actions.add_parser(
        "install", help="make user, unit, udev rule and, if there is none, configuration; start it"
    )
    install.set_defaults(action=_install)
    install.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help=f"copied to {CONFIG_PATH} if there is none yet (default: what `run` would find)",
    )
    install.add_argument("--pool", metavar="URL", help="instead: write a configuration, this pool")
    install.add_argument("--user", metavar="USER", help="... and this user")
    install.add_argument("--no-start", action="store_true", help="do not start it now")
    remove = actions.add_parser("remove", help="stop it and take it away, but no data")
    remove.set_defaults(action=_remove)
    for action in (install, remove):
        action.add_argument(
            "--dry-run", action="store_true", help="only print the steps, and the files whole"
        )
    status = actions.add_parser("status", help="how it is doing; exit code 0 if it runs")
    status.set_defaults(action=_status)
    status.add_argument("--json", action="store_true", help="print one JSON object")
    for action in (install, remove, status):
        action.add_argument(
            "--root",
            metavar="DIR",
            type=Path,
            default=Path("/"),
            help="not this machine, but the one whose file system is here",
        )


def run(options: argparse.Namespace) -> int:
    """Do what was asked for."""
    machine = Machine(root=options.root.absolute())
    if machine.is_live and not SYSTEMD.is_dir() and not getattr(options, "dry_run", False):
        complain(
            f"{_PROGRAM}: this machine is not run by systemd ({SYSTEMD} is not there). Let what"
            " does run it start this, in the foreground, and again when it ends:\n"
            f"  {shlex.join(program_words())} run"
        )
        return EXIT_FAILED
    return int(options.action(options, machine))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The configuration that the service gets: its text, from where, and what it says."""

    text: str
    origin: str
    config: Config | None
    problem: str = ""


def _install(options: argparse.Namespace, machine: Machine) -> int:
    found = _configuration(options, machine)
    needs = unit_needs(found.config)
    if machine.is_live and (problem := unreachable(needs)):
        complain(f"{_PROGRAM}: {problem}")
        return EXIT_FAILED
    start = not found.problem and not options.no_start
    steps = install_steps(machine, needs, found.text, start=start)
    tell(f"configuration: {found.origin}")
    if code := _done(steps, options, machine):
        return code
    _tell_what_next(found, options, machine)
    return EXIT_OK


def _configuration(options: argparse.Namespace, machine: Machine) -> _Found:
    """Return what the service is to be configured with; raise ConfigError."""
    there = machine.place(CONFIG_PATH)
    if there.exists():
        beside = fragments_beside(there)
        return _judged(_text_of(there), f"{there}, which is there already", fragments=beside)
    if options.pool:
        text = first_config(url=options.pool, user=options.user or "")
        return _judged(text, f"new, with the pool {options.pool}", strict=True)
    if source := options.config or find_config(_environ_of_caller(os.environ), system=Path("/-")):
        return _judged(_text_of(source), f"a copy of {source}")
    return _judged(config_without_pool(), "new, without a pool")


def _judged(
    text: str, origin: str, *, strict: bool = False, fragments: Sequence[Fragment] = ()
) -> _Found:
    """Return ``text`` with what is wrong with it, where it is going to stand."""
    try:
        config = read_config(
            text.encode(),
            name=CONFIG_PATH,
            environ={},
            directory=Path(CONFIG_PATH).parent,
            fragments=fragments,
        )
    except ConfigError as error:
        if strict:
            raise
        return _Found(text=text, origin=origin, config=None, problem=str(error))
    problem = "" if config.pools else f"{CONFIG_PATH} has no [[pool]] yet"
    return _Found(text=text, origin=origin, config=config, problem=problem)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigError(path, f"cannot be read: {error.strerror}") from error


def _environ_of_caller(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that says where the user's own configuration is, also under sudo."""
    try:
        home = pwd.getpwnam(environ.get("SUDO_USER", "")).pw_dir
    except KeyError:
        return dict(environ)
    return {"HOME": home}


def _remove(options: argparse.Namespace, machine: Machine) -> int:
    steps = remove_steps(machine)
    if not steps:
        tell("the service is not installed")
    if code := _done(steps, options, machine):
        return code
    left = [path for path in (str(Path(CONFIG_PATH).parent), STATE_PATH) if _is(machine, path)]
    if left:
        tell(f"left are the user {USER} and {' and '.join(left)}: configuration, shares, blocks.")
        tell(f"To delete these too: sudo rm -r {' '.join(left)} && sudo userdel {USER}")
    return EXIT_OK


def _is(machine: Machine, path: str) -> bool:
    return machine.place(path).exists()


def _done(steps: tuple[Step, ...], options: argparse.Namespace, machine: Machine) -> int:
    """Tell each step, and do it unless that is not wanted; return the exit code."""
    if options.dry_run:
        for step in steps:
            tell(f"would {step}")
            if isinstance(step, WriteFile) and not (step.keep and _is(machine, step.path)):
                tell("".join(f"    {line}\n" for line in step.text.splitlines()))
        return EXIT_OK
    if machine.is_live and os.geteuid() != 0:
        words = ["sudo", *program_words(), *sys.argv[1:]]
        complain(f"{_PROGRAM}: this needs root; run:\n  {shlex.join(words)}")
        return EXIT_FAILED
    for step in steps:
        try:
            tell(f"{step}: {done(step, machine)}")
        except StepError as error:
            complain(f"{_PROGRAM}: {error}")
            complain(f"to see why it does not run: journalctl -u {UNIT_NAME} -n 30")
            return EXIT_FAILED
    return EXIT_OK


def _tell_what_next(found: _Found, options: argparse.Namespace, machine: Machine) -> None:
    if options.dry_run:
        return
    if found.problem:
        tell(f"not started: {found.problem}")
        tell(f"edit that file, then: sudo systemctl restart {UNIT_NAME}")
    elif options.no_start or not machine.is_live:
        tell(f"not started; it is with the next start of the machine, or by systemctl start {USER}")
    else:
        tell("it runs. How it is doing: stratum-client status; its log: journalctl -fu " + USER)
    if user := os.environ.get("SUDO_USER"):
        tell(f"to give it orders as {user}: sudo usermod -aG {USER} {user}, and log in again")
    if found.config and (listen := found.config.metrics.listen):
        tell(f"metrics: http://{listen}/metrics")


def _status(options: argparse.Namespace, machine: Machine) -> int:
    installed = _is(machine, UNIT_PATH)
    facts: dict[str, str] = {}
    if machine.is_live:
        names = [word for name in _SHOWN for word in ("-p", name)]
        _, said = machine.command(["systemctl", "show", UNIT_NAME, *names])
        facts = dict(line.partition("=")[::2] for line in said.splitlines() if "=" in line)
    else:
        _, said = machine.command(machine.rooted("systemctl", "is-enabled", UNIT_NAME))
        facts = {"UnitFileState": said.splitlines()[-1] if said else ""}
    is_active = facts.get("ActiveState") == "active"
    is_current = installed and _is_current(machine)
    if options.json:
        state = {"installed": installed, "current": is_current, "active": is_active}
        tell(json.dumps({**state, "systemd": facts}))
        return EXIT_OK if is_active else EXIT_FAILED
    if not installed:
        tell("not installed; to install it: sudo stratum-client service install")
        return EXIT_FAILED
    for name, value in facts.items():
        tell(f"{name:<21}{value or '-'}")
    if not is_current:
        tell("the unit is not what this version writes; sudo stratum-client service install does")
    return EXIT_OK if is_active else EXIT_FAILED


def _is_current(machine: Machine) -> bool:
    """Return whether the unit is what `install` would write; True where that cannot be known."""
    config: Config | None = None
    try:
        config = _judged(_text_of(machine.place(CONFIG_PATH)), "").config
        text = machine.place(UNIT_PATH).read_text(errors="replace")
    except (ConfigError, OSError):
        return True
    return text == unit(unit_needs(config))
