"""The udev rules that let a user open miners, and which devices they speak of.

A bridge chip such as 10c4:ea60 is in anything, so its rules match a miner's strings too: nobody
else's device is touched. Miners with a bridge's own strings are in no rule; their ttys belong to
the group that the system gives to all serial ports.

config/70-miners.rules is a copy of `rules`. The number is below 73 because 73-seat-late.rules
turns the tag into permissions.

Source: systemd, man udev(7) and src/login/73-seat-late.rules.in; ModemManager, ID_MM_DEVICE_IGNORE.
Ids and strings: kanoi/cgminer usbutils.c, luke-jr/bfgminer, bitaxeorg/bitaxe-raw and
256foundation/emberone-usbserial-fw.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from drivers.api import PortInfo

RULES_PATH = "/etc/udev/rules.d/70-miners.rules"
"""Where the rules belong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Devices that a user may open; strings are udev's patterns, ``|`` between them, "" is any."""

    title: str
    vid: int
    pid: int
    manufacturer: str = ""
    product: str = ""

    def covers(self, port: PortInfo) -> bool:
        """Return whether ``port`` is such a device."""
        return (
            (self.vid, self.pid) == (port.vid, port.pid)
            and _fits(self.manufacturer, port.manufacturer)
            and _fits(self.product, port.product)
        )

    def rule(self) -> str:
        """Return the line that finds such a device."""
        matches = [f'ATTRS{{idVendor}}=="{self.vid:04x}"', f'ATTRS{{idProduct}}=="{self.pid:04x}"']
        if self.manufacturer:
            matches.append(f'ATTRS{{manufacturer}}=="{self.manufacturer}"')
        if self.product:
            matches.append(f'ATTRS{{product}}=="{self.product}"')
        return ", ".join([*matches, 'GOTO="miners_found"'])


_GEKKO = "GekkoScience|bitshopperde"

GRANTS = (
    Grant(
        title="GekkoScience Compac, 2Pac, Terminus (CP2102)",
        vid=0x10C4,
        pid=0xEA60,
        manufacturer=_GEKKO,
    ),
    Grant(
        title="GekkoScience NewPac, R606, Compac F, R909 (FT-X)",
        vid=0x0403,
        pid=0x6015,
        manufacturer=_GEKKO,
    ),
    Grant(
        title="GekkoScience Compac A1 and A2, Terminus A1 and A2 (CP2105)",
        vid=0x10C4,
        pid=0xEA70,
        product="GekkoScience*",
    ),
    Grant(
        title="Block Erupter USB (CP2102)",
        vid=0x10C4,
        pid=0xEA60,
        product="*[Bb]lock*[Ee]rupter*|*BLOCK*ERUPTER*",
    ),
    Grant(
        title="Antminer U1, U2, U3 (CP2102)",
        vid=0x10C4,
        pid=0xEA60,
        product="*[Aa]nt[Mm]iner*|*ANTMINER*",
    ),
    Grant(
        title="Cairnsmore1 (FT232H)",
        vid=0x0403,
        pid=0x6014,
        product="*[Cc]airnsmore1*",
    ),
    Grant(
        title="Cairnsmore1 with ids of its own",
        vid=0x0403,
        pid=0x8350,
        product="*[Cc]airnsmore1*",
    ),
    Grant(
        title="Bitaxe and its relatives, raw firmware",
        vid=0xC0DE,
        pid=0xCAFE,
        manufacturer="OSMU",
    ),
    Grant(
        title="Bitaxe Bonanza, raw firmware",
        vid=0xC0DE,
        pid=0xB17D,
        manufacturer="OSMU",
    ),
    Grant(title="emberOne", vid=0x1209, pid=0x256F, manufacturer="256F"),
)
"""Every miner that says what it is."""

_HEAD = """\
# Let users mine with the USB miners of stratum-client without being root.
#
# Install:  stratum-client doctor --fix-udev | sudo tee /etc/udev/rules.d/70-miners.rules
#           sudo udevadm control --reload && sudo udevadm trigger
#
# Who sits at the machine gets access by the tag; others, such as a service or somebody who logs in
# over the network, by the groups: sudo usermod -aG plugdev,dialout USER
# Keep the number below 73: 73-seat-late.rules is what acts on the tag.
# Bridge chips are in anything, so their ids count only together with a miner's own strings.

ACTION=="remove", GOTO="miners_end"
SUBSYSTEM!="usb|tty", GOTO="miners_end"
SUBSYSTEM=="usb", ENV{DEVTYPE}!="usb_device", GOTO="miners_end"
"""

_TAIL = """\
GOTO="miners_end"

LABEL="miners_found"
# ModemManager would talk to the chips, and take the port for that time.
MODE="0660", TAG+="uaccess", ENV{ID_MM_DEVICE_IGNORE}="1"
SUBSYSTEM=="usb", GROUP="plugdev"
SUBSYSTEM=="tty", GROUP="dialout"

LABEL="miners_end"
"""


def rules() -> str:
    """Return the content of the rules file."""
    found = "\n".join(f"# {grant.title}\n{grant.rule()}" for grant in GRANTS)
    return f"{_HEAD}\n{found}\n\n{_TAIL}"


def covers(port: PortInfo) -> bool:
    """Return whether the rules give access to ``port``."""
    return any(grant.covers(port) for grant in GRANTS)


def _fits(pattern: str, value: str) -> bool:
    return not pattern or any(fnmatchcase(value, one) for one in pattern.split("|"))
