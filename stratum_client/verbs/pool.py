"""`stratum-client pool`: the embedded pool by itself."""

import argparse
import asyncio

from stratum_client.emulated_pool.command import add_arguments, serve

__all__ = ["add_arguments", "run"]


def run(options: argparse.Namespace) -> int:
    """Serve until stopped."""
    return asyncio.run(serve(options))
