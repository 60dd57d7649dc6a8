"""`make bench`: everything that has an aim, as one table; choose sections by name to see less.

Times compare only as ratios within one run: other programs slow all of it alike. The aims in
absolute figures are for an idle machine.
"""

import argparse
import os
import platform
import sys

from tests.benchmarks import devices, governor, kernels, path, pools, process, usb

SECTIONS = {
    "kernels": kernels.section,
    "path": path.section,
    "process": process.section,
    "devices": devices.section,
    "usb": usb.section,
    "pools": pools.section,
    "governor": governor.section,
}


def main() -> None:
    """Measure section by section and print each when it is done."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    chosen = parser.parse_args().sections or list(SECTIONS)
    if unknown := set(chosen) - set(SECTIONS):
        parser.error(f"no section is called {', '.join(sorted(unknown))}")
    load = os.getloadavg()[0]
    python = f"Python {platform.python_version()} on {platform.machine()}"
    _print(f"{python}, {os.cpu_count()} cores, load {load:.1f} at the start")
    for name in chosen:
        _print(f"\n{SECTIONS[name]()}")


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
