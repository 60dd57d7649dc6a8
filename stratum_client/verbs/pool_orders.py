"""`stratum-client pools list|use|enable|disable|add|remove`: the pools of a running daemon."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from stratum_client.config_secrets import SecretError, Secrets
from stratum_client.device_listing import table
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
    rows = _action(actions, "list", "show the pools of the running daemon, the best first", _list)
    rows.add_argument("--json", action="store_true", help="print one JSON object")
    use = _action(actions, "use", "take all work from one pool, until `use auto`", _use)
    use.add_argument("name", metavar="NAME|auto", help="a pool, as `list` shows it, or auto")
    for what, text in (("enable", "let a pool take part again"), ("disable", "leave a pool out")):
        switch = _action(actions, what, f"{text}; remembered across restarts", _switch)
        switch.add_argument("name", metavar="NAME")
        switch.set_defaults(order=what)
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
    add_config_argument(parser)
    parser.set_defaults(action=action)
    return parser


def _list(options: argparse.Namespace) -> int:
    result = asked(options, "pools")
    if options.json:
        tell(json.dumps(result))
    else:
        _show(result)
    return EXIT_OK


def _use(options: argparse.Namespace) -> int:
    result = asked(options, "pool.use", pool=None if options.name == AUTO else options.name)
    _show(result)
    told_if_not_durable(result)
    return EXIT_OK


def _switch(options: argparse.Namespace) -> int:
    result = asked(options, f"pool.{options.order}", pool=options.name)
    _show(result)
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
    result = asked(options, "pool.add", **fields, password=password)
    tell(f"{result.get('pool')}: added; {result.get('note')}")
    return EXIT_OK


def _remove(options: argparse.Namespace) -> int:
    result = asked(options, "pool.remove", pool=options.name)
    note = result.get("note")
    tell(f"{result.get('pool')}: removed{'; ' if note else ''}{note}")
    return EXIT_OK


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
            str(pool["problem"]),
        )
        for pool in rows
    ]
    head = ("POOL", "ADDRESS", "STATE", "ROLE", "DIFFICULTY", "OK/REJECTED/STALE", "")
    tell("\n".join(table(head, cells)))
    tell(f"\n{result.get('reason')}")


def _role(pool: Mapping[str, object]) -> str:
    note = pool.get("role_note")
    return f"{pool.get('role')}{': ' if note else ''}{note}"
