"""The life of a secret in any order: random acts of owners, strangers and agents, on every channel,
while the calendar moves. What must hold holds after each of them.

A short run by default; `make soak` runs 2,000 steps.
"""

import asyncio
import itertools
import os
import shutil
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from auth_core import (
    Application,
    AuthError,
    AuthService,
    Availability,
    BirthDate,
    Channel,
    Creation,
    DeliveryChoice,
    FileStatus,
    Identity,
    NotEntitled,
    Outcome,
    RequestKind,
    Role,
    Secret,
    SecretKind,
    Service,
    Session,
    SessionEnded,
    Source,
    TooManyRefusals,
    Verdict,
)
from auth_core.delivery.outbox import MessageKind
from auth_core.entitlements import APPLICANT_SERVICES
from auth_core.model import Slot
from auth_core.settings import DAY
from auth_core.story import FileStory, SecretState
from tests.auth_core.conftest import APPLICANT, House, digits_of_8

STEPS = {
    kind: int(os.environ.get("LIFE_STEPS", n)) for kind, n in (("sqlite", 200), ("postgresql", 80))
}
STEPS_OF_A_LIFE = 40
AGENT = "Mme Martin"
CHOICES = ("52917364", "83617294", "40718352", "14031985", "11111111", "29461873")
SOURCES = (
    Source(Channel.TELEPHONE, caller="+33199001122", reference="call-1"),
    Source(Channel.TELEPHONE, caller="0639980345", reference="call-2"),
    Source(Channel.TELEPHONE, reference="call-3"),
    Source(Channel.WEB, reference="request-1"),
    Source(Channel.APP, reference="request-2"),
    Source(Channel.KIOSK, reference="request-3"),
)
Result = TypeVar("Result")
sources = st.sampled_from(SOURCES)
on_screen = st.sampled_from(SOURCES[3:])


class Life(RuleBasedStateMachine):
    """An applicant's file and what is known of it: its secrets, those revoked, its sessions."""

    def __init__(self, make_house: Callable[[], House]) -> None:
        super().__init__()
        self.house = make_house()
        self.runner = asyncio.Runner()
        self.core: AuthService = self.runner.run(self.house.open())
        self.identity = APPLICANT
        self.left_behind: list[Identity] = []
        self.live: str | None = "70316284"
        self.pending: str | None = None
        self.revoked: set[str] = set()
        self.affiliated = self.closed = False
        self.sessions: list[Session] = []
        self.ended: list[Session] = []
        self.wrong: list[datetime] = []

    def teardown(self) -> None:
        self.runner.run(self.core.close())
        self.runner.close()
        held = [secret for secret in (self.live, self.pending, *self.revoked) if secret]
        assert self.house.holders(*held) == [], "a secret lies in clear"
        shutil.rmtree(self.house.folder)

    # Who comes in.

    @precondition(lambda self: self.live is not None)
    @rule(source=sources)
    def owner_comes_in(self, source: Source) -> None:
        verdict = self._try(self.live, source)
        if verdict.outcome is Outcome.GRANTED:
            self._revoke_pending()

    @precondition(lambda self: self.pending is not None)
    @rule(source=sources)
    def the_provisional_is_used(self, source: Source) -> None:
        verdict = self._try(self.pending, source)
        if verdict.session is not None:
            used, self.pending = self.pending, None
            self._replace_live(used, keeping=verdict.session)

    @precondition(lambda self: self.revoked - {self.live, self.pending})
    @rule(source=sources, which=st.integers(0, 1_000))
    def what_is_revoked_is_tried(self, source: Source, which: int) -> None:
        revoked = sorted(self.revoked - {self.live, self.pending})
        secret = revoked[which % len(revoked)]
        assert self._try(secret, source).outcome is Outcome.REFUSED

    @rule(source=sources, times=st.integers(1, 6), secret=st.sampled_from(["00000000", "0000"]))
    def somebody_guesses(self, source: Source, times: int, secret: str) -> None:
        for _ in range(times):
            assert self._try(secret, source).outcome is Outcome.REFUSED

    @precondition(lambda self: self.left_behind)
    @rule(source=sources)
    def a_matricule_left_behind_is_tried(self, source: Source) -> None:
        verdict = self._wait(
            self.core.authenticate(self.left_behind[-1], Secret(self.live or "0000"), source)
        )
        assert verdict.outcome is Outcome.REFUSED

    # What owners and strangers do.

    @precondition(lambda self: self.live is not None)
    @rule(source=on_screen, new=st.sampled_from(CHOICES))
    def a_password_is_created(self, source: Source, new: str) -> None:
        before = self._story()
        try:
            result = self._wait(
                self.core.create_password(
                    self.identity, Secret(self.live or ""), Secret(new), source
                )
            )
        except TooManyRefusals:
            return
        after = self._story()
        self._notice_reset(before, after)
        if _of(before, Slot.PENDING) and not _of(after, Slot.PENDING):
            self._revoke_pending()
        if result.outcome is Creation.CREATED:
            assert new not in ("11111111", "23112001", self.live)
            self._replace_live(new)

    @rule(
        source=sources,
        by=st.sampled_from(DeliveryChoice),
        day_month=st.sampled_from(["2311", "2411"]),
    )
    def a_secret_is_asked_for(self, source: Source, by: DeliveryChoice, day_month: str) -> None:
        before = self._story()
        self._wait(self.core.request_lost_password(self.identity, day_month, by, source))
        after = self._story()
        assert _of(after, Slot.LIVE) == _of(before, Slot.LIVE)
        assert after.case_file.generation == before.case_file.generation
        if _of(after, Slot.PENDING) != _of(before, Slot.PENDING):
            assert day_month == "2311"
            self._revoke_pending()
            self.pending = self._provisional()

    @rule(source=on_screen)
    def a_stranger_applies_under_the_owner_s_name(self, source: Source) -> None:
        application = Application(
            "131", "Lucas Ferri", BirthDate(2001, 11, 23), RequestKind.BIRTH_GRANT,
            mobile="0639980999",
        )  # fmt: skip
        before = self._story()
        self._wait(self.core.register(application, source))
        after = self._story()
        assert after.secrets == before.secrets
        assert after.case_file.phones == before.case_file.phones

    @rule(candidate=st.sampled_from(CHOICES))
    def a_candidate_is_judged(self, candidate: str) -> None:
        before = self._story()
        judging = Source(Channel.BACK_OFFICE, agent=AGENT)
        try:
            found = self._wait(self.core.check_password(self.identity, Secret(candidate), judging))
        except TooManyRefusals:
            return
        assert bool(found) == (candidate == "11111111")
        assert self._story().secrets == before.secrets

    @precondition(lambda self: self.sessions)
    @rule()
    def a_caller_is_put_through_to_an_advisor(self) -> None:
        session = self.sessions[-1]
        reference = self._wait(self.core.transfer_reference(session))
        assert self._wait(self.core.redeem_reference(reference, AGENT)) == self.identity
        assert self._wait(self.core.redeem_reference(reference, AGENT)) is None

    # What the back office does.

    @precondition(lambda self: not self.closed)
    @rule(act=st.sampled_from(["nims", "separate", "transfer"]))
    def the_secret_is_replaced(self, act: str) -> None:
        if act == "transfer":
            caf = "691" if self.identity.caf == "131" else "131"
            moved = self._wait(self.core.transfer(self.identity, caf, AGENT))
            self.left_behind.append(self.identity)
            self.identity = moved
        elif act == "separate":
            self._wait(self.core.separate(self.identity, Role.BENEFICIARY, AGENT))
            self.wrong.clear()
        else:
            self._wait(self.core.nims(self.identity, AGENT))
            self.wrong.clear()
        self._replace_live(self._provisional())

    @precondition(lambda self: not self.closed)
    @rule()
    def the_file_is_affiliated(self) -> None:
        self._wait(self.core.affiliate(self.identity, AGENT))
        self.affiliated = True

    @precondition(lambda self: not self.closed and self.affiliated and len(self.revoked) > 3)
    @rule()
    def the_file_is_closed(self) -> None:
        self._wait(self.core.close_file(self.identity, AGENT))
        self._revoke_pending()
        self._replace_live(None)
        self.closed = True

    @rule()
    def an_agent_unlocks_it(self) -> None:
        try:
            self._wait(self.core.unlock(self.identity, AGENT))
        except AuthError:
            return
        self.wrong.clear()

    # What time does.

    @rule(
        span=st.sampled_from(
            [timedelta(minutes=16), timedelta(hours=5), timedelta(days=2), timedelta(days=70)]
        )
    )
    def time_passes(self, span: timedelta) -> None:
        self.house.now += span

    @rule()
    def the_calendar_is_looked_at(self) -> None:
        before = self._story()
        self._wait(self.core.expire("nightly"))
        after = self._story()
        assert _of(after, Slot.LIVE) == _of(before, Slot.LIVE)
        if _of(before, Slot.PENDING) and not _of(after, Slot.PENDING):
            self._revoke_pending()

    # What must hold.

    @invariant()
    def there_is_one_usable_secret_and_one_pending_at_most(self) -> None:
        slots = [secret.slot for secret in self._story().secrets]
        assert slots.count(Slot.LIVE) == (self.live is not None)
        assert slots.count(Slot.PENDING) == (self.pending is not None)
        assert len(slots) <= 3

    @invariant()
    def sessions_live_as_long_as_the_secret_that_opened_them(self) -> None:
        for session in self.sessions[-2:]:
            self._wait(self.core.check(session))
        for session in self.ended[-2:]:
            with pytest.raises(SessionEnded):
                self._wait(self.core.check(session))

    @invariant()
    def an_applicant_has_an_applicant_s_services(self) -> None:
        for session in self.sessions[-1:]:
            if session.status is FileStatus.AFFILIATED:
                continue
            for service in Service:
                granted = self.core.availability(session, service)
                named = APPLICANT_SERVICES.get(service, Availability.NOT_ACCESSIBLE)
                assert granted in (named, Availability.NOT_ACCESSIBLE)
            assert self._wait(self.core.payments(session)) == []
            with pytest.raises(NotEntitled):
                self._wait(self.core.request_certificate(session))

    @invariant()
    def the_allowance_is_never_exceeded(self) -> None:
        today = [at for at in self.wrong if self.house.now - at < DAY]
        assert len(today) <= self.house.settings.max_failures_per_day
        quarter = [at for at in self.wrong if self.house.now - at < timedelta(minutes=15)]
        assert len(quarter) <= 2 * self.house.settings.max_failures  # strangers', known sources'

    def _try(self, secret: str | None, source: Source) -> Verdict:
        verdict = self._wait(self.core.authenticate(self.identity, Secret(secret or ""), source))
        if verdict.session is not None:
            assert not self.closed
            assert secret in (self.live, self.pending)
            assert verdict.session.status is (
                FileStatus.AFFILIATED if self.affiliated else FileStatus.APPLICANT
            )
            assert verdict.kind is not SecretKind.PIN
            self.sessions.append(verdict.session)
            self.wrong.clear()
        elif not verdict.busy:
            last = self._story().entries[1]
            if last.detail.get("reason") == "wrong":
                self.wrong.append(self.house.now)
        return verdict

    def _replace_live(self, new: str | None, keeping: Session | None = None) -> None:
        if self.live is not None:
            self.revoked.add(self.live)
        self._revoke_pending()
        self.live = new
        if new is not None:
            self.revoked.discard(new)
        self.ended.extend(session for session in self.sessions if session is not keeping)
        self.sessions = [] if keeping is None else [keeping]

    def _revoke_pending(self) -> None:
        if self.pending is not None:
            self.revoked.add(self.pending)
        self.pending = None

    def _notice_reset(self, before: FileStory, after: FileStory) -> None:
        """Creating a password tries the present secret first."""
        granted = [e for e in after.entries if e.act == "login_granted"]
        if granted and granted[0] not in before.entries:
            self.wrong.clear()

    def _provisional(self) -> str:
        messages = self._wait(self.house.outbox(APPLICANT))
        text = next(text for m, text in reversed(messages) if m.kind is MessageKind.SECRET and text)
        return digits_of_8(text)

    def _story(self) -> FileStory:
        return self._wait(self.core.show(self.identity, AGENT))

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)


def _of(story: FileStory, slot: Slot) -> SecretState | None:
    return next((secret for secret in story.secrets if secret.slot is slot), None)


@pytest.mark.timeout(0)
def test_any_order_of_acts(
    make_house: Callable[[Path], House], database_kind: str, tmp_path: Path
) -> None:
    steps = STEPS[database_kind]
    made = itertools.count()

    def house() -> House:
        folder = tmp_path / str(next(made))
        folder.mkdir()
        return make_house(folder)

    run_state_machine_as_test(
        lambda: Life(house),  # type: ignore[arg-type]  # it calls what it is given
        settings=hypothesis.settings(
            max_examples=max(1, steps // STEPS_OF_A_LIFE),
            stateful_step_count=STEPS_OF_A_LIFE,
            # A life that fails is told as it was: to look for a shorter one takes hours.
            phases=[hypothesis.Phase.generate],
            deadline=None,
            derandomize=steps <= 200,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
