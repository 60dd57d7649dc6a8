"""Where this program is installed, and what the unit must let it reach."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import stratum_client
from stratum_client.config import Config, DeviceConfig
from stratum_client.service_unit import STATE_PATH, UnitNeeds, in_homes, nodes_beyond_usb

_PRIVATE = ("/tmp/", "/var/tmp/")
"""What PrivateTmp hides."""

_PIAXE = {"gpio_chip": "/dev/gpiochip0", "i2c_bus": "/dev/i2c-1"}
"""What a PiAxe is controlled through where its settings do not say otherwise."""


def program_words(
    prefix: str = sys.prefix, executable: str = sys.executable, argument: str = sys.argv[0]
) -> tuple[str, ...]:
    """Return what begins a command of this program, as absolute paths: of a venv, pipx, or the OS.

    pipx puts a link to the program somewhere else; what it leads to is what counts.
    """
    called, installed = Path(argument), Path(prefix) / "bin/stratum-client"
    if installed.is_file():
        return (str(installed),)
    if called.name == "stratum-client" and called.is_file():
        return (str(called.resolve()),)
    return (executable, "-m", "stratum_client")


def unit_needs(config: Config | None, program: Sequence[str] = ()) -> UnitNeeds:
    """Return what the unit must know of this installation and of ``config``."""
    package = Path(stratum_client.__file__).resolve().parent.parent
    interpreter = Path(sys.executable).resolve().parent.parent
    contact = _contact(config)
    read = (sys.prefix, sys.base_prefix, str(interpreter), str(package))
    state_dir = str(config.state_dir) if config and config.state_dir else STATE_PATH
    is_elsewhere = state_dir != STATE_PATH and not state_dir.startswith(f"{STATE_PATH}/")
    return UnitNeeds(
        program=tuple(program) or program_words(),
        bound=in_homes(read),
        devices=nodes_beyond_usb((*_nodes(config.devices if config else ()), *_node(contact))),
        writable=(state_dir,) if is_elsewhere else (),
        contact=contact,
    )


def unreachable(needs: UnitNeeds) -> str:
    """Return why no service can run from where its files are; empty if one can."""
    program = needs.program[0]
    if program.startswith(_PRIVATE):
        return (
            f"{program} is in a directory for temporary files, which the service does not see:"
            " install it elsewhere, as in: sudo python3 -m venv /opt/stratum-client &&"
            " sudo /opt/stratum-client/bin/pip install stratum-client"
        )
    if needs.contact.startswith(_PRIVATE) or in_homes([needs.contact]):
        where = "where the service sees nothing: put it into /run, say"
        return f"curtail.contact: {needs.contact} is {where}"
    return ""


def _contact(config: Config | None) -> str:
    """Return the file that says whether to curtail, empty if there is none."""
    contact = config.curtail.contact if config else None
    return str(contact.file) if contact else ""


def _node(path: str) -> tuple[str, ...]:
    return (str(Path(path).resolve()),) if path.startswith("/dev/") else ()


def _nodes(devices: Iterable[DeviceConfig]) -> Iterable[str]:
    """Yield the device nodes that are configured, links followed."""
    for device in devices:
        named = dict(_PIAXE) if device.driver == "piaxe" else {}
        named |= {key: str(value) for key, value in device.settings.items()}
        for path in (*device.paths, *named.values()):
            if path.startswith("/dev/"):
                yield str(Path(path).resolve())
