"""`stratum-client emulate device NAME`: an emulated board or chain that any program can open."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from drivers.bm13xx.emulated import MAX_CHIPS
from drivers.bm13xx.emulated_bitaxe import ResponseFormat
from drivers.bm13xx.emulated_boards import device_names, emulated_device
from drivers.bm13xx.emulated_device import EmulatedDevice
from drivers.errors import SettingError
from drivers.icarus.emulated import EmulatedIcarus
from drivers.icarus.emulated_models import EMULATED_MODELS
from drivers.peripherals.emulated_faults import fault_help, parse_faults
from stratum_client.device_on_pty import DeviceOnPty
from stratum_client.errors import ConfigError
from stratum_client.help_text import ParagraphFormatter
from stratum_client.icarus_on_pty import IcarusOnPty
from stratum_client.units import scaled
from stratum_client.verbs.arguments import duration

EXIT_OK, EXIT_FAILED = 0, 1

_ABOUT = """\
Emulate a board or a chain of chips on pseudo-terminals. The path of the data port is printed, then
that of the control port if there is one, each on a line of its own on stdout; all else goes to
stderr. It hashes for real, at SCALE times the speed of the real thing, and its lowest ticket
difficulty is scaled likewise: tell a driver the same scale, as in --device NAME@PORT,scale=SCALE.
Icarus-class devices have one port, and no use for --chips, --lenient, --responses and --ambient.
"""

_CHAIN_ONLY = ("chips", "lenient", "responses", "ambient")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `emulate` takes."""
    things = parser.add_subparsers(title="what", metavar="WHAT", required=True)
    device = things.add_parser(
        "device",
        help="a board or a chain of chips, on pseudo-terminals",
        description=_ABOUT,
        epilog=_epilog(),
        formatter_class=ParagraphFormatter,
    )
    device.add_argument("name", metavar="NAME", help="board or chip, see below")
    _add_shape_arguments(device)
    _add_behaviour_arguments(device)
    device.add_argument(
        "--for",
        dest="duration",
        metavar="DURATION",
        type=duration,
        help="stop after this time, such as 15s, 10m or 1h30m",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until stopped."""
    try:
        device = _device(options)
    except SettingError as error:
        raise ConfigError(f"{error.setting}", error.problem) from error
    return asyncio.run(_serve(device, options))


def _add_shape_arguments(device: argparse.ArgumentParser) -> None:
    device.add_argument(
        "--chips", type=_chips, metavar="N", help="how many chips (default: as the board has, or 1)"
    )
    device.add_argument(
        "--scale",
        type=_scale,
        metavar="S",
        help="its speed over the real one's (default: what costs a tenth of a core, "
        "2^-18 = 3.8e-06 or less)",
    )
    device.add_argument("--pty", action="store_true", help="on pseudo-terminals (always so)")
    device.add_argument(
        "--link",
        type=Path,
        metavar="PATH",
        help="make PATH a link to the data port and PATH-control one to the control port, which "
        "stay the same when the device is plugged in again",
    )


def _add_behaviour_arguments(device: argparse.ArgumentParser) -> None:
    device.add_argument(
        "--fault",
        dest="faults",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="do something wrong, see below; repeat for several",
    )
    device.add_argument(
        "--lenient",
        action="store_true",
        help="work after the shortest start that ever worked, not only after a complete one",
    )
    device.add_argument(
        "--responses",
        choices=[form.name for form in ResponseFormat],
        help="how a bitaxe-raw control port frames its replies: "
        + "; ".join(f"{form.name}: {form.value}" for form in ResponseFormat),
    )
    device.add_argument(
        "--ambient", type=float, metavar="CELSIUS", help="temperature of the air around a board"
    )
    device.add_argument(
        "--seed", type=int, help="repeat chance: the same seed, the same faults and nonces"
    )


def _device(options: argparse.Namespace) -> EmulatedDevice | EmulatedIcarus:
    if options.name in EMULATED_MODELS:
        return _icarus(options)
    return emulated_device(
        options.name,
        random=Random(options.seed),
        chips=options.chips,
        scale=options.scale,
        strict=not options.lenient,
        faults=parse_faults(",".join(options.faults)),
        response_format=ResponseFormat[options.responses] if options.responses else None,
        ambient=options.ambient,
    )


def _icarus(options: argparse.Namespace) -> EmulatedIcarus:
    for option in _CHAIN_ONLY:
        if getattr(options, option):
            raise SettingError(options.name, f"--{option}", "it has none")
    return EmulatedIcarus(
        EMULATED_MODELS[options.name],
        random=Random(options.seed),
        scale=options.scale,
        faults=parse_faults(",".join(options.faults)),
    )


async def _serve(device: EmulatedDevice | EmulatedIcarus, options: argparse.Namespace) -> int:
    stopped = asyncio.Event()
    tell = _Teller(device.name)
    try:
        if isinstance(device, EmulatedIcarus):
            served: DeviceOnPty | IcarusOnPty = IcarusOnPty(device, tell=tell, link=options.link)
        else:
            served = DeviceOnPty(device, tell=tell, link=options.link)
    except OSError as error:
        _Teller("emulate")(f"{options.link}: {error.strerror}: choose another --link")
        return EXIT_FAILED
    if options.duration:
        asyncio.get_running_loop().call_later(options.duration, stopped.set)
    try:
        with _set_by_signals(stopped):
            print("\n".join(served.paths), flush=True)  # noqa: T201  # the promised output
            tell(_greeting(device, served))
            await served.serve(stopped)
    finally:
        served.close()
    tell(_farewell(device))
    return EXIT_OK


class _Teller:
    """Says what there is to say of a device, on stderr."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, text: str) -> None:
        print(f"{self._name}: {text}", file=sys.stderr, flush=True)  # noqa: T201  # our output


def _greeting(device: EmulatedDevice | EmulatedIcarus, served: DeviceOnPty | IcarusOnPty) -> str:
    place = "+".join(served.paths)
    if isinstance(device, EmulatedIcarus):
        numbers = f"scale={device.scale:.8g},ticket={device.ticket:.8g}"
        return f"to mine with it: --device {device.name}@{place},{numbers}"
    chain = device.chain
    count = len(chain.chips)
    options = f"scale={chain.scale:.8g}" if device.has_control else f"chips={count},scale="
    options += "" if device.has_control else f"{chain.scale:.8g}"
    chips = f"{count} {chain.model.name.upper()} chip{'s' if count > 1 else ''}"
    return f"{chips}; to mine with it: --device {device.name}@{place},{options}"


def _farewell(device: EmulatedDevice | EmulatedIcarus) -> str:
    if isinstance(device, EmulatedIcarus):
        return f"{device.nonces} nonces sent of {device.works} works"
    return f"{device.chain.nonces} nonces sent, {scaled(device.chain.missed)} hashes missed"


@contextmanager
def _set_by_signals(stopped: asyncio.Event) -> Iterator[None]:
    """Set ``stopped`` at SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stopped.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _chips(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= MAX_CHIPS:
        return int(text)
    raise argparse.ArgumentTypeError(f"a chain has 1 to {MAX_CHIPS} chips, not {text!r}")


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if 0 < scale <= 1:
        return scale
    raise argparse.ArgumentTypeError(f"a scale is above 0 and at most 1, not {text!r}")


def _epilog() -> str:
    names = (*device_names(), *EMULATED_MODELS)
    rows = [" ".join(names[start : start + 6]) for start in range(0, len(names), 6)]
    faults = [f"{name + '=':<24}{kind}: {text}" for name, kind, text in fault_help()]
    return "\n  ".join(["names:", *rows]) + "\n\n" + "\n  ".join([_FAULTS, *faults]) + _CODES


_FAULTS = "faults (times are seconds from the start):"
_CODES = """

exit codes: 0 stopped by SIGINT, SIGTERM or --for, 1 no port could be made, 2 wrong arguments.
"""
