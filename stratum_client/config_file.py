"""From a file and the environment to a `Config`.

Precedence: command line (see `config_arguments`) > environment > file > conf.d/*.toml beside it >
defaults. Searched are ./stratum-client.toml, then
$XDG_CONFIG_HOME/stratum-client/stratum-client.toml with ~/.config where the variable is not set,
then /etc/stratum-client/stratum-client.toml.
"""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stratum_client.config import Config
from stratum_client.config_checks import checked
from stratum_client.config_effects import without_effect
from stratum_client.config_environment import overrides_in, put_into, strays_among
from stratum_client.config_fragments import FOLDER, Fragment, Joined
from stratum_client.config_paths import with_paths_in
from stratum_client.config_reader import Origins, SettingsReader
from stratum_client.config_secrets import Secrets
from stratum_client.errors import ConfigError
from stratum_client.setting_kinds import printable

FILE_NAME = "stratum-client.toml"

_LARGEST = 1 << 20
_HARDWARE = ("rig", "state_dir", "device")


def find_config(
    environ: Mapping[str, str] = os.environ,
    directory: Path = Path(),
    system: Path = Path("/etc/stratum-client"),
) -> Path | None:
    """Return the first configuration of the search order, None if there is none.

    One that exists in ``system`` but cannot be looked at counts as found: better an error.
    """
    for folder in (directory, _user_folder(environ), system):
        try:
            if folder and (folder / FILE_NAME).is_file():
                return folder / FILE_NAME
        except PermissionError:
            if folder is system:
                return folder / FILE_NAME
    return None


def load_config(path: Path | None, environ: Mapping[str, str] = os.environ) -> Config:
    """Return the settings of the file ``path``, or those of the environment alone.

    Raises ConfigError for the first thing wrong; its text names file, line, key, what was found and
    what is allowed.
    """
    if path is None:
        return read_config(b"", name="configuration", environ=environ)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError(path, f"cannot be read: {error.strerror}") from error
    config = read_config(
        data,
        name=str(path),
        environ=environ,
        directory=path.parent,
        fragments=fragments_beside(path),
    )
    return replace(config, path=path)


def fragments_beside(path: Path) -> tuple[Fragment, ...]:
    """Return what stands in conf.d/*.toml beside a configuration; raise ConfigError."""
    found = []
    for file in sorted((path.parent / FOLDER).glob("*.toml")):
        try:
            with file.open("rb") as opened:
                found.append(Fragment(name=str(file), data=opened.read(_LARGEST + 1)))
        except OSError as error:
            raise ConfigError(file, f"cannot be read: {error.strerror}") from error
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What stands in a file and in the environment, together, before anything of it is judged."""

    document: dict[str, object]
    origins: Origins
    warnings: tuple[str, ...]


def draft_of(
    data: bytes, *, name: str, environ: Mapping[str, str], fragments: Sequence[Fragment] = ()
) -> Draft:
    """Return what ``data``, a file called ``name``, ``environ`` and ``fragments`` say.

    Raises ConfigError.
    """
    text = _text_of(data, name)
    document = _document_of(text, name)
    files = _joined(fragments).put_under(document)
    overrides, warnings = overrides_in(environ)
    strays = strays_among(overrides, document)
    warnings += [stray.stray_warning for stray in strays]
    overrides = [override for override in overrides if override not in strays]
    elsewhere = put_into(document, overrides, stronger=True)
    origins = Origins(name=name, text=text, elsewhere=elsewhere, files=files)
    return Draft(document=document, origins=origins, warnings=tuple(warnings))


def read_config(
    data: bytes,
    *,
    name: str,
    environ: Mapping[str, str],
    directory: Path = Path(),
    fragments: Sequence[Fragment] = (),
) -> Config:
    """Return the settings in ``data``, the content of a file called ``name`` in errors.

    Relative paths start at ``directory``. Raises ConfigError.
    """
    draft = draft_of(data, name=name, environ=environ, fragments=fragments)
    secrets = Secrets(environ, directory)
    config = config_of(draft.document, draft.origins, secrets)
    warnings = (*draft.warnings, *secrets.warnings, *warnings_on(config, draft.origins))
    return replace(with_paths_in(config, directory), warnings=warnings)


def warnings_on(config: Config, origins: Origins) -> tuple[str, ...]:
    """Return what has no effect in ``config``, each with its place."""
    idle = without_effect(config)
    return tuple(str(origins.error(path, f"no effect: {why}")) for path, why in idle)


def load_hardware(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Return what the file ``path`` says of devices and the state directory; raise ConfigError.

    For who must reach the boards even where a pool or a password is wrong.
    """
    fragments = fragments_beside(path)
    draft = draft_of(path.read_bytes(), name=str(path), environ=environ, fragments=fragments)
    wanted = {key: draft.document[key] for key in _HARDWARE if key in draft.document}
    config = config_of(wanted, draft.origins, Secrets(environ, path.parent))
    state_dir = path.parent / config.state_dir if config.state_dir else None
    return replace(config, path=path, state_dir=state_dir)


def config_of(document: dict[str, object], origins: Origins, secrets: Secrets) -> Config:
    """Return ``document`` as settings, checked; raise ConfigError."""
    _hand_down(document)
    return checked(SettingsReader(origins, secrets).read(Config, document), origins)


def _hand_down(document: dict[str, object]) -> None:
    """Let each pool begin with the common deadlines."""
    common, pools = document.get("deadlines", {}), document.get("pool")
    if not isinstance(common, dict):
        return
    silent = {} if "silence" in common else _silent_after(document)
    if silent | common:
        document["deadlines"] = silent | common
    for pool in pools if isinstance(pools, list) else ():
        own = pool.get("deadlines", {}) if isinstance(pool, dict) else None
        if isinstance(own, dict) and (handed := common if "silence" in own else silent | common):
            pool["deadlines"] = handed | own


def _silent_after(document: Mapping[str, object]) -> dict[str, object]:
    """Return the deadlines that `work.silent_after` stands for: none if they follow the jobs."""
    work = document.get("work")
    given = work.get("silent_after", "auto") if isinstance(work, dict) else "auto"
    return {} if given == "auto" else {"silence": given, "silence_cap": given}


def _user_folder(environ: Mapping[str, str]) -> Path | None:
    folder = environ.get("XDG_CONFIG_HOME", "")
    if not folder.startswith("/"):  # relative ones are to be ignored, says XDG
        folder = f"{environ['HOME']}/.config" if environ.get("HOME") else ""
    return Path(folder) / "stratum-client" if folder else None


def _joined(fragments: Sequence[Fragment]) -> Joined:
    joined = Joined()
    for fragment in fragments:
        text = _text_of(fragment.data, fragment.name)
        joined.add(_document_of(text, fragment.name), text, fragment.name)
    return joined


def _text_of(data: bytes, name: str) -> str:
    if len(data) > _LARGEST:
        raise ConfigError(name, f"is larger than {_LARGEST} bytes: hardly a configuration")
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}:{line}", "is not UTF-8 text") from error


def _document_of(text: str, name: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(name, "is nested too deeply") from error
    except ValueError as error:
        problem, line = _syntax_problem(str(error), text)
        raise ConfigError(f"{name}:{line}", problem) from error


def _syntax_problem(message: str, text: str) -> tuple[str, int]:
    """Return tomllib's complaint and its line, which stands inside the text of the complaint."""
    found = re.fullmatch(
        r"(.*?)(?: \((?:at line (\d+), column (\d+)|at end of document)\))?", message
    )
    problem, line, column = found.groups() if found else (message, None, None)
    where = f" in column {column}" if column else ""
    return f"not valid TOML{where}: {printable(problem)}", int(line or text.count("\n") + 1)
