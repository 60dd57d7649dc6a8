"""`stratum-client doctor`: is everything there to mine with, and if not, what puts it right."""

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable
from ctypes.util import find_library
from pathlib import Path
from random import Random

from drivers import usb_power
from drivers.hashing import kernels
from drivers.registry import DriverClashError
from drivers.transports.errors import PortOpenError
from drivers.transports.usb_device import libusb
from drivers.transports.usb_errors import LIBUSB_COMMAND
from stratum_client import doctor, doctor_facts
from stratum_client.clock import SystemClock
from stratum_client.config import Config
from stratum_client.config_arguments import with_arguments
from stratum_client.config_file import find_config, load_config
from stratum_client.config_problems import NoLog
from stratum_client.control.io.mqtt_link import MqttLink
from stratum_client.doctor import Check, ClockFacts, ConfigFacts, StateFacts, Status
from stratum_client.doctor_kernel_log import kernel_log, kernel_log_check
from stratum_client.doctor_pools import pool_checks, pool_facts
from stratum_client.doctor_ports import absent_checks, port_checks, power_checks
from stratum_client.errors import ConfigError
from stratum_client.udev_rules import RULES_PATH, rules
from stratum_client.verbs.arguments import add_pool_arguments, pools_of

EXIT_OK, EXIT_FAILED = 0, 1

_DIRECTLY = "USB sticks driven directly"

_LIBRARIES = (
    ("structlog", "structlog", "logs", True),
    ("publicsuffixlist", "publicsuffixlist", "pools that send one elsewhere", True),
    ("pyserial", "serial", "serial ports", True),
    ("pyudev", "pyudev", "noticing at once what is plugged in", False),
    ("pyusb", "usb.core", _DIRECTLY, False),
)
"""Package, its module, what it is for, and whether nothing works without it."""

_FORMATS = """\
Each line is one check: ok, warning or FAIL, what was seen, and the command that puts it right. The
exit code is 0 unless a check failed. Nothing is changed, no device is opened.

--json prints one object: "ok" and "checks"; a check has check, status (ok, warning, fail), text
and fix (a command, or null).
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `doctor` takes."""
    parser.epilog = f"{_FORMATS}\n{parser.epilog}"
    parser.add_argument("--config", metavar="FILE", type=Path, help="settings, as for run")
    add_pool_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--fix-udev",
        action="store_true",
        help=f"only print the udev rules, for | sudo tee {RULES_PATH}",
    )


def run(options: argparse.Namespace) -> int:
    """Look at everything; the exit code says whether anything failed."""
    if options.fix_udev:
        sys.stdout.write(rules())
        return EXIT_OK
    checks = _checks(options)
    failed = doctor.has_failed(checks)
    if options.json:
        _print(json.dumps({"ok": not failed, "checks": [check.json() for check in checks]}))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in doctor.lines(checks, colours=_wants_colours(), width=width):
            _print(line)
    return EXIT_FAILED if failed else EXIT_OK


def _checks(options: argparse.Namespace) -> list[Check]:
    facts, loaded = _config(options)
    # What the command line says wrongly ends here, as with every verb; a file does not.
    config = with_arguments(loaded, pools=pools_of(options), environ=os.environ)
    pip = doctor_facts.pip_command()
    missing = kernels.unavailable()
    state = doctor_facts.state_facts(config.state_dir)
    return [
        doctor.python_check(sys.version_info[:3]),
        doctor.kernels_check(
            kernels.best(1).name, (one.name for one in kernels.available()), missing, pip
        ),
        *_libraries(pip),
        doctor.extras_check(doctor_facts.missing_extras(), pip),
        doctor.config_check(facts),
        doctor.state_check(state),
        doctor.clock_check(_clock()),
        *_ports(config, state, pip),
        kernel_log_check(kernel_log()),
        *_broker(config),
        *pool_checks(asyncio.run(pool_facts(config.pools))),
    ]


def _config(options: argparse.Namespace) -> tuple[ConfigFacts, Config | None]:
    path = options.config
    try:
        path = path or find_config()
        config = load_config(path)
    except ConfigError as error:
        return ConfigFacts(path=path, error=error), None
    facts = ConfigFacts(
        path=path,
        warnings=config.warnings,
        pools=len(config.pools),
        devices=len(config.devices),
    )
    return facts, config


def _libraries(pip: str) -> Iterable[Check]:
    for package, module, needed_for, is_core in _LIBRARIES:
        yield doctor.library_check(
            package,
            doctor_facts.import_problem(module),
            f"{pip} {package}",
            needed_for=needed_for,
            is_core=is_core,
        )
    yield doctor.library_check(
        "libusb", _libusb_problem(), LIBUSB_COMMAND, needed_for=_DIRECTLY, is_core=False
    )


def _libusb_problem() -> str:
    if doctor_facts.import_problem("usb.core"):
        return "" if find_library("usb-1.0") else "not installed"
    try:
        libusb()
    except PortOpenError as error:
        return "not installed" if not find_library("usb-1.0") else str(error)
    return ""


def _clock() -> ClockFacts:
    wall = time.time()
    return ClockFacts(
        wall=wall,
        shown=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(wall)),
        is_synchronized=doctor_facts.is_clock_synchronized(),
    )


def _ports(config: Config, state: StateFacts, pip: str) -> list[Check]:
    try:
        problems = doctor_facts.driver_problems()
        found = doctor_facts.port_facts(config.devices)
    except DriverClashError as error:
        uninstall = pip.replace(" install", " uninstall").replace(" --user", "")
        fix = f"{uninstall} {error.second.rpartition(' ')[2]}"
        return [Check(name="drivers", status=Status.FAIL, text=str(error), fix=fix)]
    numbers = (holder.partition(" ")[0] for holder in state.holders)
    ours = frozenset(int(number) for number in numbers if number.isdecimal())
    return [
        doctor.drivers_check(problems, pip),
        *port_checks(found, ours=ours, rules_installed=doctor_facts.are_rules_installed()),
        *power_checks(usb_power.power_hints(one.port for one in found if one.is_sure)),
        *absent_checks(doctor_facts.absent_devices(config.devices, found)),
    ]


def _broker(config: Config) -> Iterable[Check]:
    """Log in at the broker, if there is one."""
    if not config.mqtt.url:
        return ()
    link = MqttLink(
        config.mqtt,
        config.rig.name,
        clock=SystemClock(),
        random=Random(),
        log=NoLog(),
    )
    return (doctor.broker_check(str(config.mqtt.url), asyncio.run(link.problem_found())),)


def _wants_colours() -> bool:
    environ = os.environ
    plain = environ.get("NO_COLOR") or environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def _print(text: str) -> None:
    print(text)  # noqa: T201  # the terminal is our output
