"""Drivers by name: a table of built-ins, and what other packages add as entry points.

Nothing is imported until it is used, so a missing library hurts only those who need it. A built-in
asked for by name never costs a look at the installed packages. Plug-ins are believed in nothing:
one that cannot be imported, or whose `match` raises, is listed by `problems` and skipped.
"""

import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import cast

from drivers.api import Driver, PortInfo
from drivers.emulation import EMULATED
from drivers.errors import DriverError, UnknownDriverError

BUILT_IN: dict[str, str] = {"cpu": "drivers.cpu.device:DRIVER"}
"""Name to "module:attribute", the attribute being the driver."""

FAMILIES: tuple[str, ...] = ("drivers.bm13xx.driver:DRIVERS", "drivers.icarus.driver:DRIVERS")
"""Built-in families: "module:attribute", the attribute mapping each driver's name to it.

So a new chip or board of a family needs its line in the family's own table, and none here.
"""

GROUP = "stratum_client.drivers"
"""Entry-point group in which other packages name their drivers."""


class DriverLoadError(DriverError):
    """A driver is listed but cannot be used; ``reference`` says where it should have been."""

    def __init__(self, name: str, reference: str, problem: str) -> None:
        super().__init__(f"driver {name!r} ({reference}) cannot be used: {problem}")
        self.name = name
        self.reference = reference
        self.problem = problem


class DriverClashError(DriverError):
    """Two packages claim one driver name; one of them has to be uninstalled or renamed."""

    def __init__(self, name: str, *, first: str, second: str) -> None:
        super().__init__(
            f"driver name {name!r} is claimed by {first} and by {second}; "
            "uninstall or rename the second"
        )
        self.name = name
        self.first = first
        self.second = second


def driver(name: str) -> Driver:
    """Return the driver called ``name``.

    ``emulated:NAME`` is the driver called NAME on emulated hardware, if it can emulate any: then
    it has a method `emulated` that returns it, or None. Raises UnknownDriverError, its ``known``
    names nearest first; DriverLoadError when the driver is listed but cannot be imported;
    DriverClashError when installed packages collide.
    """
    if name.startswith(EMULATED):
        return _emulated(name)
    reference = _built_in(name) or _plugins().get(name)
    if reference is None:
        raise UnknownDriverError(name, _nearest_first(name))
    loaded = _load(name, reference)
    if isinstance(loaded, DriverLoadError):
        raise loaded
    return loaded


def emulation_of(candidate: Driver) -> Driver | None:
    """Return the driver of the same hardware emulated in this process, None if there is none."""
    emulated = getattr(candidate, "emulated", None)
    return cast("Driver | None", emulated()) if callable(emulated) else None


def names() -> tuple[str, ...]:
    """Return every driver name, built-ins first; raise DriverClashError when packages collide."""
    return (*_all_built_in(), *sorted(_plugins()))


def best_match(port: PortInfo) -> tuple[Driver, int] | None:
    """Return the driver surest of ``port`` with its score, None when no driver wants it.

    Of equal scores the first in the order of `names` wins. Imports every driver, so the first
    call takes a moment; raises DriverClashError when packages collide.
    """
    return next(iter(matches(port)), None)


def matches(port: PortInfo) -> tuple[tuple[Driver, int], ...]:
    """Return the drivers that want ``port`` with their scores, the surest first.

    Otherwise as `best_match`. Two of the same score cannot be told apart by the port alone.
    """
    scored = [(candidate, _score(name, candidate, port)) for name, candidate in _usable()]
    wanting = [(candidate, score) for candidate, score in scored if score > 0]
    return tuple(sorted(wanting, key=lambda scored: scored[1], reverse=True))


def possible(port: PortInfo) -> tuple[str, ...]:
    """Return the drivers whose devices can have the ids of ``port`` without saying who they are.

    Those have a method `may_be`. Nothing follows from it: such ids are those of many a cable.
    """
    return tuple(name for name, candidate in _usable() if _may_be(name, candidate, port))


def problems() -> tuple[DriverLoadError, ...]:
    """Return what is wrong with drivers loaded so far, for the log and for `devices`."""
    return tuple(_problems.values())


def forget() -> None:
    """Forget what was loaded, so that packages installed since are found."""
    _plugins.cache_clear()
    _family.cache_clear()
    _load.cache_clear()
    _problems.clear()


_problems: dict[str, DriverLoadError] = {}


def _emulated(name: str) -> Driver:
    emulation = emulation_of(driver(name.removeprefix(EMULATED)))
    if emulation is None:
        able = tuple(EMULATED + own for own, one in _usable() if emulation_of(one))
        raise UnknownDriverError(name, able)
    return emulation


def _usable() -> Iterator[tuple[str, Driver]]:
    for name, reference in {**_all_built_in(), **_plugins()}.items():
        loaded = _load(name, reference)
        if not isinstance(loaded, DriverLoadError):
            yield name, loaded


def _built_in(name: str) -> str | None:
    """Return where the built-in driver ``name`` is; a family is only asked for other names."""
    return BUILT_IN.get(name) or _all_built_in().get(name)


def _all_built_in() -> dict[str, str]:
    return BUILT_IN | {name: family for family in FAMILIES for name in _family(family)}


@cache
def _family(reference: str) -> tuple[str, ...]:
    """Return the names in a family's table; none, and a problem noted, if it cannot be loaded."""
    module, _, attribute = reference.partition(":")
    try:
        return tuple(getattr(importlib.import_module(module), attribute))
    except Exception as error:  # noqa: BLE001 - whatever it is, the other families must not suffer
        problem = f"{type(error).__name__}: {error}"
        _problems[reference] = DriverLoadError(module, reference, problem)
        return ()


@cache
def _plugins() -> dict[str, str]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow, and rarely needed

    found: dict[str, str] = {}
    owners = {name: f"the built-in {reference}" for name, reference in _all_built_in().items()}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        reference = f"{entry.module}:{entry.attr}"
        owner = f"{reference} of package {entry.dist.name if entry.dist else 'unknown'}"
        if entry.name in owners and found.get(entry.name) != reference:
            raise DriverClashError(entry.name, first=owners[entry.name], second=owner)
        found[entry.name], owners[entry.name] = reference, owner
    return found


@cache
def _load(name: str, reference: str) -> Driver | DriverLoadError:
    module, _, attribute = reference.partition(":")
    try:
        loaded = getattr(importlib.import_module(module), attribute)
        loaded = loaded[name] if isinstance(loaded, Mapping) else loaded
        problem = _shape_problem(name, loaded)
    except Exception as error:  # noqa: BLE001 - importing runs a stranger's code: it may raise all
        problem = f"{type(error).__name__}: {error}"
    if not problem:
        return cast("Driver", loaded)
    return _problems.setdefault(name, DriverLoadError(name, reference, problem))


def _shape_problem(name: str, loaded: object) -> str:
    if not all(callable(getattr(loaded, method, None)) for method in ("match", "open")):
        return "it has no match() and open()"
    called = getattr(loaded, "name", None)
    return "" if called == name else f"it calls itself {called!r}"


def _score(name: str, candidate: Driver, port: PortInfo) -> int:
    try:
        return int(candidate.match(port))
    except Exception as error:  # noqa: BLE001 - one plug-in's fault must not cost the other ports
        reference = _built_in(name) or _plugins()[name]
        problem = f"match() raised {type(error).__name__}: {error}"
        _problems[name] = DriverLoadError(name, reference, problem)
        return 0


def _may_be(name: str, candidate: Driver, port: PortInfo) -> bool:
    try:
        may_be = getattr(candidate, "may_be", None)
        return callable(may_be) and bool(may_be(port))
    except Exception as error:  # noqa: BLE001 - as above
        reference = _built_in(name) or _plugins()[name]
        problem = f"may_be() raised {type(error).__name__}: {error}"
        _problems[name] = DriverLoadError(name, reference, problem)
        return False


def _nearest_first(name: str) -> tuple[str, ...]:
    from difflib import SequenceMatcher  # noqa: PLC0415 - needed for a typing error only

    def likeness(known: str) -> float:
        return SequenceMatcher(None, name.casefold(), known).ratio()

    return tuple(sorted(names(), key=likeness, reverse=True))
