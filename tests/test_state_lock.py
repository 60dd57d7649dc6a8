import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.errors import ConfigError
from stratum_client.state_lock import (
    Holder,
    StateDirInUseError,
    _holder_in,
    default_state_dir,
    lock_state_dir,
)

NOW = 1_795_437_764.0  # 2026-11-23 12:42:44 UTC

HOLD = """
import sys
from pathlib import Path
from stratum_client.state_lock import lock_state_dir
with lock_state_dir(Path(sys.argv[1]), program="the other one", now=1795437764.0):
    print("locked", flush=True)
    sys.stdin.read()
"""


def other_daemon(path: Path) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout
    assert process.stdout.readline() == b"locked\n"
    return process


def test_the_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "state"

    with lock_state_dir(path, now=NOW) as state:
        assert state.path == path
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_second_daemon_is_told_who_has_it_and_what_to_do(tmp_path: Path) -> None:
    with (
        lock_state_dir(tmp_path, program="stratum-client run", now=NOW),
        pytest.raises(StateDirInUseError) as caught,
    ):
        lock_state_dir(tmp_path, now=NOW + 5)

    assert caught.value.holder == Holder(pid=os.getpid(), program="stratum-client run", since=NOW)
    assert str(caught.value).startswith(
        f"{tmp_path}: this state directory is used by stratum-client run, process {os.getpid()},"
        " since 2026-11-23 12:42:44 UTC."
    )
    assert f"kill {os.getpid()}" in str(caught.value)
    assert "state_dir" in str(caught.value)


def test_it_is_free_again_after_close(tmp_path: Path) -> None:
    first = lock_state_dir(tmp_path, now=NOW)
    first.close()
    first.close()

    with lock_state_dir(tmp_path, now=NOW), pytest.raises(StateDirInUseError):
        lock_state_dir(tmp_path, now=NOW)


def test_two_directories_do_not_disturb_each_other(tmp_path: Path) -> None:
    with (
        lock_state_dir(tmp_path / "a", now=NOW) as a,
        lock_state_dir(tmp_path / "b", now=NOW) as b,
    ):
        assert a.path != b.path


def test_another_process_is_kept_out_and_what_it_leaves_when_killed_is_no_obstacle(
    tmp_path: Path,
) -> None:
    with other_daemon(tmp_path) as process:
        with pytest.raises(StateDirInUseError, match="the other one") as caught:
            lock_state_dir(tmp_path, now=NOW)
        process.send_signal(signal.SIGKILL)
        process.wait()

    assert caught.value.holder
    assert caught.value.holder.pid == process.pid
    assert b"the other one" in (tmp_path / "lock").read_bytes()
    with (
        lock_state_dir(tmp_path, program="short", now=NOW),
        pytest.raises(StateDirInUseError, match="used by short, process"),
    ):
        lock_state_dir(tmp_path, now=NOW)


def test_a_full_disk_keeps_nobody_from_mining(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to("/dev/full")

    with lock_state_dir(tmp_path, now=NOW) as state:
        assert state.path == tmp_path


def test_a_child_that_outlives_the_daemon_does_not_keep_the_lock(tmp_path: Path) -> None:
    first = lock_state_dir(tmp_path, now=NOW)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        first.close()
        with lock_state_dir(tmp_path, now=NOW) as second:
            assert second.path == tmp_path
        assert child.poll() is None


class FailedDisk:
    """A disk that takes nothing any more, in place of the real one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self._open, self._error = os.open, OSError(number, os.strerror(number))
        monkeypatch.setattr(os, "open", self._opened)
        monkeypatch.setattr(Path, "mkdir", lambda path, **_: self._made(path))

    def _opened(self, path: Path, flags: int, mode: int = 0o777) -> int:
        is_new = flags & os.O_CREAT and not path.exists()
        if is_new or (self._error.errno == errno.EROFS and flags & os.O_ACCMODE != os.O_RDONLY):
            raise self._error
        return self._open(path, flags, mode)

    def _made(self, path: Path) -> None:
        if not path.exists():
            raise self._error


FAILURES = pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC])


@FAILURES
def test_a_disk_that_failed_keeps_nobody_from_mining_but_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    FailedDisk(monkeypatch, number)

    for path in (tmp_path / "not" / "there", tmp_path):
        with lock_state_dir(path, now=NOW) as state:
            assert state.problem == os.strerror(number)
            assert str(path) in state.warning
            assert "mined all the same" in state.warning
    assert not list(tmp_path.iterdir())


@FAILURES
def test_on_a_disk_that_takes_no_lock_file_the_directory_itself_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    FailedDisk(monkeypatch, number)

    with (
        lock_state_dir(tmp_path, now=NOW),
        pytest.raises(StateDirInUseError, match="another process"),
    ):
        lock_state_dir(tmp_path, now=NOW)
    with lock_state_dir(tmp_path, now=NOW) as again:
        assert again.problem


def test_a_lock_held_by_another_daemon_holds_on_a_read_only_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with other_daemon(tmp_path) as process:
        FailedDisk(monkeypatch, errno.EROFS)
        with pytest.raises(StateDirInUseError, match="the other one"):
            lock_state_dir(tmp_path, now=NOW)
        process.communicate()

    before = (tmp_path / "lock").read_bytes()
    with lock_state_dir(tmp_path, now=NOW) as state:
        assert state.problem
        with pytest.raises(StateDirInUseError):
            lock_state_dir(tmp_path, now=NOW)
    assert (tmp_path / "lock").read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"garbage", b"[]", b'{"pid": 1}', b"[" * 99999),
        b'{"pid": 1, "program": "p", "since": 1e300}',
        b'{"pid": 1, "program": "p", "since": NaN}',
        b'{"pid": 1, "program": "\\u001b[2J", "since": 1}',
        b'{"pid": "1", "program": "p", "since": 1}',
    ],
)
def test_a_holder_that_has_not_said_who_it_is_still_holds(tmp_path: Path, content: bytes) -> None:
    with lock_state_dir(tmp_path, now=NOW):
        (tmp_path / "lock").write_bytes(content)

        with pytest.raises(StateDirInUseError, match="another process") as caught:
            lock_state_dir(tmp_path, now=NOW)

    assert caught.value.holder is None


@given(st.binary())
def test_any_content_names_a_holder_or_nobody(content: bytes) -> None:
    assert _holder_in(content) is None


def test_a_directory_that_cannot_be_used_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "locked" / "lock").mkdir(parents=True)

    for path, reason in (
        (tmp_path / "file", "there is a file of that name"),
        (tmp_path / "file" / "state", "a part of the path is a file"),
        (tmp_path / "locked", "Is a directory"),
        (Path("/proc/nowhere"), "set state_dir"),
    ):
        with pytest.raises(ConfigError, match=reason) as caught:
            lock_state_dir(path, now=NOW)
        assert str(caught.value).startswith(f"{path}: cannot be used as state directory: ")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/a", "HOME": "/home/x"}, "/var/lib/a"),
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, "/var/lib/a"),
        ({"XDG_STATE_HOME": "/s", "HOME": "/home/x"}, "/s/stratum-client"),
        ({"XDG_STATE_HOME": "s", "HOME": "/home/x"}, "/home/x/.local/state/stratum-client"),
        ({"HOME": "/home/x"}, "/home/x/.local/state/stratum-client"),
    ],
)
def test_the_default_follows_systemd_then_the_users_home(
    environ: dict[str, str], expected: str
) -> None:
    assert default_state_dir(environ) == Path(expected)


def test_without_a_home_a_setting_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="SC_STATE_DIR"):
        default_state_dir({})
