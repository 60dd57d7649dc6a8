"""Command-line arguments that several verbs share."""

import argparse
from collections.abc import Sequence
from dataclasses import replace

from stratum_client.config import DeviceConfig
from stratum_client.config_arguments import PoolArguments, parse_device
from stratum_client.errors import ConfigError
from stratum_client.units import UnitError, parse_duration


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


def add_device_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument(
        "--device",
        dest="devices",
        metavar="NAME[@PORT][,KEY=VALUE...]",
        type=_device,
        action="append",
        default=[],
        help="what to mine with, such as cpu,threads=2 (default: what is found, else cpu); repeat "
        "for several",
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


def pools_of(options: argparse.Namespace) -> Sequence[PoolArguments]:
    """Return the pools given on the command line."""
    return options.pools or ()


def duration(text: str) -> float:
    """Return a time such as ``15s`` in seconds, for argparse."""
    try:
        return parse_duration(text)
    except UnitError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


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
        namespace.pools = [*before, replace(last, **{self.dest: str(values)})]
