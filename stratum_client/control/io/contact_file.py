"""The file that says how a contact is, such as /sys/class/gpio/gpio17/value.

Source: Documentation/admin-guide/gpio/sysfs.rst of Linux: "value" reads as either 0 or 1.
"""

import os
from pathlib import Path

_LARGEST = 64


def contact_content(path: Path) -> str | None:
    """Return what the file holds, None if that cannot be had. Never blocks, even on a pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return os.read(descriptor, _LARGEST).decode("ascii", errors="replace")
    except OSError:
        return None
    finally:
        os.close(descriptor)
