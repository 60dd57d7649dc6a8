"""The real command line, but that it ends by SIGKILL with its first block found and not yet sent.

``python -m tests.e2e.killed_at_a_block run ...``
"""

import os
import signal
import sys

from stratum_client.cli import main
from stratum_client.job import Share
from stratum_client.pool_shares import PoolShares

send = PoolShares.submit


def send_or_die(self: PoolShares, share: Share) -> None:
    if share.is_block:
        os.kill(os.getpid(), signal.SIGKILL)
    send(self, share)


if __name__ == "__main__":
    PoolShares.submit = send_or_die  # type: ignore[method-assign]  # the kill has to come here
    sys.exit(main())
