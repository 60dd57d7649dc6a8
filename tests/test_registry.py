"""The registry against real installed packages: each test writes one to disk and imports it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers import registry
from drivers.api import PortInfo
from drivers.errors import UnknownDriverError

DRIVER_SOURCE = """
class Acme:
    name = {name!r}
    def match(self, port):
        return {score}
    def open(self, port, settings, context):
        raise NotImplementedError
DRIVER = Acme()
"""
PORT = PortInfo(paths=("/dev/ttyACM0",), vid=0x1209)


@pytest.fixture(autouse=True)
def _fresh_registry() -> Iterator[None]:
    registry.forget()
    yield
    registry.forget()


class Site:
    """A directory on the import path that packages are installed into."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def install(self, package: str, source: str, **drivers: str) -> None:
        (self._path / f"{package}.py").write_text(source)
        info = self._path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in drivers.items()]
        (info / "entry_points.txt").write_text("\n".join([f"[{registry.GROUP}]", *lines, ""]))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield Site(tmp_path)
    for name in set(sys.modules) - before:
        if (tmp_path / f"{name}.py").exists():
            del sys.modules[name]


def only(monkeypatch: pytest.MonkeyPatch, **built_in: str) -> None:
    monkeypatch.setattr(registry, "BUILT_IN", built_in)
    monkeypatch.setattr(registry, "FAMILIES", ())


def test_every_built_in_loads_and_has_its_own_name() -> None:
    for name in registry.names():
        assert registry.driver(name).name == name


def test_an_installed_plugin_is_found_by_name(site: Site) -> None:
    site.install("acme_a", DRIVER_SOURCE.format(name="acme", score=1), acme="acme_a:DRIVER")

    assert registry.driver("acme").name == "acme"
    assert registry.names()[-1] == "acme"
    assert registry.problems() == ()


def test_a_plugin_is_imported_only_when_asked_for(site: Site) -> None:
    site.install("acme_lazy", DRIVER_SOURCE.format(name="lazy", score=1), lazy="acme_lazy:DRIVER")

    assert "lazy" in registry.names()
    assert "acme_lazy" not in sys.modules

    registry.driver("lazy")
    assert "acme_lazy" in sys.modules


def test_a_plugin_may_not_replace_a_built_in(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, cpu="drivers.cpu.device:DRIVER")
    site.install("acme_b", DRIVER_SOURCE.format(name="cpu", score=1), cpu="acme_b:DRIVER")

    with pytest.raises(registry.DriverClashError) as caught:
        registry.names()

    for part in ("'cpu'", "drivers.cpu.device:DRIVER", "acme_b:DRIVER", "package acme_b"):
        assert part in str(caught.value)
    with pytest.raises(registry.DriverClashError):
        registry.best_match(PORT)


def test_two_plugins_may_not_share_a_name(site: Site) -> None:
    source = DRIVER_SOURCE.format(name="acme", score=1)
    site.install("acme_c", source, acme="acme_c:DRIVER")
    site.install("acme_d", source, acme="acme_d:DRIVER")

    with pytest.raises(registry.DriverClashError, match=r"package acme_c.*package acme_d"):
        registry.driver("acme")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named"),
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("def broken(:", "SyntaxError"),
        ("", "AttributeError"),
        ("DRIVER = 5", "no match"),
        (DRIVER_SOURCE.format(name="other", score=1), "calls itself 'other'"),
    ],
)
def test_a_plugin_that_does_not_load_is_reported_and_skipped(
    site: Site, monkeypatch: pytest.MonkeyPatch, source: str, problem: str
) -> None:
    only(monkeypatch)
    site.install("acme_bad", source, bad="acme_bad:DRIVER")
    site.install("acme_ok", DRIVER_SOURCE.format(name="good", score=3), good="acme_ok:DRIVER")

    best = registry.best_match(PORT)

    assert best is not None
    assert (best[0].name, best[1]) == ("good", 3)
    [reported] = registry.problems()
    assert (reported.name, reported.reference) == ("bad", "acme_bad:DRIVER")
    assert problem in reported.problem
    with pytest.raises(registry.DriverLoadError, match="acme_bad:DRIVER"):
        registry.driver("bad")


def test_a_plugin_whose_match_raises_is_reported_and_skipped(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch)
    source = DRIVER_SOURCE.format(name="acme", score="port.no_such_field")
    site.install("acme_raises", source, acme="acme_raises:DRIVER")

    assert registry.best_match(PORT) is None
    assert "no_such_field" in registry.problems()[0].problem


def test_the_surest_driver_wins_and_zero_means_no(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch)
    source = "1 if port.vid == 0x1209 else 0"
    site.install("acme_e", DRIVER_SOURCE.format(name="vague", score=source), vague="acme_e:DRIVER")
    source = "5 if port.pid == 7 else 0"
    site.install("acme_f", DRIVER_SOURCE.format(name="sure", score=source), sure="acme_f:DRIVER")

    def chosen(port: PortInfo) -> tuple[str, int] | None:
        best = registry.best_match(port)
        return best and (best[0].name, best[1])

    assert chosen(PORT) == ("vague", 1)
    assert chosen(PortInfo(vid=0x1209, pid=7)) == ("sure", 5)
    assert chosen(PortInfo(vid=1, pid=1)) is None


def test_an_unknown_name_is_answered_with_the_nearest_first(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, cpu="a:A", bm1370="b:B", bm1397="c:C", icarus="d:D")

    with pytest.raises(UnknownDriverError) as caught:
        registry.driver("BM1307")

    assert caught.value.known[0] == "bm1370"
    assert set(caught.value.known) == {"cpu", "bm1370", "bm1397", "icarus"}


def test_a_built_in_is_found_without_importing_the_package_metadata() -> None:
    program = (
        "import sys; from drivers import registry; registry.BUILT_IN['x'] = 'stand_in:DRIVER';"
        "import types; m = sys.modules['stand_in'] = types.ModuleType('stand_in');"
        "m.DRIVER = types.SimpleNamespace(name='x', match=len, open=len);"
        "assert registry.driver('x') is m.DRIVER;"
        "print([m for m in sys.modules if m.startswith(('importlib.metadata', 'asyncio'))])"
    )

    shown = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert shown.stdout.strip() == "[]"


def test_an_emulated_device_is_named_after_its_driver() -> None:
    assert registry.driver("emulated:bm1370").name == "emulated:bm1370"
    with pytest.raises(UnknownDriverError):
        registry.driver("emulated:cpu")
    with pytest.raises(UnknownDriverError):
        registry.driver("emulated:bm1371")


def test_every_chip_and_board_is_built_in() -> None:
    from drivers.bm13xx.driver import DRIVERS  # noqa: PLC0415 - the registry must not need it
    from drivers.icarus.driver import DRIVERS as ICARUS  # noqa: PLC0415 - likewise

    assert set(registry.names()) == {"cpu", *DRIVERS, *ICARUS}


def test_a_family_that_cannot_be_loaded_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    families = ("no_such_family:DRIVERS", *registry.FAMILIES)
    monkeypatch.setattr(registry, "FAMILIES", families)

    assert registry.driver("bm1370").name == "bm1370"
    assert [problem.reference for problem in registry.problems()] == ["no_such_family:DRIVERS"]


def test_a_board_without_an_emulation_is_told_apart() -> None:
    piaxe = registry.driver("piaxe")

    assert registry.emulation_of(piaxe) is None
    with pytest.raises(UnknownDriverError) as caught:
        registry.driver("emulated:piaxe")
    assert "emulated:bitaxe-gamma" in caught.value.known
    assert "emulated:piaxe" not in caught.value.known
