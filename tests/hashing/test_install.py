"""Without a working compiler the package still installs, and hashlib does the work."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PROBE = "from drivers.hashing import kernels; print(*[k.name for k in kernels.available()])"


def python(*arguments: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copy_of_the_sources(folder: Path) -> Path:
    """Copy what the build reads, so that it leaves nothing in the checkout."""
    for pattern in ("pyproject.toml", "MANIFEST.in", "LICENSE", "README.md"):
        for path in ROOT.glob(pattern):
            (folder / path.name).write_bytes(path.read_bytes())
    (folder / "README.md").touch()
    for package in ("drivers", "stratum_client"):
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and path.suffix not in {".so", ".pyc"}:
                copy = folder / path.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
    return folder


@pytest.mark.parametrize("compiler", ["false", "/nowhere/cc", "cc without Python.h"])
def test_a_wheel_without_a_compiler_holds_an_importable_package(
    compiler: str, tmp_path: Path
) -> None:
    pytest.importorskip("setuptools", minversion="77", reason="the build back end is missing")
    sources = copy_of_the_sources(tmp_path)
    environment = {"CC": compiler, "CXX": compiler, "LDSHARED": compiler}
    if "without" in compiler:
        (tmp_path / "Python.h").write_text("#error no Python.h")
        environment = {"CFLAGS": f"-I{tmp_path}"}
    options = ("--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-q")

    python("-m", "pip", "wheel", ".", *options, "-w", "dist", folder=sources, **environment)

    [wheel] = (sources / "dist").glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".so")]
        archive.extractall(site)
    used = python("-c", PROBE, folder=site, PYTHONPATH=str(site))
    assert used.split() == ["hashlib"]
