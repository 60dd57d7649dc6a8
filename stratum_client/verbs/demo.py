"""`stratum-client demo`: everything in one process, no network, no hardware, no state."""

import argparse
import asyncio
from random import Random

from stratum_client.clock import SystemClock
from stratum_client.config import Config, LogConfig, PoolConfig
from stratum_client.config_arguments import parse_device, with_arguments
from stratum_client.emulated_pool.chain import ChainSettings
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.pool_url import parse_pool_url
from stratum_client.verbs.arguments import (
    add_device_arguments,
    add_record_arguments,
    add_run_time_arguments,
)
from stratum_client.verbs.mining import mine

FIRST_DIFFICULTY = 0.0002
"""A share within a second or two even without a compiled kernel."""

DEVICES = ("emulated:bitaxe-gamma,name=bitaxe", "cpu,threads=1")
"""One thread: of more, on a large machine, nothing would be left of the emulated chips' share."""

SHARE_INTERVAL = 0.8
NETWORK_DIFFICULTY = 0.5
"""A block every minute or so on two cores: one should see what that looks like."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `demo` takes."""
    add_device_arguments(parser, default="an emulated Bitaxe, and cpu,threads=1")
    add_run_time_arguments(parser)
    add_record_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Mine at a pool of our own until stopped."""
    return asyncio.run(_demo(options))


async def _demo(options: argparse.Namespace) -> int:
    settings = PoolSettings(
        difficulty=FIRST_DIFFICULTY,
        vardiff="off",  # the client suggests what suits its hash rate
        chain=ChainSettings(network_difficulty=NETWORK_DIFFICULTY, tag=b"/stratum-client demo/"),
    )
    async with EmulatedPool(settings, clock=SystemClock(), random=Random()) as pool:
        config = Config(
            pools=(
                PoolConfig(
                    name="demo",
                    url=parse_pool_url(f"stratum+tcp://127.0.0.1:{pool.port}"),
                    user="demo.rig",
                    share_interval=SHARE_INTERVAL,
                ),
            ),
            log=LogConfig(levels={"emulated_pool": "warning"}),
        )
        devices = options.devices or [parse_device(device) for device in DEVICES]
        return await mine(with_arguments(config, devices=devices, environ={}), options)
