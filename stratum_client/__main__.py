"""`python -m stratum_client`."""

import sys

from stratum_client.cli import main

if __name__ == "__main__":
    sys.exit(main())
