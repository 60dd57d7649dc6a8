"""`stratum-client pools list|use|enable|disable|add|remove`: the pools of a running daemon."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from stratum_client.config_secrets import SecretError, Secrets
from stratum_client.device_listing import explained, table
from stratum_client.units import scaled
from stratum_client.verbs.arguments import add_way_arguments
from stratum_client.verbs.asking import (
    EXIT_OK,
    add_config_argument,
    asked,
    complain,
    reported,
    tell,
    told_if_not_durable,
)

AUTO = "auto"

_STDIN = "-"


def add_orders(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the actions that a running daemon follows."""
    _action(actions, "list", "show the pools of the running daemon, the best first", _list)
    use = _action(actions, "use", "take all work from one pool, until `use auto`", _use)
    use.add_argument("name", metavar="NAME|auto", help="a pool, as `list` shows it, or auto")
    switches = []
    for what, text in (("enable", "let a pool take part again"), ("disable", "leave a pool out")):
        switch = _action(actions, what, f"{text}; remembered across restarts", _switch)
        switch.add_argument("name", metavar="NAME")
        switch.set_defaults(order=what)
        switches.append(switch)
    add = _action(actions, "add", "take a pool in, until the daemon ends", _add)
    add.add_argument("url", metavar="URL", help="such as stratum+tcp://HOST:PORT")
    add.add_argument("--user", required=True, metavar="USER", help="ADDRESS.WORKER or account")
    add.add_argument("--name", metavar="NAME", help="what to call it; default: its host")
    secret = add.add_mutually_exclusive_group()
    secret.add_argument(
        "--password-file", metavar="FILE", help="file with the password; - reads a line of stdin"
    )
    secret.add_argument(
        "--password-env", metavar="VARIABLE", help="environment variable with the password"
    )
    add_way_arguments(add)
    remove = _action(actions, "remove", "let a pool go, until the daemon ends", _remove)
    remove.add_argument("name", metavar="NAME")
    for order in (use, *switches, add, remove):
        order.add_argument("--dry-run", action="store_true", help="only say what would be done")


def run_order(options: argparse.Namespace) -> int:
    """Follow one of them."""
    return reported("stratum-client pools", lambda: int(options.action(options)))


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    text: str,
    action: object,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_config_argument(parser)
    parser.set_defaults(action=action)
    return parser


def _list(options: argparse.Namespace) -> int:
    return _told(options, asked(options, "pools"), _show)


def _use(options: argparse.Namespace) -> int:
    name = None if options.name == AUTO else options.name
    return _told(options, _ordered(options, "pool.use", pool=name), _show)


def _switch(options: argparse.Namespace) -> int:
    return _told(options, _ordered(options, f"pool.{options.order}", pool=options.name), _show)


def _ordered(options: argparse.Namespace, what: str, **fields: object) -> Mapping[str, object]:
    return asked(options, what, **fields, dry_run=options.dry_run or None)


def _told(
    options: argparse.Namespace,
    result: Mapping[str, object],
    show: Callable[[Mapping[str, object]], None],
) -> int:
    if options.json:
        tell(json.dumps(result))
        return EXIT_OK
    show(result)
    if getattr(options, "dry_run", False):
        tell("it would be done; nothing was done")
    told_if_not_durable(result)
    return EXIT_OK


def _add(options: argparse.Namespace) -> int:
    try:
        password = _password(options)
    except SecretError as error:
        complain(f"stratum-client pools: {error.problem}")
        return 2
    keys = ("url", "user", "name", "proxy", "pin", "insecure")
    fields = {key: getattr(options, key) for key in keys}
    result = _ordered(options, "pool.add", **fields, password=password)
    return _told(options, result, lambda _: _tell_pool(options, result, "added"))


def _remove(options: argparse.Namespace) -> int:
    result = _ordered(options, "pool.remove", pool=options.name)
    return _told(options, result, lambda _: _tell_pool(options, result, "removed"))


def _tell_pool(options: argparse.Namespace, result: Mapping[str, object], done: str) -> None:
    note = result.get("note")
    would = "would be " if options.dry_run else ""
    tell(f"{result.get('pool')}: {would}{done}{'; ' if note else ''}{note}")


def _password(options: argparse.Namespace) -> str | None:
    """Return the password; it never stands on the command line, where others could read it."""
    secrets = Secrets(os.environ, directory=Path())
    if options.password_env:
        return secrets.from_environment(options.password_env)
    if options.password_file == _STDIN:
        return sys.stdin.readline().rstrip("\r\n") or None
    return secrets.from_file(options.password_file) if options.password_file else None


def _show(result: Mapping[str, object]) -> None:
    pools = result.get("pools")
    rows = [pool for pool in (pools if isinstance(pools, list) else []) if isinstance(pool, dict)]
    cells = [
        (
            str(pool["name"]),
            str(pool["url"]),
            str(pool["state"]),
            _role(pool),
            "-" if pool["difficulty"] is None else scaled(float(pool["difficulty"])),
            f"{pool['accepted']}/{pool['rejected']}/{pool['stale']}",
        )
        for pool in rows
    ]
    head = ("POOL", "ADDRESS", "STATE", "ROLE", "DIFFICULTY", "OK/REJECTED/STALE")
    tell("\n".join(explained(table(head, cells), [pool["problem"] for pool in rows])))
    tell(f"\n{result.get('reason')}")


def _role(pool: Mapping[str, object]) -> str:
    note = pool.get("role_note")
    return f"{pool.get('role')}{': ' if note else ''}{note}"
