"""How each fault is played on a session."""

from dataclasses import replace
from typing import TYPE_CHECKING

from stratum_client.emulated_pool.bad_jobs import ODD, WRONG, template_for
from stratum_client.emulated_pool.faults import (
    Action,
    AlterReply,
    Ask,
    BadJob,
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
from stratum_client.emulated_pool.junk import junk, odd_difficulty

if TYPE_CHECKING:
    from stratum_client.emulated_pool.session import PoolSession
    from stratum_client.emulated_pool.state import PoolState

STREAM_CHUNK = 1 << 16


def perform(session: "PoolSession", state: "PoolState", action: Action) -> None:
    """Play ``action`` now; altered replies are not played but awaited, see mischief.py."""
    match action:
        case Silence() | HalfLine() | Pace() | LineEnds() | GiantLine():
            _change_the_wire(session, action)
        case BadJob() | RepeatJob() | NewWork() | Unpadded() | EarlyNotify():
            _give_a_job(session, state, action)
        case SwingDifficulty() | RejectStorm() | ChangeExtranonce() | ChangeMask():
            _change_the_terms(session, action)
        case Junk() | OddDifficulty() | Ask() | Flood() | Redirect():
            _say(session, state, action)
        case Drop(reset=reset):
            session.close("closed by a fault", reset=reset)
        case NewBlock(dirty=dirty):
            state.block_wanted(False if dirty else None)
        case Restart():
            state.restart_wanted()
        case AlterReply():
            raise ValueError("replies are altered when they are sent")


def _change_the_wire(
    session: "PoolSession", action: Silence | HalfLine | Pace | LineEnds | GiantLine
) -> None:
    outbox = session.outbox
    match action:
        case Silence(hang=hang):
            outbox.silence(hang=hang)
        case HalfLine():
            outbox.cut_next_line()
        case Pace(size=size, gap=gap):
            outbox.pace(size, gap)
        case LineEnds(blank=blank):
            outbox.end_lines_with(b"\r\n", before=b"\r\n\n" if blank else b"")
        case GiantLine(size=size):
            start = b'{"id":null,"method":"client.show_message","params":["'
            outbox.raw(start)
            outbox.stream(b"x" * STREAM_CHUNK, -(-size // STREAM_CHUNK))


def _give_a_job(
    session: "PoolSession",
    state: "PoolState",
    action: BadJob | RepeatJob | NewWork | Unpadded | EarlyNotify,
) -> None:
    match action:
        case BadJob(kind=kind, clean=clean):
            _bad_job(session, state, kind, clean=clean)
        case RepeatJob(changed=changed):
            _repeat_job(session, state, changed=changed)
        case NewWork(clean=clean):
            session.notify(state.chain.private(), clean=clean)
        case Unpadded():
            session.unpadded = True
        case EarlyNotify(method=method):
            session.early_notify.add(method)


def _bad_job(session: "PoolSession", state: "PoolState", kind: str, *, clean: bool) -> None:
    template = template_for(kind, state.chain.private(), state.random.randrange(1_000_000))
    clean = clean or kind == "clean-int"
    if kind in ODD:
        job = session.desk.issue(template, clean=clean, now=state.agenda.now)
        session.tell("mining.notify", ODD[kind](job.params(unpadded=kind == "version-short")))
    else:
        job = session.desk.draft(template, clean=clean, now=state.agenda.now)
        session.tell("mining.notify", WRONG[kind](job.params()))


def _repeat_job(session: "PoolSession", state: "PoolState", *, changed: bool) -> None:
    newest = session.desk.newest
    if newest is None:
        return
    if changed:
        template = replace(state.chain.private(), job_id=newest.template.job_id)
        session.notify(template, clean=False)
    else:
        session.tell("mining.notify", newest.params(unpadded=session.unpadded))


def _change_the_terms(
    session: "PoolSession",
    action: SwingDifficulty | RejectStorm | ChangeExtranonce | ChangeMask,
) -> None:
    match action:
        case SwingDifficulty(factor=factor):
            session.swing_difficulty(factor)
        case RejectStorm(shares=shares):
            session.intake.storm = shares
        case ChangeExtranonce(size=size, extranonce2_size=extranonce2_size):
            session.change_extranonce(size=size, extranonce2_size=extranonce2_size)
        case ChangeMask(mask=mask):
            session.change_mask(mask)


def _say(
    session: "PoolSession",
    state: "PoolState",
    action: Junk | OddDifficulty | Ask | Flood | Redirect,
) -> None:
    match action:
        case Junk(kind=kind):
            session.outbox.raw(junk(kind, state.random))
        case OddDifficulty(kind=kind):
            session.outbox.raw(odd_difficulty(kind, session.desk.difficulty))
        case Ask(method=method, params=params, id=identifier):
            chosen = session.latest_id if identifier == "client" else identifier
            session.ask(method, list(params), chosen)
        case Flood(count=count):
            for number in range(count):
                session.tell("client.show_message", [f"message {number}"])
        case Redirect(host=host, port=port, wait=wait):
            session.tell("client.reconnect", [] if host is None else [host, port, wait])
