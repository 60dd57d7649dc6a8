"""Secrets from where they are safe: files, environment variables, systemd's credentials.

No error here repeats any part of a secret.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

_LARGEST = 4096
_LONGEST = 1024  # an address with a token in it; passwords are shorter
_CREDENTIAL = "credential:"


class SecretError(Exception):
    """A secret cannot be had; ``problem`` says why and never what it is."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class Secrets:
    """Fetches secrets; collects in ``warnings`` what is careless about the way they are kept."""

    def __init__(self, environ: Mapping[str, str], directory: Path) -> None:
        self._environ = environ
        self._directory = directory
        self.warnings: list[str] = []

    def from_environment(self, name: str) -> str:
        """Return the value of the environment variable ``name``; raise SecretError."""
        value = self._environ.get(name)
        if value is None:
            raise SecretError(f"the environment variable {name} is not set")
        return _checked(value, f"the environment variable {name}")

    def from_file(self, name: str) -> str:
        """Return the content of a file without its last newline; raise SecretError.

        A relative path starts at the configuration's directory. ``credential:NAME`` is what systemd
        passes on with LoadCredential=NAME:PATH.
        """
        path = self._path_of(name)
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                data = file.read(_LARGEST + 1)
        except OSError as error:
            raise SecretError(f"cannot read {path}: {error.strerror}") from error
        if stat.S_ISREG(mode) and mode & stat.S_IROTH:
            self.warnings.append(f"{path} holds a password and anybody may read it: chmod 640 it")
        return _decoded(data, str(path))

    def _path_of(self, name: str) -> Path:
        if not name.startswith(_CREDENTIAL):
            try:
                return self._directory / Path(name).expanduser()
            except RuntimeError as error:
                raise SecretError(f"the home directory in {name} is not known") from error
        directory = self._environ.get("CREDENTIALS_DIRECTORY")
        credential = name.removeprefix(_CREDENTIAL)
        if not directory:
            raise SecretError(f"{name} needs LoadCredential={credential}:PATH in the systemd unit")
        if not credential or "/" in credential:
            raise SecretError(f'"{credential}" is not the name of a credential')
        return Path(directory) / credential


def _decoded(data: bytes, place: str) -> str:
    if len(data) > _LARGEST:
        raise SecretError(f"{place} is larger than {_LARGEST} bytes: not a file with a password")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SecretError(f"{place} is not UTF-8 text") from error
    return _checked(text.removesuffix("\n").removesuffix("\r"), place)


def _checked(value: str, place: str) -> str:
    if not value:
        raise SecretError(f"{place} is empty")
    if "\n" in value:
        raise SecretError(f"{place} has more than one line")
    if not value.isprintable() or len(value) > _LONGEST:
        raise SecretError(f"{place} is not a text of up to {_LONGEST} printable characters")
    return value
