"""The settings of the ``cpu`` driver, and what each may be."""

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.cpu.cores import usable_cores
from drivers.cpu.frames import MAX_NONCES
from drivers.errors import SettingError
from drivers.hashing.kernels import KernelUnavailableError, named

DRIVER_NAME = "cpu"
AUTO = "auto"
MAX_THREADS = 1024

_KNOWN = ("threads", "duty", "kernel", "first_nonce", "first_version_bits")


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuSettings:
    """How the software hasher works.

    ``threads``: worker processes. ``duty``: percent of a core that each uses. ``kernel``: name of
    a kernel, or "auto" for the quickest. ``first_nonce`` and ``first_version_bits``: where the
    search of every work begins, to find a known solution again; it wraps around, so nothing is
    skipped. ``nonces``: how many of each version; no setting, all but in tests.
    """

    threads: int
    duty: int = 100
    kernel: str = AUTO
    first_nonce: int = 0
    first_version_bits: int = 0
    nonces: int = MAX_NONCES


def parsed(settings: Mapping[str, object]) -> CpuSettings:
    """Return the settings, from a command line (all text) or from TOML; SettingError if bad."""
    for name in settings:
        if name not in _KNOWN:
            raise SettingError(DRIVER_NAME, name, f"unknown; allowed are {', '.join(_KNOWN)}")
    threads = settings["threads"] if "threads" in settings else usable_cores()
    return CpuSettings(
        threads=_whole("threads", threads, 1, MAX_THREADS),
        duty=_duty(settings.get("duty", 100)),
        kernel=_kernel(settings.get("kernel", AUTO)),
        first_nonce=_word(settings, "first_nonce"),
        first_version_bits=_word(settings, "first_version_bits"),
    )


def _whole(name: str, value: object, least: int, most: int, form: str = "") -> int:
    number = _number(value)
    if number is None or not least <= number <= most:
        allowed = form or f"a whole number from {least} to {most}"
        raise SettingError(DRIVER_NAME, name, f"must be {allowed}, not {value!r}")
    return number


def _word(settings: Mapping[str, object], name: str) -> int:
    form = "an unsigned 32-bit number such as 0x1dac2b7c"
    return _whole(name, settings.get(name, 0), 0, 0xFFFFFFFF, form)


def _duty(value: object) -> int:
    bare = value.strip().removesuffix("%") if isinstance(value, str) else value
    if _number(bare) is None:
        bare = value  # so that the message shows what was given
    return _whole("duty", bare, 1, 100, 'percent of a core, from 1 to 100, such as 70 or "70%"')


def _kernel(value: object) -> str:
    if not isinstance(value, str):
        raise SettingError(DRIVER_NAME, "kernel", f"must be a name, not {value!r}")
    if value != AUTO:
        try:
            named(value)
        except KernelUnavailableError as error:
            raise SettingError(DRIVER_NAME, "kernel", f"{value!r}: {error.reason}") from error
    return value


def _number(value: object) -> int | None:
    """Return an int, or text that holds one (decimal or 0x...), as an int; None for all else."""
    if isinstance(value, str):
        try:
            return int(value, 0)
        except ValueError:
            return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
