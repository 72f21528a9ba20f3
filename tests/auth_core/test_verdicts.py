"""What a try leads to, and that nothing tells one refusal from another."""

from collections.abc import Iterable

import pytest

from auth_core import (
    AuthService,
    FileStatus,
    Identity,
    NotEntitled,
    Outcome,
    Secret,
    SecretKind,
    SessionEnded,
    Verdict,
    credentials,
)
from auth_core.credentials import Credential, Hasher
from tests.auth_core.conftest import (
    APPLICANT,
    EXPIRED_PASSWORD,
    EXPIRED_PROVISIONAL,
    NOBODY,
    PASSWORD_HOLDER,
    PIN_HOLDER,
    SAME_MATRICULE,
    STRANGER,
    WEB,
    House,
    guess,
    is_in,
)


@pytest.mark.parametrize(
    ("identity", "digits", "kind", "status"),
    [
        (PIN_HOLDER, "4821", SecretKind.PIN, FileStatus.AFFILIATED),
        (PASSWORD_HOLDER, "49205817", SecretKind.PASSWORD, FileStatus.AFFILIATED),
        (APPLICANT, "70316284", SecretKind.PROVISIONAL, FileStatus.APPLICANT),
        (SAME_MATRICULE, "83520641", SecretKind.PASSWORD, FileStatus.AFFILIATED),
    ],
)
async def test_the_right_secret_lets_in(
    core: AuthService, identity: Identity, digits: str, kind: SecretKind, status: FileStatus
) -> None:
    verdict = await core.authenticate(identity, Secret(digits), STRANGER)
    assert verdict.outcome is Outcome.GRANTED
    assert verdict.kind is kind
    assert verdict.session is not None
    assert verdict.session.kind is kind
    assert verdict.session.status is status
    assert (verdict.session.caf, verdict.session.matricule) == (identity.caf, identity.matricule)


@pytest.mark.parametrize(
    ("identity", "digits", "kind"),
    [
        (EXPIRED_PASSWORD, "58147036", SecretKind.PASSWORD),
        (EXPIRED_PROVISIONAL, "60418275", SecretKind.PROVISIONAL),
    ],
)
async def test_a_right_but_expired_secret_is_told_so_and_does_not_let_in(
    core: AuthService, identity: Identity, digits: str, kind: SecretKind
) -> None:
    for _ in range(7):
        verdict = await core.authenticate(identity, Secret(digits), STRANGER)
        assert verdict == Verdict(Outcome.EXPIRED, kind=kind)


async def test_an_expired_secret_does_not_wash_guesses_away(core: AuthService) -> None:
    for _ in range(5):
        await core.authenticate(EXPIRED_PASSWORD, Secret("58147036"), WEB)
        await core.authenticate(EXPIRED_PASSWORD, Secret("11112222"), WEB)
    last = await core.authenticate(EXPIRED_PASSWORD, Secret("58147036"), WEB)
    assert last.outcome is Outcome.REFUSED


async def test_the_same_matricule_in_another_caf_has_its_own_secret_only(
    core: AuthService,
) -> None:
    assert not await is_in(core, SAME_MATRICULE, "4821")
    assert not await is_in(core, PIN_HOLDER, "83520641")


async def test_a_pin_ends_with_its_era(house: House) -> None:
    core = await house.open(pin_until="2026-03-02")
    assert await is_in(core, PIN_HOLDER, "4821")
    house.advance(hours=14)  # 00:00 in Paris
    verdict = await core.authenticate(PIN_HOLDER, Secret("4821"), WEB)
    assert verdict == Verdict(Outcome.EXPIRED, kind=SecretKind.PIN)
    await core.close()


async def _refusals(core: AuthService) -> list[tuple[Identity, str]]:
    """A way to be refused for each reason, on a core where one file is locked."""
    await guess(core, 5, SAME_MATRICULE_GUESSED)
    return [
        (NOBODY, "4821"),
        (NOBODY, "49205817"),
        (PIN_HOLDER, "4822"),
        (PIN_HOLDER, "49205817"),
        (PASSWORD_HOLDER, "49205818"),
        (PASSWORD_HOLDER, "4821"),
        (SAME_MATRICULE_GUESSED, "1593"),
        (PIN_HOLDER, "48a1"),
        (PIN_HOLDER, "482"),
        (PIN_HOLDER, ""),
        (PIN_HOLDER, "４８２１"),
    ]


SAME_MATRICULE_GUESSED = Identity("751", "0567890")


async def test_no_refusal_differs_from_another_in_value_time_or_work(
    core: AuthService, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = await _refusals(core)
    hashes = 0
    real = credentials._argon2id

    def counted(*args: object) -> bytes:
        nonlocal hashes
        hashes += 1
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(credentials, "_argon2id", counted)
    seen = set()
    for identity, digits in cases:
        hashes, begun = 0, house.monotonic
        verdict = await core.authenticate(identity, Secret(digits), WEB)
        seen.add((verdict, round(house.monotonic - begun, 6), hashes))
    assert len(seen) == 1
    verdict, elapsed, computed = seen.pop()
    assert verdict == Verdict(Outcome.REFUSED)
    assert elapsed == pytest.approx(house.settings.failure_floor)
    assert computed == 1


async def test_a_wrong_day_of_birth_fails_as_a_wrong_secret_does(
    core: AuthService, house: House
) -> None:
    right = Secret("4821")
    for wrong in ("1503", "", "0000", "é"):
        assert await core.authenticate(PIN_HOLDER, right, WEB, wrong) == Verdict(Outcome.REFUSED)
    story = await core.show(PIN_HOLDER, "tester")
    assert story.failures == 4
    assert story.entries[1].detail == {"reason": "birth_date"}
    assert house.slept == pytest.approx([house.settings.failure_floor] * 4)
    assert (await core.authenticate(PIN_HOLDER, right, WEB, "1403")).session is not None


async def test_a_login_tells_of_the_one_before_it(core: AuthService, house: House) -> None:
    first = await core.authenticate(PIN_HOLDER, Secret("4821"), WEB)
    at = house.now
    house.advance(days=1)
    await guess(core, 2)
    second = await core.authenticate(PIN_HOLDER, Secret("4821"), WEB)
    assert first.session is not None
    assert second.session is not None
    assert (first.session.last_login, first.session.failures_since) == (None, 0)
    assert (second.session.last_login, second.session.failures_since) == (at, 2)


async def test_a_session_serves_its_own_file(core: AuthService) -> None:
    session = (await core.authenticate(PASSWORD_HOLDER, Secret("49205817"), STRANGER)).session
    assert session is not None
    payments = await core.payments(session)
    assert len(payments) == 3
    assert payments == sorted(payments, key=lambda payment: payment.date, reverse=True)
    assert [str(payment.amount) for payment in payments] == ["312.40", "148.52", "607.75"]
    before = await core.requests(session)
    await core.request_certificate(session)
    assert len(await core.requests(session)) == len(before) + 1


async def test_an_applicant_has_no_payments_and_no_certificate(core: AuthService) -> None:
    session = (await core.authenticate(APPLICANT, Secret("70316284"), STRANGER)).session
    assert session is not None
    assert await core.payments(session) == []
    assert len(await core.requests(session)) == 1
    with pytest.raises(NotEntitled):
        await core.request_certificate(session)


async def test_a_session_ends_when_its_secret_is_replaced(core: AuthService) -> None:
    session = (await core.authenticate(PIN_HOLDER, Secret("4821"), STRANGER)).session
    assert session is not None
    await core.create_password(PIN_HOLDER, Secret("4821"), Secret("52917364"), WEB)
    with pytest.raises(SessionEnded):
        await core.payments(session)


def test_nothing_shows_a_secret_or_a_whole_matricule() -> None:
    secret = Secret("49205817")
    assert f"{secret} {secret!r} {[secret]}" == "*** *** [***]"
    assert "0123" not in repr(PIN_HOLDER)
    with pytest.raises(TypeError):
        _ = secret == Secret("49205817")


async def test_right_when_it_was_given_and_replaced_while_it_is_judged_it_opens_nothing(
    core: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Hasher.match

    async def judge_and_replace(
        hasher: Hasher, secret: Secret, candidates: Iterable[Credential]
    ) -> Credential | None:
        found = await judge(hasher, secret, candidates)
        await core.nims(PIN_HOLDER, "Mme Martin")
        return found

    monkeypatch.setattr(Hasher, "match", judge_and_replace)
    assert not await is_in(core, PIN_HOLDER, "4821")
    story = await core.show(PIN_HOLDER, "tester")
    assert story.entries[1].detail == {"reason": "superseded"}
    assert story.case_file.last_login is None
