"""The arguments of ``stratum-client pool``, and the settings made of them."""

import argparse
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from stratum_client.emulated_pool.addresses import output_script
from stratum_client.emulated_pool.chain import PAYOUT_SCRIPT, ChainSettings
from stratum_client.emulated_pool.fault_specs import fault_of
from stratum_client.emulated_pool.faults import Fault
from stratum_client.emulated_pool.known_pools import PROFILES
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.emulated_pool.spec_values import seconds_of
from stratum_client.emulated_pool.vardiff import VardiffSettings
from stratum_client.errors import ConfigError

_Value = TypeVar("_Value")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    profiles = "; ".join(f"{name}: {profile.about}" for name, profile in PROFILES.items())
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        type=_checked(_address),
        default=("127.0.0.1", 3333),
        help="where to listen (default: 127.0.0.1:3333; port 0 takes any free one)",
    )
    parser.add_argument(
        "--tls-cert", metavar="FILE", type=Path, help="serve by TLS, with this certificate (PEM)"
    )
    parser.add_argument("--tls-key", metavar="FILE", type=Path, help="the key to it (PEM)")
    parser.add_argument(
        "--profile",
        choices=list(PROFILES),
        default="plain",
        metavar="NAME",
        help=f"the pool to play, which sets the other defaults (default: plain). {profiles}",
    )
    _add_difficulty_arguments(parser.add_argument_group("difficulty"))
    _add_job_arguments(parser.add_argument_group("jobs"))
    clients = parser.add_argument_group("clients")
    _add_client_arguments(clients)
    _add_user_arguments(clients)
    _add_run_arguments(parser)


def settings_of(args: argparse.Namespace) -> PoolSettings:
    """Return the settings in parsed arguments; raises ConfigError when they do not fit."""
    host, port = args.listen
    try:
        return PoolSettings(
            listen_host=host,
            listen_port=port,
            profile=PROFILES[args.profile],
            chain=ChainSettings(
                network_difficulty=args.network_difficulty,
                branches=args.branches,
                outputs=args.outputs,
                version=args.job_version,
                payout_script=args.payout or PAYOUT_SCRIPT,
            ),
            difficulty=args.difficulty,
            vardiff=args.vardiff,
            block_every=args.block_every,
            work_every=args.work_every,
            extranonce_every=args.extranonce_every,
            extranonce1_size=args.extranonce1_size,
            extranonce2_size=args.extranonce2_size,
            version_mask=args.version_mask,
            users=_users(args.users),
            check_addresses=args.check_addresses,
            resume=not args.no_resume,
            obey_suggestions=not args.ignore_suggestions,
            idle_timeout=args.idle_timeout,
            max_clients=args.max_clients,
            faults=tuple(fault for fault in args.faults if fault is not None),
        )
    except ValueError as error:
        raise ConfigError("pool", str(error)) from error


def tls_of(args: argparse.Namespace) -> ssl.SSLContext | None:
    """Return the context of a pool by TLS, None for plain TCP; raises ConfigError."""
    if args.tls_cert is None:
        if args.tls_key is not None:
            raise ConfigError("--tls-key", "needs --tls-cert, the certificate to it")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(args.tls_cert, args.tls_key)
    except OSError as error:  # SSLError is one
        raise ConfigError("--tls-cert", f"of no use: {error.strerror or error}") from error
    return context


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fault",
        metavar="SPEC",
        action="append",
        default=[],
        dest="faults",
        type=_checked(_fault),
        help="misbehave, e.g. close,shares=10 (may be repeated; '--fault help' lists all)",
    )
    parser.add_argument(
        "--for",
        metavar="DURATION",
        dest="duration",
        type=_checked(seconds_of),
        help="end after this time, e.g. 90s or 10m (default: run until stopped)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print events on stderr, and the tally as the last line of stdout, as JSON",
    )


def _add_difficulty_arguments(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--difficulty",
        metavar="D",
        type=_checked(_number),
        help="first share difficulty, whole or fraction (default: the profile's; plain: 0.001)",
    )
    group.add_argument(
        "--vardiff",
        metavar="SECONDS|off",
        type=_checked(_vardiff),
        help="aim at one share per so many seconds, or keep the difficulty (plain: off)",
    )
    group.add_argument(
        "--ignore-suggestions",
        action="store_true",
        help="pass over mining.suggest_difficulty and mining.suggest_target",
    )
    group.add_argument(
        "--network-difficulty",
        metavar="N",
        type=_checked(_number),
        default=1.0,
        help="what makes a share a block (default: 1, about 4.3 billion hashes)",
    )


def _add_job_arguments(group: "argparse._ArgumentGroup") -> None:
    times = {
        "--block-every": "have somebody else find a block every S seconds (default: never)",
        "--work-every": "new work on the same block every S seconds (default: 30; 0: never)",
        "--extranonce-every": "change the extranonces every S seconds (default: never)",
    }
    for name, text in times.items():
        default = 0.0 if name == "--block-every" else None
        group.add_argument(name, metavar="S", type=_checked(seconds_of), default=default, help=text)
    group.add_argument(
        "--branches",
        metavar="N",
        type=int,
        default=12,
        help="length of the merkle branch, 0 to 16 (default: 12)",
    )
    group.add_argument(
        "--outputs",
        metavar="N",
        type=int,
        default=2,
        help="outputs of the coinbase, 1 to 3 (default: 2)",
    )
    group.add_argument(
        "--payout",
        metavar="ADDRESS",
        type=_checked(_payout),
        help="who the coinbase pays (default: the example key of BIP 173)",
    )
    group.add_argument(
        "--job-version",
        metavar="HEX",
        type=_checked(_hex_32),
        default=0x20000000,
        help="the version of jobs; may have bits inside the mask (default: 20000000)",
    )


def _add_user_arguments(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--users",
        metavar="FILE|USER:PASSWORD",
        nargs="+",
        help="let in these users alone; FILE has a USER:PASSWORD on each line",
    )
    group.add_argument(
        "--check-addresses",
        action="store_true",
        help="let in only users whose name begins with a Bitcoin address",
    )


def _add_client_arguments(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--version-mask",
        metavar="HEX",
        type=_checked(_hex_32),
        default=0x1FFFE000,
        help="bits of the version that clients may roll; 0: none (default: 1fffe000)",
    )
    group.add_argument(
        "--extranonce1-size", metavar="N", type=int, help="bytes, 0 to 32 (default: 4)"
    )
    group.add_argument(
        "--extranonce2-size", metavar="N", type=int, help="bytes, 1 to 16 (default: 8)"
    )
    group.add_argument(
        "--no-resume", action="store_true", help="forget a session when its connection ends"
    )
    group.add_argument(
        "--idle-timeout",
        metavar="S",
        type=_checked(seconds_of),
        help="drop clients that are silent for S seconds; 0: never",
    )
    group.add_argument(
        "--max-clients",
        metavar="N",
        type=int,
        default=1000,
        help="refuse more connections than this (default: 1000)",
    )


def _checked(convert: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """Return ``convert`` with its ValueError shown to the user as it is."""

    def checked(text: str) -> _Value:
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return checked


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdecimal() or int(port[:6]) > 65535:
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host.strip("[]") or ("0.0.0.0" if ":" in text else "127.0.0.1"), int(port[:6])


def _number(text: str) -> float:
    number = float(text)
    if not 0 < number <= 2.0**128:
        raise ValueError("a difficulty is positive and at most 2^128")
    return number


def _vardiff(text: str) -> VardiffSettings | Literal["off"]:
    if text == "off":
        return "off"
    seconds = seconds_of(text)
    if seconds <= 0:
        raise ValueError("seconds per share must be positive")
    return VardiffSettings(seconds_per_share=seconds)


def _payout(text: str) -> bytes:
    script = output_script(text)
    if script is None:
        raise ValueError(f"{text!r} is not a Bitcoin address")
    return script


def _hex_32(text: str) -> int:
    number = int(text, 16)
    if not 0 <= number <= 0xFFFFFFFF:
        raise ValueError("a version has 32 bits, 8 hex digits")
    return number


def _fault(text: str) -> Fault | None:
    return None if text == "help" else fault_of(text)


def _users(words: Sequence[str] | None) -> dict[str, str] | None:
    if words is None:
        return None
    users: dict[str, str] = {}
    for word in words:
        lines = [word] if ":" in word else _lines_of(Path(word))
        for line in lines:
            user, colon, password = line.partition(":")
            if not user or not colon:
                raise ValueError(f"{word}: {line!r} is not USER:PASSWORD")
            users[user] = password
    return users


def _lines_of(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"cannot read the users in {path}: {error.strerror}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]
