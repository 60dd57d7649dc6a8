"""What `service install` and `service remove` do to a machine, step by step.

Each step can be told before it is done, and doing it again changes nothing. Paths are those of the
machine; ``Machine.root`` is where its file system is mounted, as with systemctl --root.
"""

import contextlib
import grp
import os
import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stratum_client.service_unit import (
    CONFIG_PATH,
    FIRST_LINE,
    SYSUSERS_PATH,
    UNIT_NAME,
    UNIT_PATH,
    USER,
    UnitNeeds,
    sysusers,
    unit,
)
from stratum_client.udev_rules import RULES_PATH, rules

SECRETS_PATH = "/etc/stratum-client/secrets"

_COMMAND_WAIT = 240.0
"""Seconds; systemctl waits for a daemon to be ready, or for one to stop."""


class StepError(Exception):
    """A step did not work out; those before it are done, and doing them again does no harm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFile:
    """A file as it shall be; with ``keep`` one that is there stays as it is."""

    path: str
    text: str
    mode: int = 0o644
    group: str = ""
    keep: bool = False

    def __str__(self) -> str:
        """Return the step in words."""
        if_none = ", if there is none" if self.keep else ""
        return f"write {self.path} (mode {self.mode:04o}{if_none})"


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeFolder:
    """A directory that the service may read."""

    path: str
    mode: int
    group: str

    def __str__(self) -> str:
        """Return the step in words."""
        return f"make {self.path} (mode {self.mode:04o}, group {self.group})"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFile:
    """A file that goes, if it is still ours: begins with ``first_line``, or is ``text``."""

    path: str
    text: str = ""
    first_line: str = ""

    def __str__(self) -> str:
        """Return the step in words."""
        return f"remove {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A command; ``may_fail`` where what it does is only a comfort."""

    words: tuple[str, ...]
    may_fail: bool = False

    def __str__(self) -> str:
        """Return the step in words."""
        return f"run   {shlex.join(self.words)}"


Step = WriteFile | MakeFolder | RemoveFile | Run


def run_command(words: Sequence[str]) -> tuple[int, str]:
    """Return a command's exit code and what it said; 127 if there is no such command."""
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=_COMMAND_WAIT, check=False
        )
    except FileNotFoundError:
        return 127, f"there is no {words[0]}"
    except subprocess.TimeoutExpired:
        return 124, f"not done within {_COMMAND_WAIT:g} s"
    return done.returncode, (done.stdout + done.stderr).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine under ``root``; a ``is_live`` one is the one that runs."""

    root: Path = Path("/")
    command: Callable[[Sequence[str]], tuple[int, str]] = run_command

    @property
    def is_live(self) -> bool:
        """Return whether it is the machine that runs us."""
        return self.root == Path("/")

    def place(self, path: str) -> Path:
        """Return where ``path`` of the machine is to be found."""
        return self.root / path.lstrip("/")

    def rooted(self, *words: str) -> tuple[str, ...]:
        """Return a command of systemd's, for this machine."""
        return words if self.is_live else (words[0], f"--root={self.root}", *words[1:])

    def group_id(self, name: str) -> int | None:
        """Return the number of a group, None if there is none of that name."""
        if self.is_live:
            with contextlib.suppress(KeyError):
                return grp.getgrnam(name).gr_gid
            return None
        with contextlib.suppress(OSError):
            for line in self.place("/etc/group").read_text().splitlines():
                if line.startswith(f"{name}:"):
                    return int(line.split(":")[2])
        return None


def install_steps(
    machine: Machine, needs: UnitNeeds, config: str, *, start: bool
) -> tuple[Step, ...]:
    """Return what installs the service; ``config`` is for a machine that has none yet."""
    live: list[Step] = []
    if machine.is_live:
        live = [
            Run(words=("udevadm", "control", "--reload"), may_fail=True),
            Run(words=("udevadm", "trigger"), may_fail=True),
            Run(words=("systemctl", "daemon-reload")),
        ]
    return (
        WriteFile(path=SYSUSERS_PATH, text=sysusers((*needs.devices, needs.contact))),
        Run(words=machine.rooted("systemd-sysusers", Path(SYSUSERS_PATH).name)),
        MakeFolder(path=str(Path(CONFIG_PATH).parent), mode=0o750, group=USER),
        MakeFolder(path=SECRETS_PATH, mode=0o750, group=USER),
        WriteFile(path=CONFIG_PATH, text=config, mode=0o640, group=USER, keep=True),
        WriteFile(path=RULES_PATH, text=rules()),
        WriteFile(path=UNIT_PATH, text=unit(needs)),
        *live,
        Run(words=machine.rooted("systemctl", "enable", UNIT_NAME)),
        *([Run(words=("systemctl", "restart", UNIT_NAME))] if start and machine.is_live else []),
    )


def remove_steps(machine: Machine) -> tuple[Step, ...]:
    """Return what removes the service; user, configuration and state are left."""
    steps: list[Step] = []
    if machine.place(UNIT_PATH).exists():
        steps.append(Run(words=machine.rooted("systemctl", "disable", UNIT_NAME)))
        if machine.is_live:
            steps.append(Run(words=("systemctl", "stop", UNIT_NAME)))
    for path, text in ((UNIT_PATH, ""), (SYSUSERS_PATH, ""), (RULES_PATH, rules())):
        if machine.place(path).exists():
            steps.append(RemoveFile(path=path, text=text, first_line="" if text else FIRST_LINE))
    if steps and machine.is_live:
        steps.append(Run(words=("systemctl", "daemon-reload")))
        steps.append(Run(words=("udevadm", "control", "--reload"), may_fail=True))
    return tuple(steps)


def done(step: Step, machine: Machine) -> str:
    """Do ``step``; return what came of it, in a word or two. Raises StepError."""
    try:
        match step:
            case WriteFile():
                return _write(step, machine)
            case MakeFolder():
                return _make_folder(step, machine)
            case RemoveFile():
                return _remove(step, machine)
            case Run():
                return _run(step, machine)
    except OSError as error:
        where = error.filename or ""
        raise StepError(f"{step}: {where} {error.strerror}".strip()) from error


def _write(step: WriteFile, machine: Machine) -> str:
    path = machine.place(step.path)
    if step.keep and path.exists():
        return f"kept as it is{_shared(path, step, machine)}"
    if path.exists() and path.read_text(errors="replace") == step.text:
        return "is so already"
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - made with its mode
        file.write(step.text)
        _give(descriptor, step.mode, step.group, machine)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
    return "done"


def _shared(path: Path, step: WriteFile, machine: Machine) -> str:
    """Let the service read a file that root made before; return what is to be told."""
    status, group = path.stat(), machine.group_id(step.group)
    if status.st_mode & 0o004 or (status.st_mode & 0o040 and status.st_gid == group):
        return ""
    is_roots = (status.st_uid, status.st_gid) == (0, 0) and status.st_mode & 0o040
    if is_roots and group is not None and os.geteuid() == 0:
        os.chown(path, -1, group)
        return f"; its group is {step.group} now"
    fix = f"sudo chgrp {step.group} {step.path} && sudo chmod 640 {step.path}"
    return f"; the service cannot read it, so run: {fix}"


def _make_folder(step: MakeFolder, machine: Machine) -> str:
    path = machine.place(step.path)
    if path.is_dir():
        return "is there already"
    path.mkdir(mode=0o700, parents=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _give(descriptor, step.mode, step.group, machine)
    finally:
        os.close(descriptor)
    return "done"


def _give(descriptor: int, mode: int, group: str, machine: Machine) -> None:
    """Set group and mode; only root may give files away, and only root installs for real."""
    if group and os.geteuid() == 0:
        number = machine.group_id(group)
        if number is None:
            raise StepError(f"there is no group {group}")
        os.fchown(descriptor, -1, number)
    os.fchmod(descriptor, mode)


def _remove(step: RemoveFile, machine: Machine) -> str:
    path = machine.place(step.path)
    text = path.read_text(errors="replace")
    if text != step.text and not (step.first_line and text.startswith(step.first_line)):
        return "left: somebody has changed it"
    path.unlink()
    return "done"


def _run(step: Run, machine: Machine) -> str:
    code, said = machine.command(step.words)
    if code == 0:
        return "done"
    if step.may_fail:
        return f"did not work: {said}"
    raise StepError(f"{shlex.join(step.words)}: {said or f'exit code {code}'}")
