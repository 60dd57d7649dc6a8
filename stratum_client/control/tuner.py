"""One board's tuner: which speed it should have for its goal, and why; pure, takes the time.

It looks at a speed until enough nonces were seen to judge it, goes on as `tuning_search` says, and
then holds the best. While it holds, it watches: a board that makes too many errors, or does worse
than when it was tuned, is followed down at once; back up it goes when the bar on what failed has
lapsed. Once a day, and when it is much warmer or colder than it was, it looks around again.

It takes no step while anything hinders it: it holds the best speed known then, and begins the
present look anew later. Everything it wants is a limit; others may limit further.
"""

from collections.abc import Sequence
from dataclasses import replace

from stratum_client.control import tuning_words as words
from stratum_client.control.claims import Limit
from stratum_client.control.tuning_evidence import (
    Estimate,
    Evidence,
    Goal,
    Look,
)
from stratum_client.control.tuning_profile import (
    AFTER_CRASH,
    AFTER_ERRORS,
    HOUR,
    MAX_ESTIMATES,
    Profile,
    TuningSettings,
    with_bar,
)
from stratum_client.control.tuning_range import NEAR, Range, range_of
from stratum_client.control.tuning_search import Search, nearest, next_speed
from stratum_client.control.tuning_views import Advice, Phase, Step, View
from stratum_client.control.tuning_watch import (
    CLEARLY,
    ROOM,
    Verdict,
    Watch,
    is_judged,
    reason_to_explore,
    seconds_to_judge,
)

EXPLORE_MARGIN, EXPLORE_DOUBT = 0.005, 2.0
"""What it takes to leave a speed that is good."""

HELD_FOR = 1800.0
"""A speed that others did not allow is not wanted again for so long."""

REACH_WITHIN = 600.0
"""Seconds that a board has to come to a speed."""

CRASH_WITHIN = 900.0
"""A failure so soon after a step up is that speed's fault; later, the second within an hour is."""


class BoardTuner:
    """Tunes one board; ``profile`` is what was kept of it."""

    def __init__(self, settings: TuningSettings, profile: Profile | None = None) -> None:
        self.settings = settings
        self.profile = profile or Profile()
        self._range = Range((), {})
        self._search: Search | None = None
        self._known: dict[float, Estimate] = {}
        self._target: float | None = None
        self._evidence = Evidence()
        self._stepped_at = self._asked_at = self._reached_at = 0.0
        self._rose = self._is_reached = False
        self._full = float("inf")
        self._crashed_at: float | None = None
        self._watch: Watch | None = None
        self._was_cut_short = False
        self._held_back = self._highest = float("inf")
        self._held_until = 0.0
        self._was_hindered = False
        self._steps: list[Step] = []

    def look(self, view: View) -> Advice:
        """Take note of what a device does now; return what is wanted of it."""
        self._steps = []
        if self.settings.goal is Goal.OFF:
            return Advice(phase=Phase.OFF, text="off")
        if view.crash and self._target is not None:
            self._crashed(view)
        if why := self._fitted(view):
            self._restart_clock(view.now)
            if self._target is None:
                return Advice(phase=Phase.WAITING, text=why)
            return self._advice(Phase.WAITING, why)  # it keeps to its speed meanwhile
        self._highest = self._range.highest(view.others)
        if self._target is None:
            self._begin(view)
        if why := self._hindered(view):
            return self._hindered_advice(why, view)
        assert view.look
        if self._was_hindered:
            self._was_hindered = False
            if self._search:
                self._advance(view)
        if not self._has_settled(view, view.look):
            return self._at_work()
        self._evidence.add(view.look)
        return self._looked(view) if self._search else self._watched(view)

    @property
    def ladder(self) -> tuple[float, ...]:
        """Return the speeds that are tried, in MHz, the slowest first."""
        return self._range.ladder

    # -- what there is to choose from

    def _fitted(self, view: View) -> str:
        """Make the ladder of what the device can do; return why that is not possible."""
        found = range_of(view.points, self.settings)
        if isinstance(found, str):
            return found
        if found.ladder != self._range.ladder:
            self._search = self._target = None
        self._range, self._full = found, max(point.mhz for point in view.points)
        return ""

    @property
    def _aim(self) -> float:
        assert self._target is not None
        return self._target

    def _begin(self, view: View) -> None:
        """Go on from what was kept, or begin a search where the model sees the best."""
        profile, goal, ladder = self.profile, self.settings.goal, self._range.ladder
        start = self._range.start(goal, lambda mhz: self._may_try(mhz, view.wall))
        if profile.mhz is not None and profile.goal is goal:
            start = self._allowed_below(nearest(ladder, profile.mhz), view.wall)
        self._target = start
        self._restart_clock(view.now)
        kept = profile.estimate_at(start)
        if profile.goal is goal and profile.mhz == start and kept:
            self._watch, self._search = Watch(kept, self.settings), None
            self._known = {one.mhz: one for one in profile.estimates if one.mhz in ladder}
            return
        self._known = {}
        self._begin_search(Search(centre=start, stride=_stride(ladder, 6)))

    def _allowed_below(self, mhz: float, wall: float) -> float:
        """Return the fastest speed up to ``mhz`` that is not ruled out."""
        good = [m for m in self._range.ladder if m <= mhz and not self._is_ruled_out(m, wall)]
        return max(good, default=self._range.ladder[0])

    def _is_ruled_out(self, mhz: float, wall: float) -> bool:
        """Return whether a speed has failed, or takes more than the goal allows."""
        target = self.settings.power_target
        is_limited = self.settings.goal is Goal.POWER and target is not None
        takes_more = is_limited and self._range.points[mhz].watts > ROOM * (target or 0.0)
        return takes_more or self.profile.barred(mhz, wall) is not None

    def _may_try(self, mhz: float, wall: float) -> bool:
        """Return whether a speed may be tried, and can be any good."""
        point, goal = self._range.points[mhz], self.settings.goal
        if self._is_ruled_out(mhz, wall):
            return False
        clearly = CLEARLY * self.settings.error_limit
        if any(one.error_ratio > clearly and one.mhz < mhz for one in self._known.values()):
            return False  # errors only grow with speed
        if mhz > self._highest or mhz >= self._held_back:
            self._was_cut_short = True
            return False
        centre = self._known.get(self._search.centre) if self._search else None
        if goal is Goal.EFFICIENCY or centre is None or centre.is_excessive:
            return True
        return point.hashrate > centre.hashrate  # without a single error it would be better

    # -- what keeps it from working

    def _hindered(self, view: View) -> str:
        """Return why nothing may be judged now."""
        if view.now >= self._held_until:
            self._held_back = float("inf")
        if view.hindrance:
            return view.hindrance
        if self._aim > self._highest:
            self._held_back, self._held_until = self._aim, view.now + HELD_FOR
            return view.because or words.HELD
        if view.look is None:
            return "it does not mine"
        if view.look.watts is None and self.settings.goal is Goal.EFFICIENCY:
            return words.NO_WATTS
        return ""

    def _hindered_advice(self, why: str, view: View) -> Advice:
        """Hold the best speed known, and begin the present look anew later."""
        best = self._best()
        self._was_hindered = True
        if best is not None and best != self._aim:
            self._step(best, words.hindered(why), view.now)
        elif best is None and 0 < self._highest < self._aim:
            self._begin(view)
        self._restart_clock(view.now)
        return self._advice(Phase.WAITING, why, plan=words.resumes(self._plan()))

    def _best(self) -> float | None:
        """Return the best speed known so far, None if none is."""
        if self._search is None:
            return self._watch.held.mhz if self._watch else None
        good = [one for one in self._known.values() if not one.is_excessive]
        return max(good, key=lambda one: one.merit(self.settings.goal)).mhz if good else None

    def _has_settled(self, view: View, look: Look) -> bool:
        """Return whether the device has its speed, and had it for long enough."""
        if abs(look.mhz - self._aim) > NEAR:
            self._is_reached = False
            self._evidence = Evidence()
            if view.now - self._asked_at > REACH_WITHIN + self.settings.settle + view.ramp:
                self._not_reached(view, look)
            return False
        if not self._is_reached:
            self._is_reached, self._reached_at = True, view.now
        return view.now - self._reached_at >= self.settings.settle

    def _not_reached(self, view: View, look: Look) -> None:
        """Give a speed up that the device does not come to: something in it forbids that."""
        if look.mhz < self._aim:
            self._bar(self._aim, words.not_reached(look.mhz), view, seconds=AFTER_ERRORS)
            self._fall_back(view, words.not_reached(look.mhz))
        else:
            self._asked_at = view.now  # on its way down yet

    def _crashed(self, view: View) -> None:
        last, self._crashed_at = self._crashed_at, view.now
        is_soon = self._rose and view.now - self._stepped_at < CRASH_WITHIN
        if is_soon or (last is not None and view.now - last < HOUR):
            self._bar(self._aim, words.failed(view.crash), view, seconds=AFTER_CRASH)
            self._fall_back(view, words.failed(view.crash))

    def _bar(self, mhz: float, why: str, view: View, *, seconds: float) -> None:
        bars = with_bar(self.profile.bars, mhz, why, wall=view.wall, seconds=seconds)
        self.profile = replace(self.profile, bars=bars)

    def _fall_back(self, view: View, why: str) -> None:
        """Search on below a speed that has failed."""
        failed, ladder = self._aim, self._range.ladder
        kept = self._known if self._search else {}
        self._known = {mhz: one for mhz, one in kept.items() if mhz < failed}
        if self._search is None or self._search.centre >= failed:
            best = self._best() if self._search else None
            lower = [m for m in ladder if m < failed and not self._is_ruled_out(m, view.wall)]
            centre = max(lower, default=ladder[0]) if best is None else best
            self._begin_search(Search(centre=centre, stride=1))
        self._advance(view, why)

    # -- searching

    def _looked(self, view: View) -> Advice:
        """Judge the present speed if enough was seen of it."""
        evidence, limit = self._evidence, self.settings.error_limit
        estimate = evidence.estimate(self._aim, limit, at=view.wall)
        rival = self._known.get(self._search.centre) if self._search else None
        if estimate is None or not is_judged(evidence, estimate, rival, self.settings):
            wait = seconds_to_judge(evidence, limit)
            text = words.looking(self._aim, self.settings.goal, evidence.nonces, wait)
            return self._advice(Phase.LOOKING, text, wait=wait, plan=self._plan())
        self._known[self._aim] = estimate
        self._advance(view)
        return self._at_work()

    def _advance(self, view: View, why: str = "") -> None:
        """Go to the next speed to look at, or hold the best; ``why`` in place of what was seen."""
        assert self._search
        goal, points = self.settings.goal, self._range.points
        self._search, mhz = next_speed(
            self._search,
            self._range.ladder,
            self._known,
            lambda one: self._may_try(one, view.wall),
            goal,
        )
        if mhz is None:
            self._hold(self._search.centre, view)
        elif mhz == self._aim:
            self._restart_clock(view.now)
        else:
            seen = self._known.get(self._aim)
            because = why or (words.errors(seen) if seen else "")
            self._step(mhz, words.trying(because, points[self._aim], points[mhz], goal), view.now)

    def _hold(self, mhz: float, view: View) -> None:
        """End the search: this speed is the best."""
        if mhz != self._aim:
            reason = words.holding_again(self._known, self._aim, mhz, self.settings.goal)
            self._step(mhz, reason, view.now)
        self._watch, self._search = Watch(self._known[mhz], self.settings), None
        self._evidence = Evidence()
        self._keep(explored_at=view.wall)

    def _keep(self, *, explored_at: float | None = None) -> None:
        """Put what is known into the profile."""
        assert self._watch
        held = self._watch.held
        known = {one.mhz: one for one in self.profile.estimates} | self._known | {held.mhz: held}
        newest = sorted(known.values(), key=lambda one: one.at)[-MAX_ESTIMATES:]
        self.profile = replace(
            self.profile,
            goal=self.settings.goal,
            mhz=held.mhz,
            estimates=tuple(sorted(newest, key=lambda one: one.mhz)),
            explored_at=self.profile.explored_at if explored_at is None else explored_at,
        )

    # -- holding

    def _watched(self, view: View) -> Advice:
        """See whether the board still does what it did when it was tuned."""
        assert self._watch
        verdict = self._watch.judge(self._evidence, view.wall)
        if verdict is Verdict.ERRORS and self._aim == self._range.ladder[0]:
            verdict = Verdict.WELL  # there is nowhere to go
        if verdict in {Verdict.ERRORS, Verdict.WORSE}:
            self._degraded(view, has_errors=verdict is Verdict.ERRORS)
        elif verdict is Verdict.WELL:
            self._keep()
            self._evidence = Evidence()
        elif why := self._reason_to_explore(view):
            self._explore(view, why)
        return self._at_work()

    def _reason_to_explore(self, view: View) -> str:
        assert self._watch
        warmth = view.look.temperature if view.look else None
        top = min(self._highest, self._held_back)
        is_freed = self._was_cut_short and top >= self._range.ladder[-1]
        held = self._watch.held
        return reason_to_explore(self.profile, held, warmth, view.wall, is_freed=is_freed)

    def _degraded(self, view: View, *, has_errors: bool) -> None:
        """Follow a board down that does worse than it did; what is above must wait."""
        limit, ladder = self.settings.error_limit, self._range.ladder
        now = self._evidence.estimate(self._aim, limit, at=view.wall)
        assert now
        assert self._watch
        has_errors = has_errors or now.error_ratio > limit
        why = words.degraded(self._watch.held, now, self.settings.goal, limit, errs=has_errors)
        above = [mhz for mhz in ladder if mhz > self._aim]
        bar = self._aim if has_errors else min(above, default=None)
        if bar is not None:
            self._bar(bar, why, view, seconds=AFTER_ERRORS)
        self._known = {self._aim: replace(now, is_excessive=has_errors)}
        self._begin_search(Search(centre=self._aim, stride=_stride(ladder, 10)))
        self._advance(view, why)

    def _explore(self, view: View, why: str) -> None:
        """Look around from a speed that is good."""
        assert self._watch
        held = self._watch.held
        if view.look and view.look.temperature is not None:
            held = replace(held, temperature=view.look.temperature)
        self._known = {self._aim: held}
        stride = _stride(self._range.ladder, 12)
        margin, doubt = EXPLORE_MARGIN, EXPLORE_DOUBT
        self._begin_search(Search(centre=self._aim, stride=stride, margin=margin, doubt=doubt))
        self._advance(view, f"looking around: {why}")

    def _begin_search(self, search: Search) -> None:
        self._search, self._watch, self._was_cut_short = search, None, False

    # -- what comes of it

    def _step(self, mhz: float, reason: str, now: float) -> None:
        self._steps.append(Step(before=self._aim, to=mhz, reason=reason))
        self._rose = mhz > self._aim
        self._target, self._stepped_at = mhz, now
        self._restart_clock(now)

    def _restart_clock(self, now: float) -> None:
        """Forget what was seen, and wait for balance again."""
        self._evidence, self._is_reached = Evidence(), False
        self._reached_at = self._asked_at = now

    def _at_work(self) -> Advice:
        if self._search:
            return self._advice(Phase.SETTLING, words.settling(self._aim), plan=self._plan())
        assert self._watch
        text = words.holding(self._watch.held, self.settings.goal)
        return self._advice(Phase.HOLDING, text, plan=self._plan())

    def _plan(self) -> str:
        search = self._search
        return words.judging(self._aim, search.centre) if search else words.HOLDS_ON

    def _advice(
        self, phase: Phase, text: str, *, wait: float | None = None, plan: str = ""
    ) -> Advice:
        watts = self.settings.power_target if self.settings.goal is Goal.POWER else None
        limit = Limit(mhz=None if self._aim >= self._full else self._aim, watts=watts)
        steps = tuple(self._steps)
        return Advice(phase=phase, limit=limit, text=text, plan=plan, wait=wait, steps=steps)


def _stride(ladder: Sequence[float], part: int) -> int:
    """Return a power of two near to that part of the ladder's steps."""
    return int(1 << max(len(ladder) // part, 1).bit_length() - 1)
