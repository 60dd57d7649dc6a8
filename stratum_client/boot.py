"""Which boot of the machine this is: tells a daemon that was killed from a power cut.

Source: Linux Documentation/admin-guide/sysctl/kernel.rst, random/boot_id: drawn anew at each boot.
"""

import time
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """The kernel's name for this boot, empty where it does not tell; ``uptime`` in seconds."""

    id: str
    uptime: float


def this_boot(path: Path = _BOOT_ID) -> Boot:
    """Return the boot that this process lives in; time asleep counts as uptime."""
    try:
        boot_id = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        boot_id = ""
    return Boot(id=boot_id, uptime=time.clock_gettime(time.CLOCK_BOOTTIME))
