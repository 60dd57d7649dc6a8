"""`stratum-client curtail order`: a signed order for a broker, to try things out with."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from stratum_client.config_secrets import SecretError, Secrets
from stratum_client.control.order_keys import (
    SigningMissingError,
    ed25519_signature,
    hmac_signature,
)
from stratum_client.control.order_message import signed_order
from stratum_client.help_text import ParagraphFormatter
from stratum_client.verbs.arguments import add_curtail_arguments, duration
from stratum_client.verbs.asking import EXIT_FAILED, EXIT_OK, complain

_NOTES = """\
It writes the message to stdout, as it is to be published, for example
  stratum-client curtail order --key grid --secret-file grid.secret --site kent --to all --idle \\
    --for 2h | mosquitto_pub -t mine/kent/order/all -q 1 -r -s
"""


def add_arguments(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare what `curtail order` takes."""
    text = "write a signed order for a broker"
    parser = actions.add_parser(
        "order",
        help=text,
        description=f"{text.capitalize()}.",
        epilog=_NOTES,
        formatter_class=ParagraphFormatter,
    )
    parser.add_argument("--key", metavar="NAME", required=True, help="the key, as rigs know it")
    secret = parser.add_mutually_exclusive_group(required=True)
    secret.add_argument("--secret-file", metavar="FILE", help="file with the shared secret")
    secret.add_argument(
        "--private-key", metavar="FILE", type=Path, help="Ed25519 key in PEM form (PKCS 8)"
    )
    parser.add_argument("--site", required=True, help="the site, as in mqtt.site")
    parser.add_argument("--to", required=True, metavar="all|group/NAME|rig/NAME", help="who")
    what = parser.add_mutually_exclusive_group(required=True)
    add_curtail_arguments(what)
    what.add_argument("--release", action="store_true", help="end the key's last order")
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--until", metavar="TIME", type=_moment, help="as in 2026-12-05T18:00+05:00")
    end.add_argument("--for", dest="duration", metavar="DURATION", type=duration, help="as in 2h")
    parser.add_argument(
        "--number", type=int, metavar="N", help="default: milliseconds since 1970, so that it rises"
    )
    parser.add_argument("--reason", metavar="TEXT", help="why, for those who look at the status")
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Write the message."""
    now = time.time()
    try:
        message = signed_order(_fields(options, now), options.key, _signer(options))
    except (SecretError, SigningMissingError, ValueError, OSError) as error:
        complain(f"stratum-client curtail order: {error}")
        return EXIT_FAILED
    sys.stdout.write(message.decode() + "\n")
    return EXIT_OK


def _fields(options: argparse.Namespace, now: float) -> Mapping[str, object]:
    expires = options.until if options.duration is None else now + options.duration
    fields: dict[str, object] = {
        "number": options.number or int(now * 1000),
        "site": options.site,
        "to": options.to,
        "action": "release" if options.release else "idle",
        "issued": round(now, 3),
        "expires": None if expires is None else round(expires, 3),
    }
    for name, value in (("watts", options.power), ("percent", options.percent)):
        if value:
            fields |= {"action": name, "value": value}
    return fields | ({"reason": options.reason} if options.reason else {})


def _signer(options: argparse.Namespace) -> Callable[[bytes], bytes]:
    if options.private_key:
        pem = options.private_key.read_bytes()
        return lambda data: ed25519_signature(pem, data)
    secret = Secrets(os.environ, directory=Path()).from_file(options.secret_file).encode()
    return lambda data: hmac_signature(secret, data)


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise argparse.ArgumentTypeError(f'"{text}" is no time to come') from error
