"""Every fault that can be named in a text: what it is called, does, and takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from stratum_client.emulated_pool import bad_jobs
from stratum_client.emulated_pool.faults import (
    Action,
    AlterReply,
    Ask,
    BadJob,
    Change,
    ChangeExtranonce,
    ChangeMask,
    Drop,
    EarlyNotify,
    Flood,
    GiantLine,
    HalfLine,
    Junk,
    LineEnds,
    NewBlock,
    NewWork,
    OddDifficulty,
    Pace,
    Redirect,
    RejectStorm,
    RepeatJob,
    Restart,
    Silence,
    SwingDifficulty,
    Unpadded,
)
from stratum_client.emulated_pool.junk import DIFFICULTIES, JUNK
from stratum_client.emulated_pool.spec_values import one_of, seconds_of, whole

Options = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One name that a fault's text may begin with.

    ``build`` gets the value after the name ("" if none) and the options that are not about the
    moment; it takes out those it knows.
    """

    value: str
    about: str
    build: Callable[[str, Options], Action]


def _no_value(action: Action) -> Callable[[str, Options], Action]:
    def build(value: str, _: Options) -> Action:
        if value:
            raise ValueError(f"takes no value, got {value!r}")
        return action

    return build


def _reply(value: str, options: Options) -> Action:
    change = Change(one_of(tuple(Change), "reply", value))
    return AlterReply(
        change=change,
        method=options.pop("method", "*"),
        seconds=seconds_of(options.pop("seconds", "1s")),
    )


def _refuse_authorize(value: str, _: Options) -> Action:
    changes = {
        "": Change.ERROR_LIST,
        "error": Change.ERROR_LIST,
        "false": Change.RESULT_FALSE,
        "close": Change.CLOSE,
    }
    one_of(changes, "refuse-authorize", value)
    return AlterReply(change=changes[value], method="mining.authorize")


def _early_notify(value: str, _: Options) -> Action:
    name = one_of(("authorize", "subscribe"), "early-notify", value or "authorize")
    return EarlyNotify(method=f"mining.{name}")


def _segments(value: str, options: Options) -> Action:
    size = whole(value or "1")
    if size < 1:
        raise ValueError("a segment has at least one byte")
    return Pace(size=size, gap=seconds_of(options.pop("gap", "0")))


def _together(value: str, _: Options) -> Action:
    return Pace(size=1 << 30, gap=seconds_of(value or "100ms"))


def _job(value: str, options: Options) -> Action:
    kind = one_of(bad_jobs.KINDS, "job", value)
    return BadJob(kind=kind, clean=options.pop("clean", "false") == "true")


def _extranonce(value: str, _: Options) -> Action:
    size, _slash, size2 = value.partition("/")
    new = ChangeExtranonce(
        size=whole(size) if size else None, extranonce2_size=whole(size2) if size2 else None
    )
    if (new.size or 0) > 32 or not 1 <= (new.extranonce2_size or 1) <= 16:
        raise ValueError("extranonce1 has 0 to 32 bytes, extranonce2 1 to 16")
    return new


def _redirect(value: str, options: Options) -> Action:
    if not value:
        return Redirect()
    host, _colon, port = value.rpartition(":")
    return Redirect(host=host.strip("[]"), port=whole(port), wait=whole(options.pop("wait", "0")))


def _swing(value: str, _: Options) -> Action:
    factor = float(value or "16")
    if not 1 < factor <= 65536:
        raise ValueError("the factor must be above 1 and at most 65536")
    return SwingDifficulty(factor=factor)


def _mask(value: str, _: Options) -> Action:
    mask = int(value, 16)
    if not 0 <= mask <= 0xFFFFFFFF:
        raise ValueError("a mask has 32 bits")
    return ChangeMask(mask=mask)


def _ping(value: str, _: Options) -> Action:
    return Ask(method="mining.ping", id=_request_id(value or "client"))


def _ask(value: str, options: Options) -> Action:
    if not value:
        raise ValueError("which method?")
    return Ask(method=value, id=_request_id(options.pop("id", "client")))


def _request_id(text: str) -> int | str | None:
    if text == "none":
        return None
    return "client" if text == "client" else whole(text)


FAULT_KINDS: Mapping[str, FaultKind] = MappingProxyType(
    {
        "reply": FaultKind(
            value="=" + "|".join(Change),
            about="change replies to method=METHOD (default: all); seconds=TIME for delay",
            build=_reply,
        ),
        "refuse-authorize": FaultKind(
            value="[=error|false|close]",
            about="let nobody in",
            build=_refuse_authorize,
        ),
        "early-notify": FaultKind(
            value="[=authorize|subscribe]",
            about="send the first job before the reply to authorize, or even to subscribe",
            build=_early_notify,
        ),
        "silence": FaultKind(
            value="",
            about="write nothing more, with the socket open",
            build=_no_value(Silence()),
        ),
        "hang": FaultKind(
            value="",
            about="neither write nor read any more, with the socket open",
            build=_no_value(Silence(hang=True)),
        ),
        "half-line": FaultKind(
            value="",
            about="write half of the next line, then nothing more",
            build=_no_value(HalfLine()),
        ),
        "segments": FaultKind(
            value="[=BYTES]",
            about="cut everything into segments (default: 1 byte), gap=TIME between them",
            build=_segments,
        ),
        "together": FaultKind(
            value="[=TIME]",
            about="collect lines for so long (default 100ms), write them in one segment",
            build=_together,
        ),
        "crlf": FaultKind(value="", about="end lines with CR LF", build=_no_value(LineEnds())),
        "blank-lines": FaultKind(
            value="",
            about="end lines with CR LF and put blank lines between them",
            build=_no_value(LineEnds(blank=True)),
        ),
        "unpadded": FaultKind(
            value="",
            about="print version and ntime of jobs without zeros on the left",
            build=_no_value(Unpadded()),
        ),
        "send": FaultKind(
            value="=" + "|".join(JUNK),
            about="write something that no pool should",
            build=lambda value, _: Junk(kind=one_of(JUNK, "send", value)),
        ),
        "giant-line": FaultKind(
            value="[=BYTES]",
            about="write so many bytes (default 1 GiB) without a line end",
            build=lambda value, _: GiantLine(size=whole(value or str(1 << 30))),
        ),
        "job": FaultKind(
            value="=" + "|".join(bad_jobs.KINDS),
            about="send one job that is wrong or odd in this way; clean=true",
            build=_job,
        ),
        "repeat-job": FaultKind(
            value="",
            about="send the newest job once more",
            build=_no_value(RepeatJob()),
        ),
        "reuse-job-id": FaultKind(
            value="",
            about="send another job under the id of the newest",
            build=_no_value(RepeatJob(changed=True)),
        ),
        "difficulty": FaultKind(
            value="=" + "|".join(DIFFICULTIES),
            about="send a difficulty that means nothing",
            build=lambda value, _: OddDifficulty(kind=one_of(DIFFICULTIES, "difficulty", value)),
        ),
        "swing": FaultKind(
            value="[=FACTOR]",
            about="multiply the difficulty (default by 16), divide it the next time",
            build=_swing,
        ),
        "close": FaultKind(value="", about="end the connection with FIN", build=_no_value(Drop())),
        "reset": FaultKind(
            value="", about="end the connection with RST", build=_no_value(Drop(reset=True))
        ),
        "restart": FaultKind(
            value="",
            about="restart the pool: all sessions end, job ids begin again",
            build=_no_value(Restart()),
        ),
        "redirect": FaultKind(
            value="[=HOST:PORT]",
            about="send client.reconnect, with wait=SECONDS",
            build=_redirect,
        ),
        "storm": FaultKind(
            value="[=SHARES]",
            about="refuse so many shares (default: all), good or bad",
            build=lambda value, _: RejectStorm(shares=whole(value) if value else None),
        ),
        "extranonce": FaultKind(
            value="[=SIZE1[/SIZE2]]",
            about="change the extranonces, and with them their sizes in bytes",
            build=_extranonce,
        ),
        "mask": FaultKind(value="=HEX", about="send mining.set_version_mask", build=_mask),
        "block": FaultKind(
            value="", about="let somebody find a block", build=_no_value(NewBlock())
        ),
        "dirty-block": FaultKind(
            value="",
            about="let somebody find a block, announced with clean_jobs false",
            build=_no_value(NewBlock(dirty=True)),
        ),
        "work": FaultKind(value="", about="give the client new work", build=_no_value(NewWork())),
        "clean-work": FaultKind(
            value="",
            about="give the client new work with clean_jobs true",
            build=_no_value(NewWork(clean=True)),
        ),
        "ping": FaultKind(
            value="[=client|ID]",
            about="send mining.ping; its id is the client's own latest one, or this number",
            build=_ping,
        ),
        "ask": FaultKind(
            value="=METHOD",
            about="send any request, with id=client|none|NUMBER (default: client)",
            build=_ask,
        ),
        "message": FaultKind(
            value="=TEXT",
            about="send client.show_message",
            build=lambda value, _: Ask(method="client.show_message", params=(value,), id=None),
        ),
        "version": FaultKind(
            value="",
            about="send client.get_version",
            build=_no_value(Ask(method="client.get_version")),
        ),
        "flood": FaultKind(
            value="[=COUNT]",
            about="send so many messages at once (default 1000)",
            build=lambda value, _: Flood(count=whole(value or "1000")),
        ),
    }
)
"""Every fault by name."""
