"""`stratum-client devices`: what is plugged in and known; orders to the devices of a daemon."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping

from drivers import registry, usb_power
from drivers.registry import DriverClashError
from stratum_client.api.control_client import NoDaemonError, ask, devices_at
from stratum_client.api.control_lines import OrderError
from stratum_client.clock import SystemClock
from stratum_client.config import Config, LogConfig
from stratum_client.config_arguments import with_arguments
from stratum_client.config_checks import default_device_name, distinct
from stratum_client.config_file import find_config, load_config, load_hardware
from stratum_client.device_finder import taken, verdicts
from stratum_client.device_listing import (
    device_lines,
    driver_lines,
    driver_rows,
    library_problems,
    port_lines,
    port_rows,
)
from stratum_client.errors import ConfigError
from stratum_client.log import configure_logging
from stratum_client.safe_off import Outcome, safe_off_all
from stratum_client.setting_kinds import scalar_of
from stratum_client.state_lock import StateDirInUseError, lock_state_dir
from stratum_client.verbs.arguments import add_device_arguments
from stratum_client.verbs.asking import (
    EXIT_FAILED,
    EXIT_OK,
    add_config_argument,
    complain,
    reported,
    state_dir_of,
    tell,
    told_if_not_durable,
)
from stratum_client.verbs.mining import component_log

NOTHING = """\
no serial port found: is the board plugged in, and powered?
To try without one: stratum-client demo"""

_FORMATS = """\
--json prints one object: "ports", "devices" (of the running daemon, null without one) and
"problems"; with --supported: "drivers". A port has port, paths, vid, pid, manufacturer, product,
serial, driver, candidates, possible (its ids could be theirs), claim (the argument that claims it),
ways (tty, usb), device, way, problems; a driver has name, kind (chip, board, software), chips,
ports, driver, emulated, problem; a device has name, driver, port, way, serial, enabled, state,
reason, claimed_hashrate, hashrate, solutions, hardware_errors, temperature, power, frequency_mhz.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `devices` takes."""
    parser.epilog = f"{_FORMATS}\n{parser.epilog}"
    parser.set_defaults(action=_show)
    parser.add_argument(
        "--supported", action="store_true", help="show the chips and boards known instead"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_config_argument(parser)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    _add_order(actions, "enable", "let a device mine again")
    _add_order(actions, "disable", "let a device rest until it is enabled")
    _add_order(actions, "identify", "make a device blink")
    adjust = _add_order(actions, "set", "change settings of a running device, until it ends")
    adjust.add_argument(
        "settings",
        metavar="KEY=VALUE",
        nargs="+",
        type=_setting,
        help="such as frequency=500 or fan=80; what there is depends on the device",
    )
    off = actions.add_parser("safe-off", help="switch boards off without a daemon")
    off.description = (
        "Switch off the boards that are configured, else those that are found: after a crash, or "
        "before a hand goes near them. Exit code 1 if one was not seen to be off."
    )
    add_config_argument(off, default=argparse.SUPPRESS)
    add_device_arguments(off)
    off.add_argument(
        "--force", action="store_true", help="even while a daemon runs, which may switch them on"
    )
    off.add_argument("--dry-run", action="store_true", help="only say which boards are meant")
    off.set_defaults(action=_safe_off)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for."""
    action: Callable[[argparse.Namespace], int] = options.action
    try:
        return reported("stratum-client devices", lambda: action(options))
    except DriverClashError as error:
        raise ConfigError("drivers", str(error)) from error


def _show(options: argparse.Namespace) -> int:
    if options.supported:
        return _show_supported(options)
    devices = _devices_of_daemon(options)
    rows = port_rows(verdicts(), devices or ())
    miners = [row.verdict.port for row in rows if row.verdict.drivers or row.device]
    hints = usb_power.power_hints(miners)
    problems = [*map(str, registry.problems()), *library_problems(rows), *hints]
    if options.json:
        facts = {"ports": [row.json() for row in rows], "devices": devices, "problems": problems}
        tell(json.dumps(facts))
        return EXIT_OK
    tell("\n".join(port_lines(rows)) if rows else NOTHING)
    if devices is not None:
        tell("\n" + "\n".join(device_lines(devices)))
    for problem in problems:
        tell(f"\n{problem}")
    return EXIT_OK


def _show_supported(options: argparse.Namespace) -> int:
    rows = driver_rows()
    if options.json:
        tell(json.dumps({"drivers": [row.json() for row in rows]}))
    else:
        tell("\n".join(driver_lines(rows)))
    return EXIT_OK


def _devices_of_daemon(options: argparse.Namespace) -> list[Mapping[str, object]] | None:
    """Return what the running daemon says of its devices, None if none answers."""
    try:
        return devices_at(state_dir_of(options))
    except (NoDaemonError, OrderError, ConfigError):
        return None


def _order(options: argparse.Namespace) -> int:
    """Have a running daemon do something with one of its devices."""
    state_dir, what, name = state_dir_of(options), options.order, options.name
    fields: dict[str, object] = {"device": name}
    if what == "set":
        fields["settings"] = dict(options.settings)
    if options.dry_run:
        known = [str(device.get("name")) for device in devices_at(state_dir)]
        if name not in known:
            raise OrderError(f"no device is called {name!r}; there are: {', '.join(known)}")
        tell(f"{name}: would be told to {_words(options)}; nothing was done")
        return EXIT_OK
    result = ask(state_dir, f"device.{what}", **fields)
    tell(f"{name}: told to {_words(options)}")
    if what == "enable" and (reason := result.get("reason")):
        tell(f"{name}: rests on, for another reason: {reason}")
    told_if_not_durable(result)
    return EXIT_OK


def _words(options: argparse.Namespace) -> str:
    if options.order == "set":
        return "run with " + ", ".join(f"{key}={value}" for key, value in options.settings)
    return {"enable": "mine", "disable": "rest", "identify": "show itself"}[str(options.order)]


def _safe_off(options: argparse.Namespace) -> int:
    config = _config(options, boards_first=True)
    configure_logging(LogConfig(), stream=sys.stderr, secrets=config.secrets)
    if options.dry_run:
        return _tell_boards(config)
    if options.force:
        return _switch_off(config)
    try:
        with lock_state_dir(
            state_dir_of(options),
            program="stratum-client devices safe-off",
            now=SystemClock().wall(),
        ):
            return _switch_off(config)
    except StateDirInUseError as error:
        complain(f"{error}; or --force, but the daemon may switch the boards on again")
        return EXIT_FAILED


def _tell_boards(config: Config) -> int:
    devices = config.devices or distinct(taken(verdicts()), default_device_name)
    for device in devices:
        tell(f"{device.name}: would be switched off, if its driver can")
    tell("nothing was done")
    return EXIT_OK


def _switch_off(config: Config) -> int:
    found = verdicts()
    devices = config.devices or distinct(taken(found), default_device_name)
    outcomes = asyncio.run(
        safe_off_all(devices, found, clock=SystemClock(), log=component_log("safe-off"))
    )
    if not config.devices:
        outcomes += [
            Outcome(name=verdict.port.name, skipped=verdict.problem)
            for verdict in found
            if verdict.candidates
        ]
    for outcome in outcomes:
        say = complain if outcome.problem else tell
        say(str(outcome))
    if not outcomes:
        tell("nothing to switch off: no board configured, and none found that is known")
    return EXIT_FAILED if any(outcome.problem for outcome in outcomes) else EXIT_OK


def _config(options: argparse.Namespace, *, boards_first: bool = False) -> Config:
    """Return the settings, those of the command line put in.

    With ``boards_first`` a mistake elsewhere than in devices is told and passed over.
    """
    path = options.config or find_config()
    try:
        config = load_config(path)
    except ConfigError as error:
        if not (boards_first and path and path.is_file()):
            raise
        config = load_hardware(path)
        complain(f"stratum-client devices: passed over, as boards come first: {error}")
    return with_arguments(config, devices=getattr(options, "devices", ()), environ=os.environ)


def _add_order(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", order: str, text: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(order, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("name", metavar="NAME", help="the device, as `devices` shows it")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    add_config_argument(parser, default=argparse.SUPPRESS)
    parser.set_defaults(action=_order, order=order)
    return parser


def _setting(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form KEY=VALUE")
    return key, scalar_of(value)
