from pathlib import Path

import pytest

from stratum_client.config import Config
from stratum_client.config_file import read_config
from stratum_client.errors import ConfigError

SECRET = "hunter2-and-more"


def read(directory: Path, how: str, **environ: str) -> Config:
    text = f'[[pool]]\nurl = "a:1"\nuser = "a"\n{how}\n'
    return read_config(text.encode(), name="f.toml", environ=environ, directory=directory)


def secret_file(directory: Path, content: bytes, mode: int = 0o600) -> str:
    path = directory / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return 'password_file = "secret"'


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_one_line_end_of_a_password_file_is_no_part_of_the_password(
    tmp_path: Path, end: str
) -> None:
    config = read(tmp_path, secret_file(tmp_path, (SECRET + end).encode()))

    assert config.pools[0].password == SECRET
    assert config.secrets == (SECRET,)
    assert config.warnings == ()


def test_a_password_file_that_anybody_may_read_is_a_warning(tmp_path: Path) -> None:
    config = read(tmp_path, secret_file(tmp_path, SECRET.encode(), 0o644))

    [warning] = config.warnings
    assert str(tmp_path / "secret") in warning
    assert "anybody may read it" in warning
    assert SECRET not in warning


def test_a_password_comes_from_a_variable_or_a_credential_of_systemd(tmp_path: Path) -> None:
    (tmp_path / "pool").write_text(f"{SECRET}\n")

    by_variable = read(tmp_path, 'password_env = "MINE"', MINE=SECRET)
    by_credential = read(
        tmp_path / "elsewhere",
        'password_file = "credential:pool"',
        CREDENTIALS_DIRECTORY=str(tmp_path),
    )

    assert by_variable.pools[0].password == by_credential.pools[0].password == SECRET


def test_no_password_is_x_and_no_secret(tmp_path: Path) -> None:
    config = read(tmp_path, "")

    assert config.pools[0].password == "x"
    assert config.secrets == ()


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ('password = "a"\npassword_env = "B"', "f.toml:5: pool[1].password_env: password is given"),
        ('password_file = "absent"', "absent: No such file or directory"),
        ('password_file = "."', ": Is a directory"),
        ('password_env = "UNSET"', "the environment variable UNSET is not set"),
        ('password_env = "EMPTY"', "the environment variable EMPTY is empty"),
        ('password_file = "credential:pool"', "needs LoadCredential=pool:PATH"),
        ("password_file = 5", "f.toml:4: pool[1].password_file: expected a path, found the number"),
    ],
)
def test_a_secret_that_cannot_be_had_is_explained(tmp_path: Path, how: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, how, EMPTY="")

    assert error in str(caught.value)


def test_a_credential_is_a_name_and_not_a_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not the name of a credential"):
        read(tmp_path, 'password_file = "credential:../x"', CREDENTIALS_DIRECTORY=str(tmp_path))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (SECRET.encode() + b"\n\n", "more than one line"),
        (SECRET.encode() + b"\x1b[2J", "printable"),
        (SECRET.encode() + b"\xff", "not UTF-8"),
        (SECRET.encode() * 17, "256"),
        (SECRET.encode() * 100, "1024"),
        (SECRET.encode() * 1000, "4096"),
    ],
)
def test_a_file_that_holds_no_password_is_refused_without_repeating_it(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        read(tmp_path, secret_file(tmp_path, content))

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "environ"),
    [
        (f'password = ["{SECRET}"]', {}),
        (f'password = "{SECRET}\\n"', {}),
        (f'password = {{ a = "{SECRET}" }}', {}),
        ('password = "x"', {"SC_POOL_1_PASSWORD": SECRET + "\n"}),
        ('password_env = "MINE"', {"MINE": SECRET + "\n"}),
    ],
)
def test_no_error_repeats_a_password(tmp_path: Path, line: str, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, line, **environ)

    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)


def test_no_repr_shows_a_password(tmp_path: Path) -> None:
    config = read(tmp_path, f'password = "{SECRET}"')

    assert config.pools[0].password == SECRET
    assert SECRET not in repr(config)
    assert SECRET not in str(config.pools)
