"""The kernels built for other CPUs and without vectors, run on searches that hashlib has solved.

The ARM build runs under qemu's user mode: `sudo apt install gcc-aarch64-linux-gnu qemu-user`.
"""

import os
import random
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.header import midstate
from tests.hashing import oracle

SOURCES = Path(__file__).parent.parent.parent / "drivers" / "hashing"
PROGRAM = Path(__file__).parent / "search_program.c"


@dataclass(frozen=True, slots=True)
class Build:
    """How to build the program, and what runs it."""

    compiler: str
    flags: tuple[str, ...] = ()
    emulator: tuple[str, ...] = ()


ARM = Build("aarch64-linux-gnu-gcc", ("-static",), ("qemu-aarch64",))
ARM_SCALAR = Build(ARM.compiler, ("-static", "-U__ARM_NEON"), ARM.emulator)
SCALAR = Build("gcc", ("-U__SSE2__",))
CLANG = Build("clang")


def program(build: Build, folder: Path, source: Path = PROGRAM) -> list[str]:
    """Compile a program; return how to start it. Skip the test if a tool is missing."""
    for tool in (build.compiler, *build.emulator[:1]):
        if not shutil.which(tool):
            reason = f"{tool} is not installed"
            assert os.environ.get("CI") != "true" or build.compiler == "clang", reason
            pytest.skip(reason)
    kernels = ("sha_ni.c", "avx512.c", "avx2.c", "armv8.c", "portable.c")
    names = ("search.c", "merkle.c", "kernels.c", *kernels)
    target = folder / source.stem
    flags = ("-O1", "-Wall", "-Wextra", "-Werror", *build.flags, "-I", str(SOURCES))
    sources = (source, *(SOURCES / name for name in names))
    command = [build.compiler, *flags, *map(str, sources), "-o", str(target)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [*build.emulator, str(target)]


def output(command: list[str], text: str = "") -> list[str]:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def searches() -> tuple[list[str], list[str]]:
    """Return random searches as the program reads them, and hashlib's answers."""
    chance = random.Random(2009)
    questions, answers = [], []
    for number in range(40):
        heads = [chance.randbytes(64) for _ in range(number % 16 + 1)]
        tail, count = chance.randbytes(12), chance.randrange(70)
        start = (1 << 32) - count if number % 4 == 0 else chance.randrange(1 << 31)
        target = chance.getrandbits(256) >> number % 7
        midstates = " ".join(midstate(head).hex() for head in heads)
        questions.append(
            f"{len(heads):x} {start:x} {count:x} {target:064x} {tail.hex()} {midstates}"
        )
        hits = oracle.hits(heads, tail, target, start, count)
        answers.append(" ".join([f"{count:x}", *(f"{nonce:x}:{head:x}" for nonce, head in hits)]))
    return questions, answers


def in_order(line: str) -> str:
    tried, *hits = line.split()
    numbers = sorted(tuple(int(part, 16) for part in hit.split(":")) for hit in hits)
    return " ".join([tried, *(f"{nonce:x}:{head:x}" for nonce, head in numbers)])


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (ARM, {"armv8", "portable"}),
        (ARM_SCALAR, {"armv8", "portable"}),
        (SCALAR, {"portable"}),
        (CLANG, {"portable"}),
    ],
    ids=["arm", "arm without vectors", "without vectors", "clang"],
)
def test_the_build_finds_what_hashlib_finds(
    build: Build, expected: set[str], tmp_path: Path
) -> None:
    command = program(build, tmp_path)
    questions, answers = searches()

    names = output(command)

    assert expected <= set(names)
    for name in names:
        found = output([*command, name], "\n".join(questions))
        assert [in_order(line) for line in found] == answers, name
