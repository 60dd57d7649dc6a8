"""Command-line arguments that several verbs share."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stratum_client.config import DeviceConfig
from stratum_client.config_arguments import PoolArguments, parse_device
from stratum_client.config_power import LARGEST
from stratum_client.errors import ConfigError
from stratum_client.units import UnitError, parse_duration, parse_power


def add_pool_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --pool, and what belongs to the --pool before it."""
    group = parser.add_argument_group("pools (repeat --pool for several)")
    group.add_argument(
        "--pool",
        dest="pools",
        metavar="URL",
        type=lambda url: PoolArguments(url=url),
        action="append",
        help="pool, such as stratum+tcp://HOST:PORT",
    )
    group.add_argument(
        "--user", metavar="USER", action=_OfLastPool, help="ADDRESS.WORKER or ACCOUNT.WORKER"
    )
    group.add_argument(
        "--password",
        metavar="PASSWORD",
        action=_OfLastPool,
        help="default: x; others on this machine may see it, so better use --password-file",
    )
    group.add_argument(
        "--password-file", metavar="FILE", action=_OfLastPool, help="file with the password"
    )
    add_way_arguments(group, action=_OfLastPool)


def add_way_arguments(
    group: "argparse._ActionsContainer", *, action: "type[argparse.Action] | None" = None
) -> None:
    """Add how to get to a pool: --proxy, --pin, --insecure."""
    group.add_argument(
        "--proxy",
        metavar="URL",
        action=action or "store",
        help="SOCKS5 proxy, such as socks5://127.0.0.1:9050; one with a password better stands in "
        "SC_NETWORK_PROXY",
    )
    group.add_argument(
        "--pin",
        metavar="SHA256",
        action=action or "store",
        help="trust the TLS certificate or key with this digest, whoever signed it",
    )
    flag = {"action": action, "nargs": 0} if action else {"action": "store_true"}
    group.add_argument(
        "--insecure",
        **flag,
        help="take any TLS certificate: whoever is in between can steal the shares",
    )


def add_device_arguments(
    parser: argparse.ArgumentParser, *, default: str = "what is found, else cpu"
) -> None:
    """Add --device; ``default`` says what is mined with else."""
    parser.add_argument(
        "--device",
        dest="devices",
        metavar="NAME[@PORT][,KEY=VALUE...]",
        type=_device,
        action="append",
        default=[],
        help=f"what to mine with, such as cpu,threads=2 (default: {default}); repeat for several",
    )


def add_run_time_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --for and --json."""
    parser.add_argument(
        "--for",
        dest="duration",
        metavar="DURATION",
        type=duration,
        help="stop after this time, such as 15s, 10m or 1h30m",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="log on stderr; the last line of stdout is a summary as one JSON object",
    )


def add_record_arguments(parser: argparse.ArgumentParser, *, is_verb: bool = False) -> None:
    """Add --record, or its FILE where the verb itself says so, and what belongs to it."""
    if is_verb:
        parser.add_argument("record", metavar="FILE", type=Path, help="file to write or extend")
    else:
        parser.add_argument(
            "--record",
            metavar="FILE",
            type=Path,
            help="keep what passes between pools, devices and this program, for `replay` and bug "
            "reports; passwords are masked",
        )
    parser.add_argument(
        "--keep-user", action="store_true", help="leave user names in the recording as they are"
    )
    parser.add_argument(
        "--record-limit",
        metavar="MIB",
        type=_mebibytes,
        default=512,
        help="size at which the recording ends (default: 512)",
    )


def pools_of(options: argparse.Namespace) -> Sequence[PoolArguments]:
    """Return the pools given on the command line."""
    return options.pools or ()


def duration(text: str) -> float:
    """Return a time such as ``15s`` in seconds, for argparse."""
    try:
        return parse_duration(text)
    except UnitError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_curtail_arguments(group: "argparse._MutuallyExclusiveGroup") -> None:
    """Declare what may be ordered."""
    group.add_argument("--idle", action="store_true", help="rest")
    group.add_argument(
        "--power", metavar="POWER", action=_Power, help="at most so much, as in 400W, or 50%%"
    )
    group.add_argument(
        "--percent", metavar="PERCENT", type=_percent, help="at most so much of full power"
    )


class _Power(argparse.Action):
    """Takes watts as ``power``, a share of full power as ``percent``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - the form is argparse's
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,  # noqa: ARG002 - as above
    ) -> None:
        """Take one or the other; raise ArgumentError."""
        text = str(values)
        try:
            if text.endswith("%"):
                namespace.percent = _percent(text)
            else:
                namespace.power = _watts(text)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentError(self, str(error)) from error


def _watts(text: str) -> float:
    try:
        watts = parse_power(text)
    except UnitError as error:
        raise argparse.ArgumentTypeError(f'"{text}" is no power, as in 400W or 1.2kW') from error
    if watts > LARGEST:
        raise argparse.ArgumentTypeError(f'"{text}" is more than {LARGEST / 1e6:g}MW')
    return watts


def _percent(text: str) -> float:
    try:
        found = float(text.removesuffix("%"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'"{text}" is no number from 0 to 100') from error
    if not 0 <= found <= 100:
        raise argparse.ArgumentTypeError(f'"{text}" is no number from 0 to 100')
    return found


def _mebibytes(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 7 and int(text)):
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of MiB, 1 or more')
    return int(text)


def _device(text: str) -> DeviceConfig:
    try:
        return parse_device(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(error.problem) from error


class _OfLastPool(argparse.Action):
    """Sets something of the pool before it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Complete the last pool."""
        if not namespace.pools:
            parser.error(f"{option_string} belongs to the --pool before it; give --pool first")
        *before, last = namespace.pools
        if getattr(last, self.dest) is not None:
            parser.error(f"{option_string} is given twice for --pool {last.url}")
        value = True if self.nargs == 0 else str(values)
        namespace.pools = [*before, replace(last, **{self.dest: value})]
