"""`service install|remove|status`, in a tree that stands for a machine."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from stratum_client.cli import main
from stratum_client.config_file import load_config
from stratum_client.config_template import config_without_pool
from stratum_client.service_steps import (
    Machine,
    Run,
    StepError,
    WriteFile,
    done,
    install_steps,
    remove_steps,
    run_command,
)
from stratum_client.service_unit import CONFIG_PATH, SYSUSERS_PATH, UNIT_PATH, UnitNeeds, unit
from stratum_client.udev_rules import RULES_PATH, rules
from tests.processes import Running

LOGGED = """\
#!/bin/sh
echo "$(basename "$0") $*" >> "$LOG"
"""
CONFIG = '[[pool]]\nurl = "stratum+tcp://pool.example:3333"\nuser = "account.rig"\n'


class Tree:
    """A machine's file system, with commands that note how they were called."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.root, self.bin = folder / "machine", folder / "bin"
        self.log = folder / "log"
        (self.root / "etc").mkdir(parents=True)
        (self.root / "etc/group").write_text(f"root:x:0:\nstratum-client:x:{os.getgid()}:\n")
        self.bin.mkdir()
        for name in ("systemctl", "systemd-sysusers", "udevadm"):
            (self.bin / name).write_text(LOGGED)
            (self.bin / name).chmod(0o755)
        self.home = folder

    def service(self, *arguments: str) -> tuple[int, str, str]:
        code = main(["service", *arguments, "--root", str(self.root)])
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def called(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def files(self) -> dict[str, str]:
        return {
            f"/{path.relative_to(self.root)}": path.read_text()
            for path in self.root.rglob("*")
            if path.is_file()
        }

    def mode(self, path: str) -> int:
        return (self.root / path.lstrip("/")).stat().st_mode & 0o7777


@pytest.fixture
def tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Tree:
    tree = Tree(tmp_path, capsys)
    for name in ("SUDO_USER", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tree.bin}:{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(tree.log))
    monkeypatch.chdir(tmp_path)
    return tree


def test_install_writes_the_files_and_calls_systemd_and_remove_leaves_the_data(tree: Tree) -> None:
    pool = ("--pool", "stratum+tcp://pool.example:3333", "--user", "account.{rig}")
    code, out, err = tree.service("install", *pool)

    root = tree.root
    assert (code, err) == (0, "")
    assert tree.called() == [
        f"systemd-sysusers --root={root} stratum-client.conf",
        f"systemctl --root={root} enable stratum-client.service",
    ]
    assert tree.files().keys() >= {UNIT_PATH, SYSUSERS_PATH, CONFIG_PATH, RULES_PATH}
    assert tree.files()[RULES_PATH] == rules()
    assert (tree.mode(CONFIG_PATH), tree.mode("/etc/stratum-client")) == (0o640, 0o750)
    assert load_config(root / CONFIG_PATH[1:], {}).pools[0].url.host == "pool.example"
    assert all(path in out for path in (UNIT_PATH, SYSUSERS_PATH, CONFIG_PATH, RULES_PATH))

    code, out, _ = tree.service("remove")

    assert code == 0
    assert tree.files().keys() == {CONFIG_PATH, "/etc/group"}
    assert f"systemctl --root={root} disable stratum-client.service" in tree.called()
    assert "left are the user stratum-client and /etc/stratum-client" in out
    assert "is not installed" in tree.service("remove")[1]


def test_installed_twice_all_is_as_after_once(tree: Tree) -> None:
    tree.service("install")
    before = tree.files()
    code, out, _ = tree.service("install")

    assert code == 0
    assert tree.files() == before
    assert out.count("is so already") == 3
    assert "kept as it is" in out


def test_a_dry_run_tells_the_steps_and_the_files_and_touches_nothing(tree: Tree) -> None:
    before = tree.files()
    code, out, err = tree.service("install", "--dry-run")

    assert (code, err) == (0, "")
    assert (tree.files(), tree.called()) == (before, [])
    assert f"would write {UNIT_PATH}" in out
    assert "    Type=notify\n" in out
    assert "enable stratum-client.service" in out


def test_the_users_own_configuration_is_taken_over_once_and_never_again(tree: Tree) -> None:
    own = tree.home / ".config/stratum-client/stratum-client.toml"
    own.parent.mkdir(parents=True)
    own.write_text(CONFIG)

    _, out, _ = tree.service("install")
    own.write_text(CONFIG.replace("account", "thief"))
    tree.service("install")

    assert f"a copy of {own}" in out
    assert tree.files()[CONFIG_PATH] == CONFIG


def test_without_any_configuration_one_to_fill_in_is_written_and_that_is_said(tree: Tree) -> None:
    code, out, _ = tree.service("install")

    assert code == 0
    assert tree.files()[CONFIG_PATH] == config_without_pool()
    assert f"not started: {CONFIG_PATH} has no [[pool]] yet" in out


def test_a_pool_that_cannot_be_is_refused_before_anything_is_done(tree: Tree) -> None:
    before = tree.files()
    code, _, err = tree.service("install", "--pool", "http://x", "--user", "a")

    assert code == 2
    assert "pool[1].url" in err
    assert tree.files() == before


def test_the_status_says_whether_it_is_installed_and_as_this_version_would(tree: Tree) -> None:
    assert "not installed" in tree.service("status")[1]
    tree.service("install")
    fresh = json.loads(tree.service("status", "--json")[1])
    (tree.root / UNIT_PATH[1:]).write_text(unit(UnitNeeds(program=("/old",))))
    old = json.loads(tree.service("status", "--json")[1])

    assert (fresh["installed"], fresh["current"], fresh["active"]) == (True, True, False)
    assert (old["installed"], old["current"]) == (True, False)


def test_a_machine_without_systemd_is_told_what_to_run_instead(tmp_path: Path) -> None:
    if Path("/run/systemd/system").is_dir():
        pytest.skip("this machine is run by systemd")
    run = Running("service", "install", folder=tmp_path)

    assert run.exit_code() == 1
    assert "not run by systemd" in run.err
    assert "stratum-client run" in run.err or "stratum_client run" in run.err


# --- steps on a machine that is, for them, the live one ---


class Commands:
    """Notes commands, and answers as told."""

    def __init__(self, answers: dict[str, tuple[int, str]] | None = None) -> None:
        self.words: list[tuple[str, ...]] = []
        self._answers = answers or {}

    def __call__(self, words: Sequence[str]) -> tuple[int, str]:
        self.words.append(tuple(words))
        return self._answers.get(words[0], (0, ""))


def test_on_the_live_machine_udev_and_systemd_read_anew_and_the_daemon_is_started() -> None:
    steps = install_steps(Machine(), UnitNeeds(), CONFIG, start=True)

    commands = [step.words for step in steps if isinstance(step, Run)]
    assert commands == [
        ("systemd-sysusers", "stratum-client.conf"),
        ("udevadm", "control", "--reload"),
        ("udevadm", "trigger"),
        ("systemctl", "daemon-reload"),
        ("systemctl", "enable", "stratum-client.service"),
        ("systemctl", "restart", "stratum-client.service"),
    ]
    assert not any(
        "restart" in str(s) for s in install_steps(Machine(), UnitNeeds(), "", start=False)
    )


def test_a_command_that_fails_ends_it_unless_it_is_a_comfort() -> None:
    machine = Machine(command=Commands({"udevadm": (1, "no udev"), "systemctl": (1, "masked")}))

    assert "no udev" in done(Run(words=("udevadm", "trigger"), may_fail=True), machine)
    with pytest.raises(StepError, match="systemctl enable x: masked"):
        done(Run(words=("systemctl", "enable", "x")), machine)


def test_what_somebody_changed_is_not_removed(tree: Tree) -> None:
    tree.service("install")
    place = tree.root / RULES_PATH[1:]
    place.write_text("# mine\n")

    _, out, _ = tree.service("remove")

    assert place.read_text() == "# mine\n"
    assert "somebody has changed it" in out


def test_a_configuration_that_the_service_cannot_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text(f"stratum-client:x:{os.getgid() + 1}:\n")
    (tmp_path / "etc/x").touch(mode=0o600)
    step = WriteFile(path="/etc/x", text="", group="stratum-client", keep=True)

    said = done(step, Machine(root=tmp_path))

    assert said.endswith("sudo chgrp stratum-client /etc/x && sudo chmod 640 /etc/x")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_configuration_that_root_made_before_is_shared_with_the_service(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text("stratum-client:x:4321:\n")
    (tmp_path / "etc/x").write_text("mine")
    (tmp_path / "etc/x").chmod(0o640)
    step = WriteFile(path="/etc/x", text="", group="stratum-client", keep=True)

    said = done(step, Machine(root=tmp_path))

    assert said == "kept as it is; its group is stratum-client now"
    assert (tmp_path / "etc/x").stat().st_gid == 4321
    assert (tmp_path / "etc/x").read_text() == "mine"
    assert done(step, Machine(root=tmp_path)) == "kept as it is"


def test_a_wrong_pool_keeps_no_board_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "f"
    path.write_text(f'{CONFIG}password_file = "credential:gone"\n[[device]]\ndriver = "cpu"\n')
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    assert main(["devices", "safe-off", "--config", str(path)]) == 0

    said = capsys.readouterr()
    assert "cpu has no power that could be switched" in said.out
    assert "passed over, as boards come first" in said.err


def test_a_file_that_cannot_be_written_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "etc").touch()

    with pytest.raises(StepError, match="etc"):
        done(WriteFile(path="/etc/x/y", text=""), Machine(root=tmp_path))


def test_remove_stops_the_daemon_before_its_unit_goes(tmp_path: Path) -> None:
    place = tmp_path / UNIT_PATH[1:]
    place.parent.mkdir(parents=True)
    place.write_text(unit())

    told = [str(step) for step in remove_steps(Machine(root=tmp_path))]

    assert ["disable" in told[0], told[1]] == [True, f"remove {UNIT_PATH}"]


def test_a_command_that_is_not_there_says_so() -> None:
    assert run_command(["/nowhere/systemctl"]) == (127, "there is no /nowhere/systemctl")


@pytest.mark.skipif(
    os.geteuid() != 0 or not (shutil.which("systemd-sysusers") and shutil.which("systemctl")),
    reason="needs root and Debian's systemd",
)
def test_systemd_itself_makes_user_and_groups_and_enables_the_unit(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    machine = Machine(root=tmp_path)

    for step in install_steps(machine, UnitNeeds(), CONFIG, start=True):
        done(step, machine)

    groups = (tmp_path / "etc/group").read_text()
    assert "dialout:x:" in groups
    assert groups.count(":stratum-client\n") == 2
    assert "/usr/sbin/nologin" in (tmp_path / "etc/passwd").read_text()
    assert (tmp_path / CONFIG_PATH[1:]).stat().st_gid == machine.group_id("stratum-client")
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants/stratum-client.service"
    assert wants.is_symlink()
