"""`stratum-client doctor`: checks of one machine's facts, how they are shown, the verb itself."""

import fcntl
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.doctor import (
    EARLIEST,
    Check,
    ClockFacts,
    ConfigFacts,
    StateFacts,
    Status,
    clock_check,
    config_check,
    drivers_check,
    extras_check,
    has_failed,
    kernels_check,
    library_check,
    lines,
    python_check,
    state_check,
)
from stratum_client.errors import ConfigError
from stratum_client.udev_rules import rules
from tests.processes import Running, pool, running, said

PIP = "/venv/bin/python -m pip install"
LINE = re.compile(r"(ok     |warning|FAIL   )  \S.*\S")


# --- one check, from facts ---


def test_python_is_judged_by_its_version() -> None:
    assert python_check((3, 11, 0)) == Check(name="python", text="3.11.0")

    old = python_check((3, 9, 2))
    assert (old.status, old.fix) == (Status.FAIL, "sudo apt install python3.11 python3.11-venv")


def test_the_quickest_kernel_is_named_first() -> None:
    check = kernels_check("avx2", ["avx2", "portable", "hashlib"], {"sha-ni": "no such CPU"}, PIP)

    assert check.status is Status.OK
    assert check.text == "avx2 is the quickest; also portable, hashlib"


def test_a_missing_extension_is_built_by_two_commands() -> None:
    reason = "the C extension is not built (no module); for the fast kernels: gcc"
    check = kernels_check("hashlib", ["hashlib"], {"portable": reason, "avx2": reason}, PIP)

    assert check.status is Status.WARNING
    assert check.text.endswith("slow: the C extension is not built (no module)")
    assert check.fix.startswith(f"sudo apt install gcc python3-dev && {PIP} --force-reinstall")


def test_a_missing_library_fails_only_if_nothing_works_without_it() -> None:
    def of(problem: str, *, is_core: bool) -> Check:
        return library_check("x", problem, f"{PIP} x", needed_for="y", is_core=is_core)

    assert of("", is_core=True) == Check(name="x", text="can be used")
    assert of("not installed", is_core=False) == Check(
        name="x", status=Status.WARNING, text="not installed; needed for y", fix=f"{PIP} x"
    )
    assert of("not installed", is_core=True).status is Status.FAIL


def test_missing_extras_are_named_with_one_command_and_are_no_fault() -> None:
    assert extras_check({}, PIP).fix == ""
    assert extras_check(None, PIP).status is Status.OK

    check = extras_check({"web": ("aiohttp",), "gpio": ("gpiod",)}, PIP)
    assert check.status is Status.OK
    assert "gpio (gpiod), web (aiohttp)" in check.text
    assert check.fix == f"{PIP} 'stratum-client[gpio,web]'"


def test_drivers_that_cannot_be_loaded_are_warned_of() -> None:
    assert drivers_check([], PIP).status is Status.OK
    assert drivers_check(["acme: broken"], PIP).text == "acme: broken"
    assert drivers_check(["acme: broken"], PIP).status is Status.WARNING


def test_a_configuration_is_valid_missing_or_opened_where_it_is_wrong() -> None:
    path = Path("/etc/sc.toml")
    assert config_check(ConfigFacts()).status is Status.OK
    assert config_check(ConfigFacts(path=path, pools=2)).text.startswith("/etc/sc.toml: valid")

    warned = config_check(ConfigFacts(path=path, warnings=("password is in the open",)))
    assert warned.status is Status.WARNING
    assert "password is in the open" in warned.text

    def fix(where: str, problem: str) -> str:
        check = config_check(ConfigFacts(path=path, error=ConfigError(where, problem)))
        assert check.status is Status.FAIL
        return check.fix

    assert fix("/etc/my sc.toml:7", "no such key") == "${EDITOR:-nano} +7 '/etc/my sc.toml'"
    assert "setfacl" in fix("/etc/sc.toml", "cannot be read: Permission denied")
    assert fix("/etc/sc.toml", "cannot be read: No such file or directory") == "ls -l /etc/sc.toml"
    assert fix("SC_RIG_NAME", "is empty") == "env | grep ^SC_"


def test_a_state_directory_in_use_is_a_note_and_names_the_holder() -> None:
    check = state_check(StateFacts(path=Path("/s"), exists=True, holders=("7 (stratum-client)",)))

    assert check.status is Status.OK
    assert "process 7 (stratum-client)" in check.text


@pytest.mark.parametrize(
    ("facts", "status", "text", "fix"),
    [
        (StateFacts(path=None, problem="no home"), Status.FAIL, "no home", "SC_STATE_DIR"),
        (StateFacts(path=Path("/s"), exists=True), Status.OK, "can be used", ""),
        (StateFacts(path=Path("/s")), Status.OK, "first start", ""),
        (StateFacts(path=Path("/s"), is_usable=False), Status.FAIL, "cannot write", "install -d"),
        (StateFacts(path=Path("/s"), problem="/s is a file"), Status.FAIL, "is a file", "/s"),
        (StateFacts(path=Path("/s"), free=9 << 20), Status.WARNING, "9 MiB", "vacuum"),
        (StateFacts(path=Path("/s"), free=9 << 30), Status.OK, "first start", ""),
    ],
)
def test_a_state_directory_is_judged(
    facts: StateFacts, status: Status, text: str, fix: str
) -> None:
    check = state_check(facts)

    assert check.status is status
    assert text in check.text
    assert fix in check.fix


@pytest.mark.parametrize(
    ("wall", "synchronized", "status"),
    [
        (EARLIEST + 1, True, Status.OK),
        (EARLIEST + 1, False, Status.WARNING),
        (EARLIEST + 1, None, Status.WARNING),
        (0, True, Status.FAIL),
        (5e9, True, Status.FAIL),
    ],
)
def test_a_clock_must_be_plausible_and_should_be_synchronised(
    wall: float, synchronized: bool | None, status: Status
) -> None:
    check = clock_check(ClockFacts(wall=wall, shown="then", is_synchronized=synchronized))

    assert check.status is status
    assert check.fix == ("" if status is Status.OK else "sudo timedatectl set-ntp true")


# --- how checks are shown ---


def test_lines_have_columns_and_the_command_last() -> None:
    shown = lines(
        [
            Check(name="clock", text="fine"),
            Check(name="long name", status=Status.FAIL, text="bad", fix="do it"),
        ]
    )

    assert shown == ["ok       clock      fine", "FAIL     long name  bad; run: do it"]
    assert lines([]) == []


def test_in_a_narrow_terminal_text_wraps_and_commands_stay_whole() -> None:
    fix = "/opt/stratum-client/bin/pip install 'stratum-client[calendar,gpio,mqtt]'"
    text = "not installed, and only needed if wanted: calendar, gpio, mqtt"
    checks = [Check(name="python", text="3.11.7"), Check(name="extras", text=text, fix=fix)]

    shown = lines(checks, width=60)

    assert shown == [
        "ok       python  3.11.7",
        "ok       extras  not installed, and only needed if wanted:",
        "                 calendar, gpio, mqtt",
        f"                 run: {fix}",
    ]
    assert lines(checks, width=200) == lines(checks)


@given(st.text(), st.text(), st.sampled_from(Status))
def test_any_text_makes_one_harmless_line(name: str, text: str, status: Status) -> None:
    [line] = lines([Check(name=name, status=status, text=text)])

    assert line.isprintable()
    assert line.startswith(f"{status:<7}  ")


def test_colours_are_for_the_status_alone() -> None:
    [line] = lines([Check(name="a", status=Status.FAIL, text="b")], colours=True)

    assert line == "\x1b[1;31mFAIL   \x1b[0m  a  b"


def test_only_a_failure_fails() -> None:
    warning = Check(name="a", status=Status.WARNING, text="")

    assert not has_failed([Check(name="a", text=""), warning])
    assert has_failed([warning, replace(warning, status=Status.FAIL)])


# --- the verb, in a real process ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_every_line_is_a_check(folder: Path) -> None:
    code, out, err = said("doctor", folder=folder)

    assert err == ""
    assert all(LINE.fullmatch(line) for line in out.splitlines()), out
    assert code == int("\nFAIL" in f"\n{out}")
    for name in ("python", "hash kernels", "libusb", "configuration", "state directory", "clock"):
        assert len(re.findall(rf"^\S+ +{name}  ", out, re.MULTILINE)) == 1
    assert not (folder / "state").exists()


def test_json_has_the_same_checks(folder: Path) -> None:
    code, out, err = said("doctor", "--json", folder=folder)

    facts = json.loads(out)
    assert err == ""
    assert facts.keys() == {"ok", "checks"}
    assert facts["ok"] == (code == 0)
    for check in facts["checks"]:
        assert check.keys() == {"check", "status", "text", "fix"}
        assert check["status"] in {"ok", "warning", "fail"}
        assert check["fix"] is None or check["fix"]


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("structlog", r"FAIL +structlog .*-m pip install structlog"),
        ("serial", r"FAIL +pyserial .*-m pip install pyserial"),
        ("usb", r"warning +pyusb .*-m pip install pyusb"),
        ("pyudev", r"warning +pyudev .*-m pip install pyudev"),
        (
            "drivers.hashing._sha256d",
            r"warning +hash kernels +hashlib .*apt install gcc python3-dev",
        ),
    ],
)
def test_a_missing_library_does_not_keep_doctor_from_saying_so(
    module: str, line: str, tmp_path: Path
) -> None:
    program = (
        f"import sys; sys.modules[{module!r}] = None; from stratum_client.cli import main; "
        "sys.exit(main(['doctor']))"
    )
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert re.search(f"^{line}", done.stdout, re.MULTILINE), done.stdout
    assert done.returncode == int("\nFAIL" in f"\n{done.stdout}")


def test_a_wrong_configuration_is_one_failed_check_among_others(folder: Path) -> None:
    (folder / "bad.toml").write_text("schema = 1\nnonsense = 1\n")

    code, out, err = said("doctor", "--config", "bad.toml", folder=folder)

    assert (code, err) == (1, "")
    [line] = [line for line in out.splitlines() if line.startswith("FAIL")]
    assert "configuration" in line
    assert line.endswith("run: ${EDITOR:-nano} +2 bad.toml")


def test_a_pool_on_the_command_line_is_tried(folder: Path) -> None:
    with pool(folder=folder) as (_, url):
        code, out, err = said("doctor", "--pool", url, "--user", "account.rig", folder=folder)

    assert err == ""
    assert code == int("\nFAIL" in f"\n{out}")
    assert re.search(r"^ok +pool 127\.0\.0\.1 .*logged in, .*sent a job", out, re.MULTILINE)
    assert re.search(r"^ok +DNS 127\.0\.0\.1 +127\.0\.0\.1 is an address", out, re.MULTILINE)


def test_a_configured_pool_that_nobody_serves_fails(folder: Path) -> None:
    (folder / "stratum-client.toml").write_text(
        '[[pool]]\nname = "main"\nurl = "stratum+tcp://127.0.0.1:1"\nuser = "account"\n'
    )

    code, out, _ = said("doctor", folder=folder)

    assert code == 1
    assert re.search(r"^FAIL +pool main .*run: stratum-client pools test", out, re.MULTILINE)


def test_wrong_arguments_are_not_a_matter_of_health(folder: Path) -> None:
    code, out, err = said("doctor", "--pool", "stratum+tcp://127.0.0.1:1", folder=folder)

    assert (code, out) == (2, "")
    assert "user is missing" in err


def test_fix_udev_prints_the_rules_and_nothing_else(folder: Path) -> None:
    assert said("doctor", "--fix-udev", folder=folder) == (0, rules(), "")


@pytest.fixture
def terminal(folder: Path) -> Iterator[Running]:
    with running("doctor", folder=folder, width=100) as run:
        yield run


def test_in_a_terminal_the_status_has_a_colour(terminal: Running) -> None:
    terminal.exit_code()

    assert "\x1b[32mok     \x1b[0m  python " in terminal.out


def test_a_lock_that_a_daemon_holds_is_a_note(folder: Path) -> None:
    state = folder / "state/stratum-client"
    state.mkdir(parents=True)
    with (state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _, out, _ = said("doctor", folder=folder)

    assert re.search(rf"^ok +state directory .*process {os.getpid()} ", out, re.MULTILINE)
