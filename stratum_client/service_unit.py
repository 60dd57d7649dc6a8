"""The systemd unit, its user and its groups, as the text of files.

config/stratum-client.service is a copy of `unit()`. Written for systemd 247 and newer; 252 knows
no Type=notify-reload, so a reload is an order whose failure `systemctl reload` then tells.

Source: systemd, man systemd.service(5), systemd.exec(5), systemd.resource-control(5),
sysusers.d(5).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

UNIT_NAME = "stratum-client.service"
UNIT_PATH = "/etc/systemd/system/stratum-client.service"
SYSUSERS_PATH = "/etc/sysusers.d/stratum-client.conf"
CONFIG_PATH = "/etc/stratum-client/stratum-client.toml"
STATE_PATH = "/var/lib/stratum-client"
USER = "stratum-client"

HOMES = ("/home", "/root", "/run/user")
"""What ProtectHome hides."""

FIRST_LINE = "# Written by: stratum-client service install"

_COVERED = ("/dev/ttyUSB", "/dev/ttyACM", "/dev/bus/usb/")
_PLAIN_ARGUMENT = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@:,._+=/-"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitNeeds:
    """What differs from one machine to the next.

    ``program`` begins every command; ``bound`` are directories in homes that it is read from;
    ``devices`` nodes beside USB that are configured; ``writable`` a state directory elsewhere;
    ``contact`` the file that says whether to curtail.
    """

    program: tuple[str, ...] = ("/usr/local/bin/stratum-client",)
    bound: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    contact: str = ""


def unit(needs: UnitNeeds | None = None) -> str:
    """Return the unit's content."""
    needs = needs or UnitNeeds()
    run = command_line((*needs.program, "run", "--config", CONFIG_PATH))
    reload = command_line((*needs.program, "reload", "--config", CONFIG_PATH))
    safe_off = command_line((*needs.program, "devices", "safe-off", "--config", CONFIG_PATH))
    home = [f"ProtectHome={'tmpfs' if needs.bound else 'yes'}"]
    return _TEMPLATE.format(
        first=FIRST_LINE,
        run=run,
        reload=reload,
        safe_off=safe_off,
        user=USER,
        home="\n".join(home + [f"BindReadOnlyPaths={quoted(path)}" for path in needs.bound]),
        writable="".join(f"ReadWritePaths={quoted(path)}\n" for path in needs.writable),
        devices="".join(f"DeviceAllow={quoted(path)} rw\n" for path in needs.devices),
    )


def sysusers(devices: Iterable[str] = ()) -> str:
    """Return the lines that make the user, in the groups that may open miners and ``devices``."""
    nodes = tuple(devices)
    groups = ["dialout", "plugdev"]
    groups += ["gpio"] if any("gpio" in node for node in nodes) else []
    groups += ["i2c"] if any("/i2c-" in node for node in nodes) else []
    lines = [FIRST_LINE, f'u {USER} - "Mining daemon" {STATE_PATH}']
    lines += [line for group in groups for line in (f"g {group} -", f"m {USER} {group}")]
    return "\n".join(lines) + "\n"


def nodes_beyond_usb(paths: Iterable[str]) -> tuple[str, ...]:
    """Return those device nodes that the unit does not allow anyway, each once."""
    return tuple(dict.fromkeys(path for path in paths if not path.startswith(_COVERED)))


def in_homes(paths: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``paths`` that ProtectHome hides, without any that another one contains."""
    hidden = sorted({p.rstrip("/") for p in paths if f"{p}/".startswith(tuple(_slashed(HOMES)))})
    outermost: list[str] = []
    for path in hidden:
        if not any(f"{path}/".startswith(f"{one}/") for one in outermost):
            outermost.append(path)
    return tuple(outermost)


def command_line(words: Sequence[str]) -> str:
    """Return ``words`` as systemd reads them back."""
    return " ".join(quoted(word) for word in words)


def quoted(word: str) -> str:
    """Return a word as systemd reads it back: no specifier, no variable, no blank between words."""
    word = word.replace("%", "%%").replace("$", "$$")
    if set(word) <= _PLAIN_ARGUMENT | {"%"}:
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _slashed(paths: Iterable[str]) -> Iterable[str]:
    return (f"{path}/" for path in paths)


_TEMPLATE = """\
{first}
# Change it by a drop-in, which outlives the next install: sudo systemctl edit stratum-client

[Unit]
Description=Mining daemon
After=network.target nss-lookup.target modprobe@usbserial.service modprobe@cdc_acm.service
# DeviceAllow knows serial ports only while their drivers are loaded: load them before.
Wants=modprobe@usbserial.service modprobe@cdc_acm.service
# A miner that nobody looks after must come back, however often it failed.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={run}
# Waits for the daemon's answer, so a configuration with a mistake fails here and changes nothing.
ExecReload={reload}
# Whatever ended the daemon, no board stays on without anybody who looks at its temperature.
ExecStopPost=-{safe_off}
Restart=on-failure
RestartSec=10s
# Arguments or configuration are wrong: the same again would not help.
RestartPreventExitStatus=2
WatchdogSec=60s
# A daemon that hung leaves in the journal where it hung.
Environment=PYTHONFAULTHANDLER=1
KillMode=mixed
# After an outage a slow machine has much to do at once; to begin anew would take longer still.
TimeoutStartSec=180s
# A daemon that hangs is not waited for long; switching boards off may take a slow machine a while.
TimeoutAbortSec=15s
TimeoutStopSec=60s

User={user}
Group={user}
SupplementaryGroups=dialout plugdev
StateDirectory=stratum-client
# The group may give orders: sudo usermod -aG stratum-client USER
StateDirectoryMode=0750
UMask=0027
# A password from a file that root alone reads, with password_file = "credential:pool":
#LoadCredential=pool:/etc/stratum-client/secrets/pool

# Nothing below stands in the way of mining; it is what a stolen pool connection could not do.
CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=strict
{writable}{home}
PrivateTmp=yes
DevicePolicy=closed
DeviceAllow=char-ttyUSB rw
DeviceAllow=char-ttyACM rw
DeviceAllow=char-usb_device rw
{devices}RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
# Whether the clock is synchronised is asked with these; without CAP_SYS_TIME they set nothing.
SystemCallFilter=adjtimex clock_adjtime
SystemCallErrorNumber=EPERM
SystemCallArchitectures=native
MemoryDenyWriteExecute=yes
LockPersonality=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes

[Install]
WantedBy=multi-user.target
"""
