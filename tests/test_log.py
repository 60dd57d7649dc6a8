import contextlib
import io
import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import structlog

from stratum_client.config import LogConfig
from stratum_client.log import configure_logging

NOW = 1_795_437_764.0


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def lines_of(config: LogConfig, secrets: tuple[str, ...] = ()) -> list[str]:
    """Configure logging and return the list to which each event is added."""
    lines: list[str] = []
    configure_logging(config, write=lines.append, secrets=secrets, wall=lambda: NOW)
    return lines


def names_in(lines: list[str]) -> list[str]:
    return [json.loads(line)["event"] for line in lines]


def test_an_event_carries_time_level_component_and_fields() -> None:
    lines = lines_of(LogConfig(format="json"))

    structlog.get_logger().bind(component="pool", pool="main").warning("pool.lost", retry=3)

    assert [json.loads(line) for line in lines] == [
        {
            "time": "2026-11-23T12:42:44.000Z",
            "level": "warning",
            "component": "pool",
            "event": "pool.lost",
            "pool": "main",
            "retry": 3,
        }
    ]


def test_the_name_of_a_logger_is_its_component() -> None:
    lines = lines_of(LogConfig(format="json", level="error", levels={"named": "info"}))

    structlog.get_logger("named").info("a")
    structlog.get_logger("other").info("b")

    assert [json.loads(line)["component"] for line in lines] == ["named"]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["d", "i", "w", "e"]),
        ("info", ["i", "w", "e"]),
        ("warning", ["w", "e"]),
        ("error", ["e"]),
    ],
)
def test_a_level_leaves_out_what_is_below(level: str, expected: list[str]) -> None:
    lines = lines_of(LogConfig(format="json", level=level))  # type: ignore[arg-type]  # from a list
    log = structlog.get_logger().bind(component="c")

    log.debug("d")
    log.info("i")
    log.warning("w")
    log.error("e")

    assert names_in(lines) == expected


def test_a_component_has_its_own_level_however_its_logger_was_made() -> None:
    lines = lines_of(LogConfig(format="json", levels={"pool": "debug", "cpu": "error"}))

    structlog.get_logger(component="pool").debug("1")
    structlog.get_logger().bind(component="pool").debug("2")
    structlog.get_logger().bind(pool="main").bind(component="pool").bind(x=1).debug("3")
    structlog.get_logger().bind(component="cpu").warning("no")
    structlog.get_logger().bind(component="pool").bind(component="cpu").warning("no")
    structlog.get_logger().bind(component="else").debug("no")
    structlog.get_logger().debug("no")
    structlog.get_logger().info("4")

    assert names_in(lines) == ["1", "2", "3", "4"]


def test_what_is_below_the_level_is_not_even_looked_at() -> None:
    class Loud:
        def __str__(self) -> str:
            raise AssertionError

    lines_of(LogConfig(levels={"pool": "debug"}))

    structlog.get_logger().bind(component="cpu").debug("nonce", value=Loud())


def test_secrets_appear_nowhere() -> None:
    lines = lines_of(LogConfig(level="debug"), secrets=("hunter2!",))
    log = structlog.get_logger().bind(component="pool", user="hunter2!")

    log.debug("line.sent", data=b'["bob", "hunter2!"]', password="short")
    try:
        int("hunter2!")
    except ValueError:
        log.error("hunter2!", exc_info=True)
    logging.getLogger("hunter2!").error("%s", "hunter2!")

    shown = "".join(lines)
    assert len(lines) == 3
    assert "hunter2" not in shown
    assert "short" not in shown


def test_a_traceback_comes_with_its_event_in_one_piece() -> None:
    lines = lines_of(LogConfig())
    log = structlog.get_logger().bind(component="cpu")

    try:
        int("the reason")
    except ValueError as error:
        log.error("device.crashed", exc_info=True)
        caught = error
    log.error("device.crashed", exc_info=caught)
    log.error("device.crashed", exc_info=None)

    assert ["ValueError: invalid" in line for line in lines] == [True, True, False]
    assert ["'the reason'\n" in line for line in lines] == [True, True, False]


@pytest.mark.parametrize(
    ("environ", "stream", "coloured"),
    [
        ({}, Terminal(), True),
        ({"NO_COLOR": "1"}, Terminal(), False),
        ({"NO_COLOR": ""}, Terminal(), True),
        ({"TERM": "dumb"}, Terminal(), False),
        ({}, io.StringIO(), False),
    ],
)
def test_colours_are_for_terminals_that_want_them(
    environ: Mapping[str, str], stream: io.StringIO, coloured: bool
) -> None:
    configure_logging(LogConfig(), stream=stream, environ=environ)

    structlog.get_logger().info("hello")

    assert ("\x1b[" in stream.getvalue()) is coloured
    assert "hello" in stream.getvalue()


def test_json_has_no_colours_in_a_terminal_either() -> None:
    stream = Terminal()
    configure_logging(LogConfig(format="json"), stream=stream, environ={})

    structlog.get_logger().info("hello")

    assert json.loads(stream.getvalue())["event"] == "hello"


def test_under_systemd_lines_carry_priorities(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w+", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}

        configure_logging(LogConfig(), stream=stream, environ=environ)
        structlog.get_logger("pool").warning("pool.lost", retry=3)
        configure_logging(LogConfig(format="console"), stream=stream, environ=environ)
        structlog.get_logger("pool").warning("pool.lost", retry=3)

        first, second = (tmp_path / "journal").read_text().splitlines()
    assert first == "<4>pool: pool.lost retry=3"
    assert second.endswith("Z warning pool     pool.lost retry=3")


def test_a_stream_without_unicode_gets_escapes() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    configure_logging(LogConfig(), stream=stream)

    structlog.get_logger().info("hello", text="\u00e4\u6f22")

    assert b"text=\\xe4\\u6f22\n" in raw.getvalue()


def test_a_log_that_cannot_be_written_is_lost_and_nothing_else() -> None:
    def broken(text: str) -> None:
        raise BrokenPipeError(text)

    with io.StringIO() as closed:
        configure_logging(LogConfig(), stream=closed)
    structlog.get_logger().info("lost")
    configure_logging(LogConfig(), write=broken)
    structlog.get_logger().info("lost")
    reached = False
    with contextlib.suppress(OSError), Path("/dev/full").open("w", encoding="utf-8") as full:
        configure_logging(LogConfig(), stream=full)
        structlog.get_logger().info("lost")
        reached = True
    assert reached


def test_libraries_that_log_the_standard_way_are_passed_on() -> None:
    lines = lines_of(LogConfig(format="json", levels={"asyncio": "error"}))
    del logging.getLogger().handlers[:-1]  # those of pytest, which insist on right arguments

    logging.getLogger("acme.core").warning("cannot %s", "open")
    logging.getLogger("acme").debug("no")
    logging.getLogger("asyncio").warning("no")
    logging.getLogger("asyncio").critical("task died", exc_info=ValueError("why"))
    logging.getLogger("acme").info("%d", "not a number")

    first, second, third = (json.loads(line) for line in lines)
    assert (first["component"], first["level"]) == ("acme", "warning")
    assert (first["event"], first["text"]) == ("library.message", "cannot open")
    assert (second["component"], second["level"]) == ("asyncio", "error")
    assert "ValueError: why" in second["exception"]
    assert third["text"] == "%d"


def test_configuring_again_replaces_what_was() -> None:
    before = lines_of(LogConfig(format="json", level="debug"))
    after = lines_of(LogConfig(format="json", level="error"))

    structlog.get_logger("a").error("new")
    structlog.get_logger("a").debug("no")
    logging.getLogger("acme").error("once")

    assert before == []
    assert names_in(after) == ["new", "library.message"]


def test_levels_change_for_loggers_that_are_bound_already() -> None:
    lines: list[str] = []
    logging_now = configure_logging(LogConfig(format="json"), write=lines.append)
    log = structlog.get_logger().bind(component="pool")
    log.debug("before")

    logging_now.change(LogConfig(format="json", levels={"pool": "debug"}), secrets=())
    log.debug("during")
    structlog.get_logger().bind(component="device").debug("elsewhere")
    logging_now.change(LogConfig(format="json", level="error"), secrets=())
    log.warning("after")
    log.error("still")

    assert names_in(lines) == ["during", "still"]


def test_a_secret_stays_one_when_another_takes_its_place() -> None:
    lines: list[str] = []
    logging_now = configure_logging(LogConfig(), write=lines.append, secrets=("geheim-one",))
    log = structlog.get_logger().bind(component="pool")

    logging_now.change(LogConfig(), secrets=("geheim-two",))
    logging_now.keep_secret("geheim-three")
    logging_now.keep_secret("x")
    log.warning("told", text="geheim-one geheim-two geheim-three x-ray")

    assert "geheim" not in lines[0]
    assert "x-ray" in lines[0]
