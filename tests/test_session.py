"""The client side of a Stratum conversation: what pools send, and what we make of it."""

import itertools
import json
import math
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.header import target_of
from stratum_client.errors import (
    AuthorizationError,
    HandshakeTimeoutError,
    PoolProtocolError,
    PoolRefusedError,
    PoolSilentError,
)
from stratum_client.habits import PoolHabits
from stratum_client.job import Fate, Job, SessionId, Share
from stratum_client.replies import Refusal
from stratum_client.requests import MAX_PENDING, MAX_PENDING_BLOCKS
from stratum_client.session import MAX_LINE, Session
from stratum_client.session_events import (
    Authorized,
    Configured,
    Event,
    Failed,
    JobRefused,
    NewJob,
    Oddity,
    PoolMessage,
    RedirectAsked,
    ShareAnswered,
    Subscribed,
)
from stratum_client.session_options import SessionOptions
from stratum_client.session_shares import Submission
from tests.vectors.load import named, stratum

Vector = dict[str, Any]
NOTIFY: list[Any] = stratum("notify_validation")[0]["params"]
E = TypeVar("E")
CONFIGURE, SUBSCRIBE, AUTHORIZE = 1, 2, 3


class Talk:
    """A session and the pool's side of it, in plain calls."""

    def __init__(self, *, number: int = 1, **options: Any) -> None:
        self.now = 1000.0
        self.habits = PoolHabits()
        self.session = Session(
            SessionId(pool="pool", number=number),
            SessionOptions(user="user.rig", **options),
            self.habits,
            itertools.count(1),
            self.now,
        )
        self.session.start(self.now)
        self.events: list[Event] = []

    def pool_sends(self, *messages: dict[str, Any]) -> list[Event]:
        data = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
        events = self.session.receive_data(data, self.now)
        self.events += events
        return events

    def sent(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.session.data_to_send().splitlines()]

    def opened(
        self, *, extranonce1: str = "4128064f", size: int = 4, mask: str | None = None
    ) -> "Talk":
        """Let the pool grant everything."""
        if mask is not None:
            self.grants_mask(mask)
        self.subscribes(extranonce1, size)
        self.pool_sends({"id": AUTHORIZE, "result": True, "error": None})
        self.sent()
        return self

    def grants_mask(self, mask: str) -> None:
        result = {"version-rolling": True, "version-rolling.mask": mask}
        self.pool_sends({"id": CONFIGURE, "result": result, "error": None})

    def subscribes(self, extranonce1: str = "4128064f", size: int = 4) -> None:
        result = [[["mining.notify", "sid"]], extranonce1, size]
        self.pool_sends({"id": SUBSCRIBE, "result": result, "error": None})

    def notifies(self, job_id: Any = "a", *, clean: bool = True, **changes: Any) -> list[Event]:
        params = [job_id, *NOTIFY[1:8], clean]
        for index, value in changes.items():
            params[int(index[1:])] = value
        return self.pool_sends({"id": None, "method": "mining.notify", "params": params})

    @property
    def jobs(self) -> list[Job]:
        return [event.job for event in self.events if isinstance(event, NewJob)]

    def share(self, job: Job | None = None, **changes: Any) -> Share:
        job = job or self.jobs[-1]
        fields: dict[str, Any] = {
            "job": job,
            "extranonce2": bytes(job.extranonce2_size),
            "ntime": job.ntime,
            "nonce": 1,
            "version": job.version,
            "value": job.target,
            "device": "cpu",
            "found_at": self.now,
        }
        return Share(**fields | changes)

    def submits(self, share: Share | None = None) -> int:
        """Submit a share and return the id it went out with."""
        assert self.session.submit(share or self.share(), self.now) is Submission.SENT
        return int(self.sent()[-1]["id"])

    def answers(self, number: int, error: Any = None, **more: Any) -> list[Event]:
        return self.pool_sends({"id": number, "result": error is None, "error": error, **more})


def one(events: list[Event], kind: type[E]) -> E:
    [found] = [event for event in events if isinstance(event, kind)]
    return found


def test_the_opening_is_pipelined_in_the_order_that_works_everywhere() -> None:
    sent = Talk(password='p"w').sent()

    assert [line["method"] for line in sent] == [
        "mining.configure",
        "mining.subscribe",
        "mining.authorize",
    ]
    assert [line["id"] for line in sent] == [1, 2, 3]
    assert sent[0]["params"][0][0] == "version-rolling"
    assert sent[0]["params"][1]["version-rolling.mask"] == "1fffe000"
    assert sent[2]["params"] == ["user.rig", 'p"w']


def test_all_four_extensions_are_asked_for_when_wished() -> None:
    [configure, *_] = Talk(minimum_difficulty=512.0, subscribe_extranonce=True).sent()

    names, values = configure["params"]
    assert names == ["version-rolling", "minimum-difficulty", "subscribe-extranonce", "info"]
    assert values["minimum-difficulty.value"] == 512
    assert isinstance(values["minimum-difficulty.value"], int)


def test_without_pipelining_each_request_waits_for_the_answer_before() -> None:
    talk = Talk(pipeline=False)

    assert [line["method"] for line in talk.sent()] == ["mining.configure"]
    talk.grants_mask("1fffe000")
    assert [line["method"] for line in talk.sent()] == ["mining.subscribe"]
    talk.subscribes()
    assert [line["method"] for line in talk.sent()] == ["mining.authorize"]


def test_the_old_session_id_is_offered_again() -> None:
    sent = Talk(resume_id="old").sent()

    assert sent[1]["params"] == ["stratum-client/0.1.0", "old"]


def test_events_tell_how_far_the_opening_has_come() -> None:
    talk = Talk().opened(mask="1fffe000")

    assert [type(event) for event in talk.events] == [Configured, Subscribed, Authorized]
    assert talk.session.authorized


@pytest.mark.parametrize(
    "reply",
    [
        {"result": False, "error": None},
        {"result": None, "error": [20, "Authorization validation error", ""]},
        {"result": False, "error": "Failed subscription"},
        {"result": None, "error": None},
    ],
)
def test_a_refused_login_ends_the_session_and_names_the_user(reply: dict[str, Any]) -> None:
    talk = Talk(password="secret")
    talk.subscribes()

    failed = one(talk.pool_sends({"id": AUTHORIZE, **reply}), Failed)

    assert isinstance(failed.error, AuthorizationError)
    assert "user.rig" in str(failed.error)
    assert "secret" not in str(failed.error)


def test_a_job_before_the_subscribe_reply_is_kept_until_it_comes() -> None:
    talk = Talk()

    assert not talk.notifies("early")
    talk.subscribes("08000002", 4)

    assert [(job.job_id, job.extranonce1.hex()) for job in talk.jobs] == [("early", "08000002")]


def test_a_job_before_the_authorize_reply_is_mined_but_its_shares_wait() -> None:
    talk = Talk()
    talk.subscribes()
    talk.notifies()

    assert talk.session.submit(talk.share(), talk.now) is Submission.WAIT
    talk.pool_sends({"id": AUTHORIZE, "result": True, "error": None})
    assert talk.session.submit(talk.share(), talk.now) is Submission.SENT


# --- what is in force ---


def played(messages: list[dict[str, Any]]) -> Talk:
    """Play a sequence of the vectors; jobs need a subscription first."""
    asked = next((int(m["configure"], 16) for m in messages if "configure" in m), 0x1FFFE000)
    talk = Talk(version_mask=asked)
    size = 4
    if not any("subscribe" in message for message in messages):
        talk.subscribes("08000002")
    for message in messages:
        if "subscribe" in message:
            talk.subscribes(*message["subscribe"])
        elif "configure" in message:
            talk.grants_mask(message["configure"])
        elif message["method"] == "mining.notify":
            job_id, *_, clean = message["params"]
            talk.notifies(job_id, clean=clean, _2=coinbase1(4, size))
        else:
            if message["method"] == "mining.set_extranonce":
                size = message["params"][1]
            talk.pool_sends({"id": None, **message})
    return talk


def coinbase1(extranonce1_size: int, extranonce2_size: int) -> str:
    """Return the captured coinb1 with a script length that covers these extranonces.

    Some vectors change the extranonces but not the length, so that the coinbase is invalid.
    """
    length = 15 + extranonce1_size + extranonce2_size
    return str(NOTIFY[2]).replace("ffffffff17", f"ffffffff{length:02x}")


@pytest.mark.parametrize("vector", stratum("seq_difficulty"), ids=named)
def test_a_job_has_the_difficulty_in_force_when_it_arrived(vector: Vector) -> None:
    talk = played(vector["messages"])

    assert {job.job_id: job.difficulty for job in talk.jobs} == vector["job_difficulty"]
    for job in talk.jobs:
        assert job.target == target_of(job.difficulty)


@pytest.mark.parametrize("vector", stratum("seq_state"), ids=named)
def test_a_job_has_the_extranonce_in_force_when_it_arrived(vector: Vector) -> None:
    talk = played(vector["messages"])

    seen = {job.job_id: [job.extranonce1.hex(), job.extranonce2_size] for job in talk.jobs}
    assert seen == vector["jobs"]
    assert len(talk.jobs) == len(vector["jobs"]), "a duplicate is no new job"


@pytest.mark.parametrize("vector", stratum("seq_version_mask"), ids=named)
def test_a_version_mask_holds_at_once(vector: Vector) -> None:
    talk = played(vector["messages"])
    if not talk.jobs:
        talk.notifies("probe")

    asked = next((m["configure"] for m in vector["messages"] if "configure" in m), "0")
    assert talk.jobs[-1].version_mask == int(vector["mask_after"], 16) & int(asked, 16)


@pytest.mark.parametrize(
    "value",
    [0, -1, "x", None, True, [], {}, "nan", "inf", 1e39, 1e-12, math.nan, math.inf, -math.inf],
)
def test_a_difficulty_that_is_none_changes_nothing(value: Any) -> None:
    talk = Talk().opened()
    talk.pool_sends({"id": None, "method": "mining.set_difficulty", "params": [8]})

    events = talk.pool_sends({"id": None, "method": "mining.set_difficulty", "params": [value]})
    talk.notifies()

    assert isinstance(events[0], Oddity)
    assert talk.jobs[-1].difficulty == 8


def test_the_first_difficulty_also_holds_for_a_job_before_it() -> None:
    talk = Talk().opened()
    talk.notifies("a")

    talk.pool_sends({"id": None, "method": "mining.set_difficulty", "params": [0.001]})

    assert [job.difficulty for job in talk.jobs] == [1, 0.001]
    assert not talk.jobs[-1].clean


def test_a_share_at_the_guessed_difficulty_must_meet_the_first_one_that_was_set() -> None:
    talk = Talk().opened()
    talk.notifies()
    guessed = talk.jobs[-1]
    talk.pool_sends({"id": None, "method": "mining.set_difficulty", "params": [512]})

    assert not talk.session.allows(talk.share(guessed))
    assert talk.session.allows(talk.share(guessed, value=target_of(512)))
    assert talk.session.allows(talk.share(talk.jobs[-1]))


def test_a_raised_difficulty_leaves_jobs_in_flight_alone() -> None:
    talk = Talk().opened()
    talk.pool_sends({"id": None, "method": "mining.set_difficulty", "params": [1]})
    talk.notifies("a")

    talk.pool_sends({"id": None, "method": "mining.set_difficulty", "params": [1000]})

    assert talk.session.allows(talk.share())
    assert len(talk.jobs) == 1


def test_two_low_difficulty_refusals_after_a_raise_make_it_immediate() -> None:
    talk = Talk().opened()
    talk.pool_sends({"id": None, "method": "mining.set_difficulty", "params": [1]})
    talk.notifies("a")
    talk.pool_sends({"id": None, "method": "mining.set_difficulty", "params": [1000]})

    for nonce in (1, 2):
        number = talk.submits(talk.share(nonce=nonce))
        talk.answers(number, [23, "Low difficulty share", None])

    assert talk.habits.immediate_difficulty
    assert not talk.session.allows(talk.share(talk.jobs[0]))
    talk.pool_sends({"id": None, "method": "mining.set_difficulty", "params": [500]})
    assert talk.jobs[-1].difficulty == 500, "the current job goes on at the new difficulty"
    assert not talk.jobs[-1].clean


def test_a_narrowed_mask_reissues_the_job_and_bars_old_bits() -> None:
    talk = Talk().opened(mask="1fffe000")
    talk.notifies("a")
    rolled = talk.share(version=0x20800000)
    assert talk.submits(rolled)

    talk.pool_sends({"id": None, "method": "mining.set_version_mask", "params": ["00006000"]})

    assert talk.jobs[-1].clean
    assert talk.jobs[-1].version_mask == 0x6000
    assert talk.session.submit(rolled, talk.now) is Submission.FOREIGN


def test_a_configure_reply_after_the_job_widens_the_job() -> None:
    talk = Talk()
    talk.subscribes()
    talk.notifies("a")

    talk.grants_mask("1fffe000")

    assert [job.version_mask for job in talk.jobs] == [0, 0x1FFFE000]
    assert not talk.jobs[-1].clean


@pytest.mark.parametrize(
    "params", [["0g", 4], ["00", 0], ["00", 33], ["0", 4], [5, 4], ["00", "x"]]
)
def test_an_unfit_extranonce_changes_nothing(params: list[Any]) -> None:
    talk = Talk().opened()

    events = talk.pool_sends({"id": None, "method": "mining.set_extranonce", "params": params})
    talk.notifies()

    assert isinstance(events[0], Oddity)
    assert talk.jobs[-1].extranonce1.hex() == "4128064f"


@pytest.mark.parametrize(
    ("params", "expected"),
    [(["beef", 3], ("beef", 3)), ([None, 8], ("4128064f", 8)), (["beef"], ("beef", 4))],
)
def test_an_extranonce_may_change_in_part(params: list[Any], expected: tuple[str, int]) -> None:
    talk = Talk().opened()
    fits = coinbase1(len(expected[0]) // 2, expected[1])

    talk.pool_sends({"id": None, "method": "mining.set_extranonce", "params": params})
    talk.notifies("b", _2=fits)

    assert (talk.jobs[-1].extranonce1.hex(), talk.jobs[-1].extranonce2_size) == expected


# --- jobs ---


def test_a_changed_prevhash_is_clean_whatever_the_flag_says() -> None:
    talk = Talk().opened()
    talk.notifies("a")

    talk.notifies("b", clean=False, _1="00" * 28 + "12345678")

    assert talk.jobs[-1].clean


def test_a_reused_job_id_with_other_contents_is_a_new_job() -> None:
    talk = Talk().opened()
    talk.notifies("a")

    talk.notifies("a", clean=False, _7="685468d8")

    assert [job.ntime for job in talk.jobs] == [0x685468D7, 0x685468D8]


def test_the_same_job_at_another_difficulty_is_issued_again() -> None:
    talk = Talk().opened()
    talk.pool_sends({"id": None, "method": "mining.set_difficulty", "params": [1]})
    talk.notifies("a")
    talk.pool_sends({"id": None, "method": "mining.set_difficulty", "params": [4]})

    talk.notifies("a", clean=False)

    assert [job.difficulty for job in talk.jobs] == [1, 4]


def test_unfit_jobs_are_passed_over_and_three_in_a_row_end_the_session() -> None:
    talk = Talk().opened()
    talk.notifies("good")

    assert isinstance(talk.notifies("bad", _6="00000000")[0], JobRefused)
    assert isinstance(talk.notifies("bad", _6="00000000")[0], JobRefused)
    failed = one(talk.notifies("bad", _6="00000000"), Failed)

    assert isinstance(failed.error, PoolProtocolError)
    assert talk.session.current_job
    assert talk.session.current_job.job_id == "good"


# --- shares ---


def test_a_submit_holds_what_the_pool_needs() -> None:
    talk = Talk().opened(mask="1fffe000")
    talk.notifies(42)
    share = talk.share(extranonce2=bytes.fromhex("17000000"), nonce=0x7552034C, version=0x20B44000)

    assert talk.session.submit(share, talk.now) is Submission.SENT

    [line] = talk.sent()
    assert line["method"] == "mining.submit"
    assert line["params"] == ["user.rig", 42, "17000000", "685468d7", "7552034c", "00b44000"]


@pytest.mark.parametrize(("mask", "count"), [(None, 5), ("00000000", 6), ("1fffe000", 6)])
def test_the_sixth_parameter_goes_with_a_granted_configure(mask: str | None, count: int) -> None:
    talk = Talk().opened(mask=mask)
    talk.notifies()

    talk.session.submit(talk.share(), talk.now)

    assert len(talk.sent()[-1]["params"]) == count


@pytest.mark.parametrize(
    ("reply", "fate", "refusal"),
    [
        ({"result": True, "error": None}, Fate.ACCEPTED, None),
        ({"result": None, "error": [21, "Job not found", ""]}, Fate.STALE, Refusal.STALE),
        ({"result": False, "error": "Stale"}, Fate.STALE, Refusal.STALE),
        ({"result": False, "error": None}, Fate.REJECTED, Refusal.OTHER),
        ({"result": None, "error": None}, Fate.REJECTED, Refusal.OTHER),
        ({"error": {"code": 22, "message": "dup"}}, Fate.REJECTED, Refusal.DUPLICATE),
        (
            {"result": False, "error": None, "reject-reason": "Above target"},
            Fate.REJECTED,
            Refusal.LOW_DIFFICULTY,
        ),
    ],
)
def test_a_reply_decides_the_fate(
    reply: dict[str, Any], fate: Fate, refusal: Refusal | None
) -> None:
    talk = Talk().opened()
    talk.notifies()
    number = talk.submits()
    talk.now += 0.25

    answered = one(talk.pool_sends({"id": number, **reply}), ShareAnswered)

    assert (answered.fate, answered.refusal, answered.seconds) == (fate, refusal, 0.25)


def test_replies_are_matched_by_id_in_any_order() -> None:
    talk = Talk().opened()
    talk.notifies()
    shares = {talk.submits(share): share for share in (talk.share(nonce=n) for n in range(5))}

    for number in reversed(shares):
        assert one(talk.answers(number), ShareAnswered).share is shares[number]
    assert not talk.session.unanswered()


def test_a_ping_with_the_id_of_a_pending_share_answers_nothing() -> None:
    talk = Talk().opened()
    talk.notifies()
    number = talk.submits()

    assert not talk.pool_sends({"id": number, "method": "mining.ping", "params": []})

    assert talk.sent() == [{"id": number, "result": "pong", "error": None}]
    assert len(talk.session.unanswered()) == 1


def test_a_second_reply_to_one_share_counts_once() -> None:
    talk = Talk().opened()
    talk.notifies()
    number = talk.submits()

    assert len(talk.answers(number)) == 1
    assert talk.answers(number) == []


def test_duplicate_means_taken_when_the_first_reply_was_lost() -> None:
    talk = Talk().opened()
    talk.notifies()
    talk.session.submit(talk.share(), talk.now, again=True)
    number = talk.sent()[-1]["id"]

    answered = one(talk.answers(number, [22, "Duplicate share", None]), ShareAnswered)

    assert answered.fate is Fate.ACCEPTED


def test_stale_tells_nothing_of_a_share_whose_first_reply_was_lost() -> None:
    talk = Talk().opened()
    talk.notifies()
    talk.session.submit(talk.share(), talk.now, again=True)
    number = talk.sent()[-1]["id"]

    answered = one(talk.answers(number, [21, "Job not found", None]), ShareAnswered)

    assert answered.fate is Fate.UNANSWERED


def test_shares_of_a_resumed_session_are_taken_and_foreign_ones_are_not() -> None:
    before = Talk().opened(extranonce1="4128064f")
    before.notifies("a")
    share = before.share()
    resumed = Talk(number=2).opened(extranonce1="4128064f")
    fresh = Talk(number=3).opened(extranonce1="deadbeef")
    resized = Talk(number=4).opened(extranonce1="4128064f", size=8)

    assert resumed.session.submit(share, resumed.now) is Submission.SENT
    assert fresh.session.submit(share, fresh.now) is Submission.FOREIGN
    assert resized.session.submit(share, resized.now) is Submission.FOREIGN


def test_a_share_waits_until_it_is_known_whether_the_session_is_resumed() -> None:
    before = Talk().opened(extranonce1="4128064f")
    before.notifies("a")
    share = before.share()
    opening = Talk(number=2)

    assert opening.session.submit(share, opening.now) is Submission.WAIT
    opening.opened(extranonce1="4128064f")
    assert opening.session.submit(share, opening.now) is Submission.SENT


def test_unanswered_shares_are_bounded_but_a_block_always_goes() -> None:
    talk = Talk().opened()
    talk.notifies()
    for nonce in range(MAX_PENDING):
        talk.session.submit(talk.share(nonce=nonce), talk.now)

    assert talk.session.submit(talk.share(nonce=9999), talk.now) is Submission.WAIT
    block = talk.share(nonce=10_000, value=0)
    assert talk.session.submit(block, talk.now) is Submission.SENT


@pytest.mark.parametrize("error", [[24, "Unauthorized worker", None], [25, "Not subscribed"]])
def test_a_pool_that_no_longer_knows_us_is_left(error: list[Any]) -> None:
    talk = Talk().opened()
    talk.notifies()

    events = talk.answers(talk.submits(), error)

    assert isinstance(one(events, Failed).error, PoolRefusedError)


def test_a_storm_of_refusals_ends_the_session_but_stale_ones_do_not() -> None:
    for error, survives in (([20, "Other", None], False), ([21, "Stale", None], True)):
        talk = Talk().opened()
        talk.notifies()
        events = [
            event
            for nonce in range(20)
            for event in talk.answers(talk.submits(talk.share(nonce=nonce)), error)
        ]

        assert any(isinstance(event, Failed) for event in events) != survives


def test_clashing_version_bits_switch_the_form_after_three_refusals() -> None:
    talk = Talk().opened(mask="1fffe000")
    talk.notifies("a", _5="20006000")
    share = talk.share(version=0x2000E000)
    for nonce in range(3):
        number = talk.submits(talk.share(version=0x2000E000, nonce=nonce))
        talk.answers(number, [23, "Difficulty too low", None])

    talk.session.submit(share, talk.now)

    assert talk.sent()[-1]["params"][5] == "00008000"


# --- requests of the pool ---


@pytest.mark.parametrize("vector", stratum("server_requests"), ids=named)
def test_requests_of_the_pool_are_answered(vector: Vector) -> None:
    talk = Talk().opened()

    talk.session.receive_data(vector["line"].encode() + b"\n", talk.now)

    expected = vector["reply"] and vector["reply"].replace("<user agent>", "stratum-client/0.1.0")
    assert talk.sent() == ([json.loads(expected)] if expected else [])


@pytest.mark.parametrize("rpc_id", ["x", 1.5, [1], {"a": 1}, False])
def test_the_id_of_a_request_is_echoed_as_it_came(rpc_id: Any) -> None:
    talk = Talk().opened()

    talk.pool_sends({"id": rpc_id, "method": "mining.unknown", "params": []})

    assert talk.sent() == [{"id": rpc_id, "result": None, "error": [-3, "Method not found", None]}]


def test_a_message_is_made_harmless_and_capped() -> None:
    talk = Talk().opened()

    events = talk.pool_sends(
        {"id": None, "method": "client.show_message", "params": ["\x1b[2Jhi\r\n" + "x" * 9999]}
    )

    text = one(events, PoolMessage).text
    assert text.startswith("[2Jhi x")
    assert len(text) == 512


def test_a_redirect_is_passed_on_undecided() -> None:
    events = (
        Talk().opened().pool_sends({"id": None, "method": "client.reconnect", "params": ["h", 1]})
    )

    assert events == [RedirectAsked(params=("h", 1))]


# --- difficulty wishes ---


def test_a_suggestion_follows_the_hash_rate_but_not_every_wobble() -> None:
    talk = Talk().opened()

    talk.session.suggest(1e12, talk.now)
    talk.session.suggest(5e12, talk.now + 1)
    talk.session.suggest(1.5e12, talk.now + 700)
    talk.session.suggest(5e12, talk.now + 700)

    wishes = [line["params"] for line in talk.sent()]
    assert wishes == [[1397], [6985]]


@pytest.mark.parametrize(("difficulty", "wishes"), [(1000, []), (340, [[1397]])])
def test_a_pool_that_came_down_by_far_while_it_stood_by_is_told_again(
    difficulty: int, wishes: list[list[int]]
) -> None:
    talk = Talk().opened()
    talk.session.suggest(1e12, talk.now)
    talk.sent()
    talk.pool_sends({"id": None, "method": "mining.set_difficulty", "params": [difficulty]})

    talk.session.suggest(1e12, talk.now + 1)
    assert talk.sent() == []
    talk.session.suggest(1e12, talk.now + 1, again=True)

    assert [line["params"] for line in talk.sent()] == wishes


def test_a_suggestion_is_an_integer_from_one_on_and_a_fraction_below() -> None:
    talk = Talk().opened()

    talk.session.suggest(1e6, talk.now)

    [line] = talk.sent()
    assert line["method"] == "mining.suggest_difficulty"
    assert line["params"][0] == pytest.approx(6e6 / 2**32)


def test_nothing_is_suggested_before_the_login_or_when_it_is_off() -> None:
    early, off = Talk(), Talk(suggest_difficulty=0.0).opened()
    early.sent()

    early.session.suggest(1e12, early.now)
    off.session.suggest(1e12, off.now)

    assert early.sent() == off.sent() == []


def test_extranonce_changes_are_asked_for_after_the_login_when_on() -> None:
    talk = Talk(subscribe_extranonce=True)
    talk.subscribes()
    talk.sent()

    talk.pool_sends({"id": AUTHORIZE, "result": True, "error": None})

    assert [line["method"] for line in talk.sent()] == ["mining.extranonce.subscribe"]


# --- deadlines ---


def overdue(talk: Talk, seconds: float) -> list[Event]:
    return talk.session.check(talk.now + seconds)


def test_each_step_of_the_opening_has_a_deadline() -> None:
    fresh = Talk()
    assert overdue(fresh, 29) != []  # configure was passed over
    assert isinstance(one(overdue(fresh, 31), Failed).error, HandshakeTimeoutError)

    subscribed = Talk()
    subscribed.subscribes()
    assert isinstance(one(overdue(subscribed, 31), Failed).error, HandshakeTimeoutError)

    authorized = Talk().opened(mask="0")
    assert isinstance(one(overdue(authorized, 61), Failed).error, HandshakeTimeoutError)


def test_silence_ends_the_session_but_later_where_jobs_are_rare() -> None:
    talk = Talk().opened(mask="0")
    talk.notifies("a")
    assert overdue(talk, 89) == []
    talk.now += 80
    talk.notifies("b", clean=False)

    assert overdue(talk, 239) == []
    assert isinstance(one(overdue(talk, 241), Failed).error, PoolSilentError)


def test_a_share_without_a_reply_ends_the_session() -> None:
    talk = Talk().opened(mask="0")
    talk.notifies()
    talk.submits()
    talk.now += 50
    talk.notifies("b", clean=False)

    assert overdue(talk, 5) == []
    assert isinstance(one(overdue(talk, 11), Failed).error, PoolSilentError)


def test_requests_that_pools_never_answer_are_no_silence() -> None:
    talk = Talk(subscribe_extranonce=True).opened(mask="0")
    talk.notifies()
    talk.session.suggest(1e12, talk.now)

    for second in range(0, 600, 30):
        talk.now += 30
        talk.notifies(f"j{second}", clean=False)
        assert overdue(talk, 1) == []


def test_a_line_that_never_ends_is_noticed() -> None:
    talk = Talk().opened(mask="0")
    talk.notifies()
    talk.session.receive_data(b'{"id":', talk.now)
    for _ in range(7):
        talk.now += 10
        talk.session.receive_data(b" ", talk.now)

    assert isinstance(one(overdue(talk, 0), Failed).error, PoolSilentError)


def test_a_quiet_miner_shows_life() -> None:
    talk = Talk().opened(mask="0")
    for minute in range(4):
        talk.now += 61
        talk.notifies(f"j{minute}", clean=False)

    assert overdue(talk, 0) == []

    assert [line["method"] for line in talk.sent()] == ["mining.suggest_difficulty"]


# --- hostile input ---


def test_a_giant_line_ends_the_session_early() -> None:
    talk = Talk().opened()
    held = 0
    failed: list[Event] = []
    while not failed:
        failed = talk.session.receive_data(b"x" * 65536, talk.now)
        held += 65536

    assert isinstance(one(failed, Failed).error, PoolProtocolError)
    assert held <= MAX_LINE + 65536
    assert talk.session.receive_data(b"x" * 65536, talk.now) == []


def test_a_flood_is_hostile_but_many_replies_are_not() -> None:
    talk = Talk().opened()
    message = {"id": None, "method": "client.show_message", "params": ["x"]}
    seen: list[Event] = []
    for _ in range(13):
        talk.now += 1
        seen += talk.pool_sends(*[message] * 250)

    assert isinstance(seen[-1], Failed)

    talk = Talk().opened()
    talk.notifies()
    for _ in range(13):
        talk.now += 1
        sent = [talk.submits(talk.share(nonce=nonce)) for nonce in range(250)]
        for number in sent:
            assert isinstance(one(talk.answers(number), ShareAnswered), ShareAnswered)


def flooded(messages: list[dict[str, Any]], seconds: int, *, quiet: int = 0) -> bool:
    """Return whether so many seconds of the same messages count as a flood."""
    talk = Talk().opened()
    for second in range(seconds):
        talk.now += 1
        if not quiet or second % quiet:
            talk.pool_sends(*messages)
    return any(isinstance(event, Failed) for event in talk.events)


def test_a_flood_is_measured_by_what_it_costs() -> None:
    ping = {"id": None, "method": "mining.ping"}
    lost_reply = {"id": 99, "result": True}
    long = {"id": None, "method": "mining.ping", "params": ["x" * 100_000]}
    change = {"id": None, "method": "mining.set_difficulty", "params": [1]}

    assert not flooded([ping] * 190, 60)
    assert flooded([ping] * 2100, 1), "two thousand within a second are hostile at once"
    assert flooded([ping] * 1900, 20, quiet=5), "a pause does not hide it"
    assert flooded([lost_reply] * 210, 13), "replies to nothing count, too"
    assert flooded([long] * 9, 13)
    assert flooded([change] * 21, 13)
    assert not flooded([change] * 19, 60)
    assert not flooded([long], 60)


def test_blank_lines_are_no_sign_of_life() -> None:
    talk = Talk().opened(mask="0")
    talk.notifies()
    for _ in range(10):
        talk.now += 10
        talk.session.receive_data(b"\r\n\n", talk.now)

    assert isinstance(one(overdue(talk, 0), Failed).error, PoolSilentError)


@pytest.mark.parametrize("rpc_id", ["NaN", "Infinity", "[1e999]", '"' + "x" * 2000 + '"'])
def test_an_id_that_cannot_be_echoed_gets_no_answer(rpc_id: str) -> None:
    talk = Talk().opened()

    events = talk.session.receive_data(f'{{"id":{rpc_id},"method":"a"}}\n'.encode(), talk.now)

    assert events == []
    assert talk.session.data_to_send() == b""


def test_even_blocks_wait_when_a_pool_calls_everything_one() -> None:
    talk = Talk().opened()
    talk.notifies()
    for nonce in range(MAX_PENDING_BLOCKS):
        talk.session.submit(talk.share(nonce=nonce, value=0), talk.now)

    assert talk.session.submit(talk.share(nonce=1 << 20, value=0), talk.now) is Submission.WAIT


def test_early_jobs_too_large_to_be_mined_are_not_kept() -> None:
    talk = Talk()
    talk.notifies("a", _3="00" * 300_000)
    talk.notifies("b")

    talk.subscribes()

    assert [job.job_id for job in talk.jobs] == ["b"]
    assert not [event for event in talk.events if isinstance(event, JobRefused)]


def test_nothing_is_heard_after_a_failure() -> None:
    talk = Talk().opened()
    talk.session.receive_data(b"garbage\n", talk.now)

    assert talk.notifies() == []
    assert talk.session.check(talk.now + 1e6) == []


RECORDED = b"\n".join(
    json.dumps(message).encode()
    for message in (
        {"id": 1, "result": {"version-rolling": True, "version-rolling.mask": "1fffe000"}},
        {"id": 2, "result": [[["mining.notify", "sid"]], "4128064f", 4], "error": None},
        {"id": None, "method": "mining.set_difficulty", "params": [0.5]},
        {"id": None, "method": "mining.notify", "params": NOTIFY},
        {"id": 3, "result": True, "error": None},
        {"id": 9, "method": "mining.ping", "params": []},
    )
)


@given(st.lists(st.integers(1, 400), max_size=60))
def test_the_cut_of_the_stream_does_not_matter(cuts: list[int]) -> None:
    data = b"\r\n" + RECORDED.replace(b"\n", b"\r\n") + b"\r\n\n"
    talk, whole = Talk(), Talk()
    pieces, start = [], 0
    for cut in [*cuts, len(data)]:
        pieces.append(data[start : start + cut])
        start += cut
    events = [event for piece in pieces for event in talk.session.receive_data(piece, talk.now)]

    assert [type(e) for e in events] == [
        type(e) for e in whole.session.receive_data(data, whole.now)
    ]
    assert talk.session.data_to_send() == whole.session.data_to_send()


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_give_events_or_a_failure(chunks: list[bytes]) -> None:
    talk = Talk().opened()

    events = [event for chunk in chunks for event in talk.session.receive_data(chunk, talk.now)]

    assert sum(isinstance(event, Failed) for event in events) <= 1


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=80)
    | st.sampled_from([*NOTIFY[:4], "1fffe000", "a"]),
    lambda inner: st.lists(inner, max_size=10),
    max_leaves=15,
)
METHODS = st.sampled_from(
    [
        *("mining.notify", "mining.set_difficulty", "mining.set_target", "mining.set_extranonce"),
        *("mining.set_version_mask", "client.reconnect", "client.show_message", "mining.ping"),
    ]
)
MESSAGES = st.fixed_dictionaries(
    {"id": VALUES, "method": METHODS, "params": VALUES}
) | st.fixed_dictionaries({"id": st.integers(0, 6) | VALUES, "result": VALUES, "error": VALUES})


@given(st.lists(MESSAGES, max_size=12))
def test_any_messages_give_events_or_a_failure(messages: list[dict[str, Any]]) -> None:
    talk = Talk()

    talk.pool_sends(*messages)

    for job in talk.jobs:
        assert job.target > 0
        assert talk.session.submit(talk.share(job), talk.now) in set(Submission)
