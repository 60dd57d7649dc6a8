"""The block at the foot of the terminal, as a terminal shows it."""

import asyncio
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.live_view import REFRESH, LiveView
from tests.terminal_screen import Screen
from tests.virtual_time import VirtualTimeLoop

HEIGHT = 10
WORDS = st.text(alphabet="abc def", max_size=70)


class Terminal(io.StringIO):
    """A stream that a screen shows."""

    def screen(self, width: int) -> list[str]:
        screen = Screen(width)
        screen.feed(self.getvalue())
        return [row.rstrip() for row in screen.rows if row.strip()]


@pytest.fixture(autouse=True)
def _size_of_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", str(HEIGHT))


def played(terminal: Terminal, steps: list[tuple[str, list[str]]]) -> None:
    """Write log texts, each with the block that then stands below it."""
    block: list[str] = []

    async def play() -> None:
        view = LiveView(terminal.write)
        showing = asyncio.ensure_future(view.run(lambda width: [line[:width] for line in block]))
        await asyncio.sleep(0)
        for text, lines in steps:
            block[:] = lines
            view.write(f"{text}\n")
        showing.cancel()
        await asyncio.wait([showing])

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(play())


def test_log_lines_scroll_above_a_block_that_is_redrawn() -> None:
    terminal = Terminal()

    played(terminal, [(f"log {n}", [f"drawn {n} times", "for ever"]) for n in range(5)])

    assert terminal.screen(40) == [*(f"log {n}" for n in range(5)), "drawn 4 times", "for ever"]


@given(st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=14)), min_size=1, max_size=8))
def test_whatever_is_shown_only_the_last_block_stays(steps: list[tuple[str, list[str]]]) -> None:
    terminal = Terminal()

    played(terminal, [(f"log {text}", [f"#{line}" for line in lines]) for text, lines in steps])

    shown = terminal.screen(10_000)
    assert [row for row in shown if row.startswith("log")] == [
        f"log {text}".rstrip() for text, _ in steps
    ]
    last = [f"#{line}"[:40].rstrip() for line in steps[-1][1]]
    left_out = [row for row in shown if row.endswith(" more)")]
    if len(last) < HEIGHT:
        assert left_out == []
    else:
        assert left_out == [f"({len(last) - HEIGHT + 2} more)"]
        last = last[: HEIGHT - 2]
    assert [row for row in shown if row.startswith("#")] == last


@pytest.mark.virtual_time
async def test_it_is_redrawn_by_time_and_the_last_picture_stays() -> None:
    terminal, loop = Terminal(), asyncio.get_running_loop()
    times: list[float] = []

    def lines(width: int) -> list[str]:
        times.append(loop.time())
        return [f"at {loop.time():.1f}"]

    async with asyncio.TaskGroup() as group:
        showing = group.create_task(LiveView(terminal.write).run(lines))
        await asyncio.sleep(10.0)
        showing.cancel()

    assert len(times) == pytest.approx(10 / REFRESH, abs=2)
    assert terminal.screen(40) == ["at 10.0"]
