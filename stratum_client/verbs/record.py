"""`stratum-client record FILE`: `run --record FILE`."""

import argparse

from stratum_client.verbs.arguments import add_record_arguments
from stratum_client.verbs.run import add_settings_arguments, run

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `record` takes."""
    add_record_arguments(parser, is_verb=True)
    add_settings_arguments(parser)
