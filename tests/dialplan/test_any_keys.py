"""Whatever is keyed and whatever the service says: no crash, an end, and no password made."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from auth_core import (
    AuthService,
    Availability,
    Benefit,
    DeliveryChoice,
    FileStatus,
    Identity,
    Outcome,
    Payment,
    RequestKind,
    RequestProgress,
    RequestState,
    Secret,
    SecretKind,
    Service,
    Session,
    Source,
    Verdict,
)
from ivr.dialplan.hours import OpeningHours
from ivr.dialplan.interpreter import CallContext, Run
from ivr.dialplan.phone import CallEnded, TransferOutcome
from ivr.dialplan.schema import load
from tests.dialplan.catalogue import ROOT, prompt_ids
from tests.dialplan.fake_phone import Act, Caller, Doing, FakePhone

PLAN = load(ROOT / "dialplans" / "caller.yaml")
PROMPTS = prompt_ids()["fr"] | prompt_ids()["en"]

KEYS = st.sampled_from([*"0123456789*#", "A"])
BURSTS = st.sampled_from(["75011", "0123456", "0123456#", "4821#", "49205817", "1403", "1", "4"])
DOINGS = st.lists(
    st.one_of(KEYS, BURSTS, st.sampled_from([Act.LISTEN, Act.WAIT, Act.TALK, Act.LEAVE])),
    max_size=40,
)


@dataclass
class Oracle:
    """Answers as it is told. It has nothing by which a password could be made or changed."""

    verdicts: list[Verdict | None]
    availability_of: Availability
    refusals: int = 0
    certificates: list[FileStatus] = field(default_factory=list)

    def caf_of(self, postal_code: str) -> str | None:
        assert len(postal_code) == 5
        return "751" if postal_code.startswith("75") else None

    async def authenticate(self, identity: Identity, secret: Secret, source: Source) -> Verdict:
        assert len(identity.matricule) == 7
        assert repr(secret) == "***"
        verdict = self.verdicts.pop(0) if self.verdicts else Verdict(Outcome.REFUSED, None, None)
        if verdict is None:
            raise RuntimeError("the database is gone")
        self.refusals += verdict.outcome is Outcome.REFUSED
        return verdict

    async def request_lost_password(
        self, identity: Identity, birth_day_month: str, by: DeliveryChoice, source: Source
    ) -> None:
        assert len(birth_day_month) == 4

    async def payments(self, session: Session, limit: int = 3) -> list[Payment]:
        return [Payment(date(2026, 3, 5), Benefit.APL, Decimal("1234.56"))] * limit

    async def requests(self, session: Session) -> list[RequestProgress]:
        kind, state = next(iter(RequestKind)), next(iter(RequestState))
        return [RequestProgress(kind=kind, state=state, date=date(2026, 3, 1))]

    async def request_certificate(self, session: Session) -> None:
        self.certificates.append(session.status)

    def availability(self, session: Session, service: Service) -> Availability:
        return self.availability_of


def granted(kind: SecretKind, status: FileStatus) -> Verdict:
    session = Session(
        file_id="file-1",
        caf="751",
        matricule="0123456",
        status=status,
        kind=kind,
        last_login=datetime(2026, 2, 28, 23, 30, tzinfo=UTC),
        failures_since=2,
    )
    return Verdict(Outcome.GRANTED, session, kind)


VERDICTS = st.one_of(
    st.builds(granted, st.sampled_from(SecretKind), st.sampled_from(FileStatus)),
    st.builds(Verdict, st.just(Outcome.EXPIRED), st.none(), st.sampled_from(SecretKind)),
    st.just(Verdict(Outcome.REFUSED, None, None)),
    st.none(),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    doings=DOINGS,
    pace=st.sampled_from([0.05, 0.5, 3.9, 4.5]),
    verdicts=st.lists(VERDICTS, max_size=3),
    availability=st.sampled_from(Availability),
    caf=st.sampled_from([None, "751", "131"]),
    hours=st.sampled_from([OpeningHours(), OpeningHours.model_validate({"sun": "08:00-09:00"})]),
    advisor=st.sampled_from([None, "sip:advisors@192.0.2.1"]),
    refuses=st.booleans(),
)
def test_whatever_is_keyed_the_call_ends_and_no_password_is_made(
    doings: list[Doing],
    pace: float,
    verdicts: list[Verdict | None],
    availability: Availability,
    caf: str | None,
    hours: OpeningHours,
    advisor: str | None,
    refuses: bool,
) -> None:
    people = Oracle(verdicts, availability)
    phone = FakePhone(
        Caller.keying(*doings, pace=pace),
        transfer_ends=TransferOutcome.REFUSED if refuses else TransferOutcome.TAKEN,
    )
    context = CallContext(
        call_id="call-1",
        line="0810292929",
        caf=caf,
        hours=hours,
        advisor=advisor,
        clock=lambda: datetime(2026, 3, 2, 9, tzinfo=UTC),
    )
    run = Run(PLAN, phone, cast(AuthService, people), context)
    try:
        asyncio.run(run.run())
    except CallEnded:
        assert phone.left
    else:
        assert run.facts.end_reason is not None
        assert phone.hung_up or phone.transfers
    assert set(phone.heard) <= PROMPTS
    assert people.refusals <= 3
    assert phone.heard.count("use_keypad") <= 1
    if availability is not Availability.AVAILABLE:
        assert people.certificates == []
    if run.facts.authenticated is None:
        assert not {"main_menu", "payments_intro", "certificate_done"} & set(phone.heard)
    assert "0123456" not in repr(run.facts)
