"""What callers live through, prompt by prompt: the caller's dialplan with the real rules."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from auth_core import AuthService, Identity, Session, SessionEnded
from ivr.dialplan.hours import OpeningHours
from ivr.dialplan.interpreter import CallContext, Ending, Facts, Run
from ivr.dialplan.phone import CallEnded, TransferOutcome
from ivr.dialplan.schema import Dialplan, load
from tests.dialplan.catalogue import ROOT, prompt_ids
from tests.dialplan.conftest import Clock
from tests.dialplan.fake_phone import PROMPT_SECONDS, Act, Caller, FakePhone

PLAN = load(ROOT / "dialplans" / "caller.yaml")
MONDAY_MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SUNDAY = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
OFFICE = OpeningHours.model_validate({"mon-fri": "09:00-16:30", "holidays": "fr"})

PARIS = CallContext(
    call_id="call-1",
    line="0810257510",
    caf="751",
    hours=OFFICE,
    advisor="sip:advisors@192.0.2.1",
    caller="+33612345678",
    clock=lambda: MONDAY_MORNING,
)
NATIONAL = replace(PARIS, line="0810292929", caf=None)

HEAR = Act.LISTEN
SERVICES = [
    "main_menu",
    "option_payments",
    "option_requests",
    "option_certificate",
    "option_password",
    "option_advisor",
]


async def live(
    people: AuthService,
    *doings: str | Act,
    context: CallContext = PARIS,
    plan: Dialplan = PLAN,
    transfer_ends: TransferOutcome = TransferOutcome.TAKEN,
) -> tuple[FakePhone, Facts]:
    """One call, from ring to end."""
    phone = FakePhone(Caller.keying(*doings), transfer_ends=transfer_ends)
    run = Run(plan, phone, people, context)
    try:
        await run.run()
    except CallEnded:
        assert phone.left
    else:
        assert phone.hung_up or phone.transfers
    ids = prompt_ids()
    assert set(phone.heard) <= ids["fr"] | ids["en"]
    return phone, run.facts


def in_order(heard: list[str], *expected: str) -> bool:
    """Whether the expected prompts were heard in this order, whatever came between."""
    remaining = iter(heard)
    return all(prompt in remaining for prompt in expected)


def after(heard: list[str], prompt: str, position: int = 0) -> list[str]:
    """What was heard from the given occurrence of `prompt` on."""
    places = [index for index, each in enumerate(heard) if each == prompt]
    return heard[places[position] :]


async def secrets_of(people: AuthService) -> dict[str, str]:
    """Which secrets the PIN holder of Paris has, by slot."""
    story = await people.show(Identity("751", "0123456"), "tests")
    return {secret.slot.value: secret.kind.value for secret in story.secrets}


# 1 to 3: the right secret.


async def test_pin_holder_on_the_paris_line(people: AuthService) -> None:
    phone, facts = await live(people, HEAR, HEAR, HEAR, "0123456", HEAR, "4821#")
    assert phone.heard[:5] == [
        "welcome",
        "welcome_paris",
        "ask_matricule",
        "ask_secret",
        "secret_forgotten_hint",
    ]
    assert in_order(phone.heard, "invite_create_password", *SERVICES)
    assert facts.authenticated == "pin"
    assert facts.caf == "751"
    assert facts.masked_matricule == "456"


async def test_pin_holder_without_hash(people: AuthService) -> None:
    phone, facts = await live(people, "0123456", HEAR, "4821")
    assert facts.authenticated == "pin"
    assert "bad_secret" not in phone.heard


async def test_password_holder_on_the_national_line_hears_payments(people: AuthService) -> None:
    phone, facts = await live(
        people, HEAR, HEAR, "75018", HEAR, "0234567", HEAR, "49205817", HEAR, "1", context=NATIONAL
    )
    assert phone.heard[:3] == ["welcome", "ask_postal_code", "ask_matricule"]
    assert facts.authenticated == "password"
    assert facts.caf == "751"
    payments = after(phone.heard, "payments_intro")
    payments = payments[: payments.index("main_menu")]
    assert len([prompt for prompt in payments if prompt.startswith("benefit_")]) == 3
    assert len([prompt for prompt in payments if prompt.startswith("day_")]) == 3
    assert payments.count("euros") == 3
    assert not {"invite_create_password", "invite_change_provisional"} & set(phone.heard)


async def test_the_eighth_digit_submits_at_once(people: AuthService) -> None:
    phone, facts = await live(people, "0234567", HEAR, "49205817", Act.LEAVE)
    assert facts.authenticated == "password"
    # 15 keys at 0.3 s and what was listened to: no inter-digit time in it.
    assert phone.now < 15 * 0.3 + 4 * 3.0


# 4 and 7: refusals.


async def test_every_refusal_has_the_same_words(people: AuthService) -> None:
    calls = {
        "wrong PIN": ("0123456", "0000#"),
        "a password where a PIN is": ("0123456", "11112223"),
        "a PIN where a password is": ("0234567", "4821#"),
        "wrong password": ("0234567", "11112223"),
        "unknown matricule": ("9999999", "4821#"),
    }
    heard = {}
    for name, (matricule, secret) in calls.items():
        phone, facts = await live(people, matricule, HEAR, secret, HEAR, Act.LEAVE)
        heard[name] = phone.heard
        assert facts.authenticated is None
        assert facts.masked_matricule is None
    assert len({tuple(each) for each in heard.values()}) == 1
    assert "refused" in heard["wrong PIN"]


async def test_wrong_three_times_leads_to_an_advisor(people: AuthService) -> None:
    phone, facts = await live(
        people, "0234567", HEAR, "11112223", HEAR, "11112224", HEAR, "11112225", HEAR
    )
    assert phone.heard.count("refused") == 3
    assert in_order(phone.heard, "refused", "refused", "too_many_tries", "advisor_connecting")
    assert phone.transfers == [("sip:advisors@192.0.2.1", ())]
    assert facts.end_reason is Ending.TRANSFERRED
    assert facts.transferred_to == "sip:advisors@192.0.2.1"


async def test_wrong_three_times_out_of_hours_is_goodbye(people: AuthService) -> None:
    phone, facts = await live(
        people,
        *("0234567", HEAR, "11112223", HEAR, "*0123456", HEAR, "9999#", HEAR, "8888#", HEAR),
        context=replace(PARIS, clock=lambda: SUNDAY),
    )
    assert in_order(phone.heard, "too_many_tries", "advisor_closed", "hours_intro", "goodbye")
    assert phone.heard[-1] == "goodbye"
    assert facts.end_reason is Ending.COMPLETED
    assert "ask_matricule" not in after(phone.heard, "too_many_tries")


async def test_keys_ahead_of_a_refusal_are_not_the_next_try(people: AuthService) -> None:
    phone, _ = await live(people, "0234567", "11112223", "11112224", "1", HEAR, Act.LEAVE)
    assert phone.heard.count("refused") >= 1
    assert "too_many_tries" not in phone.heard


async def test_after_a_refusal_the_matricule_may_be_keyed_again(people: AuthService) -> None:
    phone, facts = await live(
        people, "0123457", HEAR, "4821#", HEAR, "*", "0123456", HEAR, "4821#", HEAR
    )
    assert phone.heard.count("refused") == 1
    assert facts.authenticated == "pin"


async def test_locked_after_five_failures_over_two_calls(people: AuthService, clock: Clock) -> None:
    wrong = ("0234567", HEAR, "11112223", HEAR, "11112224", HEAR, "11112225", HEAR)
    await live(people, *wrong)
    failed, _ = await live(people, *wrong[:6], HEAR, Act.LEAVE)
    right = ("0234567", HEAR, "49205817", HEAR, HEAR, Act.LEAVE)
    for _ in range(2):
        locked, facts = await live(people, *right)
        assert facts.authenticated is None
        assert in_order(failed.heard, *locked.heard)
    clock.advance(minutes=16)
    _, facts = await live(people, *right)
    assert facts.authenticated == "password"


# 5 and 6: provisional, expired.


async def test_provisional_holder_is_an_applicant(people: AuthService) -> None:
    phone, facts = await live(
        people, "13001", HEAR, "0345678", HEAR, "70316284", HEAR, HEAR, "1", HEAR, HEAR, "3",
        HEAR, HEAR, context=NATIONAL,
    )  # fmt: skip
    assert facts.authenticated == "provisional"
    assert in_order(
        phone.heard, "invite_change_provisional", "main_menu", "no_information", "main_menu",
        "not_accessible", "main_menu",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("postal_code", "matricule", "secret", "told"),
    [
        ("69003", "0456789", "58147036", "expired_password"),
        ("97110", "0678901", "60418275", "expired_provisional"),
    ],
)
async def test_a_right_but_expired_secret_is_told_so_and_is_not_in(
    people: AuthService, postal_code: str, matricule: str, secret: str, told: str
) -> None:
    phone, facts = await live(
        people, postal_code, HEAR, matricule, HEAR, secret, HEAR, HEAR, "1", HEAR, context=NATIONAL
    )
    assert in_order(
        phone.heard, told, "expired_how_to", "expired_menu", "option_send_provisional",
        "ask_birth_day_month",
    )  # fmt: skip
    assert facts.authenticated is None
    assert "main_menu" not in phone.heard


# 8: passwords are not made by telephone.


async def test_creating_a_password_is_refused_with_the_reason(people: AuthService) -> None:
    before = await secrets_of(people)
    phone, facts = await live(people, "0123456", HEAR, "4821#", HEAR, HEAR, HEAR, "4", HEAR, HEAR)
    assert in_order(
        phone.heard, "invite_create_password", "main_menu", "password_help", "password_help_where",
        *SERVICES,
    )  # fmt: skip
    assert facts.authenticated == "pin"
    assert await secrets_of(people) == before


async def test_keying_a_new_password_at_the_invitation_makes_none(people: AuthService) -> None:
    before = await secrets_of(people)
    await live(people, "0123456", HEAR, "4821#", HEAR, "73914682#73914682#", HEAR, HEAR, Act.LEAVE)
    assert await secrets_of(people) == before


# 9: forgotten.


@pytest.mark.parametrize("key", ["1", "2"])
async def test_forgotten_asks_the_birthday_then_the_way(people: AuthService, key: str) -> None:
    doings = ("0123456", HEAR, "#", HEAR, "1403", HEAR, key, HEAR, HEAR, "2", HEAR)
    phone, facts = await live(people, *doings)
    assert in_order(
        phone.heard, "ask_secret", "ask_birth_day_month", "birth_day_month_example",
        "forgotten_menu", "option_sms", "option_letter", "option_i_remember", "forgotten_done",
        "forgotten_still_valid", "after_forgotten_menu", "goodbye",
    )  # fmt: skip
    assert facts.authenticated is None
    assert await secrets_of(people) == {"live": "pin", "pending": "provisional"}


async def test_forgotten_has_the_same_words_whoever_asks(people: AuthService) -> None:
    heard = set()
    for matricule, birthday in (("0123456", "1403"), ("0123456", "0101"), ("9999999", "1403")):
        phone, _ = await live(people, matricule, HEAR, "#", HEAR, birthday, HEAR, "1", HEAR)
        heard.add(tuple(phone.heard))
    assert len(heard) == 1


async def test_whoever_remembers_goes_back_to_the_secret(people: AuthService) -> None:
    _, facts = await live(people, "0123456", HEAR, "#", HEAR, "1403", HEAR, "*", HEAR, "4821#")
    assert facts.authenticated == "pin"


async def test_the_live_secret_still_works_after_a_request(people: AuthService) -> None:
    await live(people, "0123456", HEAR, "#", HEAR, "1403", HEAR, "1", HEAR, Act.LEAVE)
    _, facts = await live(people, "0123456", HEAR, "4821#", HEAR, Act.LEAVE)
    assert facts.authenticated == "pin"


# 10: silence, wrong keys, stars, hashes, zeros, keys ahead, hang-up.


async def test_silence_is_asked_again_three_times_then_goodbye(people: AuthService) -> None:
    phone, facts = await live(people)
    assert phone.heard == [
        "welcome", "welcome_paris", "ask_matricule", "no_input", "ask_matricule", "no_input",
        "ask_matricule", "no_input", "ask_matricule", "goodbye",
    ]  # fmt: skip
    assert facts.end_reason is Ending.COMPLETED
    assert facts.node == "goodbye"


async def test_silence_and_errors_are_counted_apart(people: AuthService) -> None:
    turns: list[str | Act] = []
    for _ in range(3):
        turns += ["12#", HEAR, Act.WAIT, HEAR]
    phone, facts = await live(people, HEAR, HEAR, HEAR, *turns, "0123456", HEAR, "4821#")
    assert phone.heard.count("bad_matricule") == 3
    assert phone.heard.count("no_input") >= 3
    assert facts.authenticated == "pin"


async def test_the_fourth_error_leads_to_an_advisor(people: AuthService) -> None:
    phone, _ = await live(people, HEAR, HEAR, *(("12#", HEAR) * 4))
    assert phone.heard.count("bad_matricule") == 3
    assert phone.transfers


async def test_a_caller_who_talks_is_told_once_to_use_the_keypad(people: AuthService) -> None:
    phone, facts = await live(
        people, HEAR, HEAR, HEAR, Act.TALK, HEAR, Act.TALK, "0123456", HEAR, Act.TALK, "4821#"
    )
    assert phone.heard.count("use_keypad") == 1
    assert phone.heard.count("ask_matricule") == 1, "it is not asked again: it was heard"
    assert [entry.voice for entry in phone.questions[:3]] == [True, False, False]
    assert facts.authenticated == "pin"


async def test_talking_counts_neither_as_silence_nor_as_an_error(people: AuthService) -> None:
    silent, _ = await live(people)
    talking, _ = await live(people, HEAR, HEAR, HEAR, Act.TALK)
    assert talking.heard.count("no_input") == silent.heard.count("no_input") == 3
    wrong = ("12#", HEAR) * 3
    phone, facts = await live(
        people, HEAR, HEAR, HEAR, Act.TALK, HEAR, *wrong, "0123456", HEAR, "4821#"
    )
    assert phone.heard.count("bad_matricule") == 3
    assert facts.authenticated == "pin"


async def test_after_that_the_time_for_a_first_key_begins_anew(people: AuthService) -> None:
    silent, _ = await live(people, HEAR, HEAR, HEAR, Act.WAIT, Act.LEAVE)
    talking, _ = await live(people, HEAR, HEAR, HEAR, Act.TALK, HEAR, Act.WAIT, Act.LEAVE)
    assert talking.now == silent.now + 1.0 + PROMPT_SECONDS


async def test_talking_to_somebody_else_with_keys_begun_changes_nothing(
    people: AuthService,
) -> None:
    phone, facts = await live(people, HEAR, HEAR, HEAR, "012", Act.TALK, "3456", HEAR, "4821#")
    assert "use_keypad" not in phone.heard
    assert facts.authenticated == "pin"


async def test_a_flow_with_nothing_to_say_to_it_does_not_listen(people: AuthService) -> None:
    reminders = PLAN.settings.reminders.model_copy(update={"voice": []})
    settings = PLAN.settings.model_copy(update={"reminders": reminders})
    phone, _ = await live(
        people, HEAR, HEAR, HEAR, Act.TALK, "0123456", plan=replace(PLAN, settings=settings)
    )
    assert not any(entry.voice for entry in phone.questions)
    assert "use_keypad" not in phone.heard


@pytest.mark.parametrize("digits", ["482", "48215", "4821593"])
async def test_a_format_error_is_not_a_try(people: AuthService, digits: str) -> None:
    phone, facts = await live(
        people, "0123456", HEAR, *((digits + "#", HEAR) * 3), "4821#", HEAR, Act.LEAVE
    )
    assert phone.heard.count("bad_secret") == 3
    assert "refused" not in phone.heard
    assert facts.authenticated == "pin"


async def test_a_stray_hash_after_seven_digits_is_not_forgotten(people: AuthService) -> None:
    phone, facts = await live(people, HEAR, HEAR, HEAR, "0123456#", HEAR, "4821#")
    assert "ask_birth_day_month" not in phone.heard
    assert facts.authenticated == "pin"


async def test_keys_ahead_of_the_prompts_count(people: AuthService) -> None:
    phone, facts = await live(people, "01234564821#")
    assert facts.authenticated == "pin"
    assert "ask_matricule" not in phone.heard


async def test_star_is_help_before_identification(people: AuthService) -> None:
    phone, facts = await live(
        people, HEAR, HEAR, "*", HEAR, "2", HEAR, "2", HEAR, "*", HEAR, "1", HEAR, "13002", HEAR,
        "0123456", HEAR, "83520641", HEAR,
    )  # fmt: skip
    assert in_order(
        phone.heard, "help_menu", "option_other_caf", "option_rules", "option_matricule_again",
        "rules_intro", "rules_simple", "rules_personal", "rules_reuse", "how_to_create",
        "help_advisor_menu", "ask_matricule", "help_menu", "ask_new_postal_code", "ask_matricule",
    )  # fmt: skip
    assert facts.caf == "131"


async def test_help_out_of_hours_says_when_advisors_answer(people: AuthService) -> None:
    phone, _ = await live(
        people, HEAR, HEAR, "*", HEAR, "2", HEAR, HEAR, Act.LEAVE,
        context=replace(PARIS, clock=lambda: SUNDAY),
    )  # fmt: skip
    assert in_order(phone.heard, "how_to_create", "advisor_closed", "hours_intro", "ask_matricule")


async def test_star_repeats_a_menu_and_goes_back_from_the_secret(people: AuthService) -> None:
    phone, facts = await live(
        people, "0567890", HEAR, "*", HEAR, "0123456", HEAR, "4821#", HEAR, HEAR, HEAR, "*", HEAR,
        Act.LEAVE,
    )  # fmt: skip
    assert facts.masked_matricule == "456"
    assert phone.heard.count("main_menu") == 2
    assert "wrong_key" not in phone.heard


async def test_a_wrong_key_in_a_menu_is_told(people: AuthService) -> None:
    phone, _ = await live(people, "0123456", HEAR, "4821#", HEAR, HEAR, HEAR, "9", HEAR, Act.LEAVE)
    assert in_order(phone.heard, "main_menu", "wrong_key", "main_menu")


async def test_an_unknown_postal_code_is_asked_again(people: AuthService) -> None:
    phone, facts = await live(
        people, HEAR, HEAR, "00000", HEAR, "123#", HEAR, "75011", HEAR, "0123456", HEAR, "4821#",
        context=NATIONAL,
    )  # fmt: skip
    assert in_order(
        phone.heard, "ask_postal_code", "unknown_postal_code", "ask_postal_code",
        "bad_postal_code", "ask_postal_code", "ask_matricule",
    )  # fmt: skip
    assert facts.authenticated == "pin"


async def test_zero_out_of_hours_says_when_they_open_and_the_menu_goes_on(
    people: AuthService,
) -> None:
    phone, _ = await live(
        people, "0123456", HEAR, "4821#", HEAR, HEAR, HEAR, "0", HEAR, HEAR, "4", HEAR, Act.LEAVE,
        context=replace(PARIS, clock=lambda: SUNDAY),
    )  # fmt: skip
    assert in_order(
        phone.heard, "advisor_closed", "hours_intro", "weekday_from_1", "weekday_to_5",
        "hour_from_9", "hour_to_16", "number_30", "hours_holidays", "main_menu", "password_help",
    )  # fmt: skip
    assert phone.transfers == []


@pytest.mark.parametrize("moment", range(12))
async def test_hanging_up_in_the_middle_of_anything(people: AuthService, moment: int) -> None:
    doings: list[str | Act] = [
        HEAR,
        HEAR,
        HEAR,
        "0123456",
        HEAR,
        "4821#",
        HEAR,
        HEAR,
        HEAR,
        "1",
        HEAR,
        "0",
    ]
    phone, facts = await live(people, *doings[:moment], Act.LEAVE)
    assert phone.left
    assert facts.end_reason is None
    assert facts.node


# 11: the same matricule elsewhere.


async def test_the_same_matricule_in_another_caf_has_its_own_secret(people: AuthService) -> None:
    _, refused = await live(people, "0123456", HEAR, "83520641", HEAR, Act.LEAVE)
    assert refused.authenticated is None
    _, granted = await live(
        people, "13002", HEAR, "0123456", HEAR, "83520641", HEAR, Act.LEAVE, context=NATIONAL
    )
    assert granted.authenticated == "password"
    assert granted.caf == "131"


# Advisor.


async def test_an_advisor_gets_a_reference_and_nothing_more_in_clear(people: AuthService) -> None:
    keys = ("0123456", HEAR, "4821#", HEAR, HEAR, HEAR, "0")
    phone, _ = await live(people, *keys)
    [(target, [(name, reference)])] = phone.transfers
    assert (target, name) == ("sip:advisors@192.0.2.1", "X-Auth-Reference")
    assert await people.redeem_reference(reference, "M. Petit") == Identity("751", "0123456")
    assert await people.redeem_reference(reference, "M. Petit") is None


async def test_an_advisor_gets_caf_and_matricule_on_an_encrypted_trunk(people: AuthService) -> None:
    keys = ("0123456", HEAR, "4821#", HEAR, HEAR, HEAR, "0")
    phone, _ = await live(people, *keys, context=replace(PARIS, secure=True))
    [(_, headers)] = phone.transfers
    assert headers[1:] == (("X-Auth-Caf", "751"), ("X-Auth-Matricule", "0123456"))


async def test_an_advisor_is_found_even_when_no_reference_can_be_made(
    people: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Session) -> str:
        raise OSError

    monkeypatch.setattr(people, "transfer_reference", fail)
    phone, facts = await live(people, "0123456", HEAR, "4821#", HEAR, HEAR, HEAR, "0")
    assert phone.transfers == [("sip:advisors@192.0.2.1", ())]
    assert facts.transferred_to == "sip:advisors@192.0.2.1"


@pytest.mark.parametrize("configured", [True, False])
async def test_a_refused_transfer_is_an_apology_and_the_menu(
    people: AuthService, configured: bool
) -> None:
    context = PARIS if configured else replace(PARIS, advisor=None)
    phone, facts = await live(
        people, "0123456", HEAR, "4821#", HEAR, HEAR, HEAR, "0", HEAR, HEAR, "4", HEAR, Act.LEAVE,
        context=context, transfer_ends=TransferOutcome.REFUSED,
    )  # fmt: skip
    assert in_order(phone.heard, "advisor_unavailable", "main_menu", "password_help")
    assert facts.transferred_to is None


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (TransferOutcome.BUSY, "advisor_busy"),
        (TransferOutcome.NO_ANSWER, "advisor_no_answer"),
        (TransferOutcome.NOT_POSSIBLE, "advisor_unavailable"),
    ],
)
async def test_a_caller_who_comes_back_hears_why(
    people: AuthService, outcome: TransferOutcome, said: str
) -> None:
    phone, facts = await live(
        people, "0123456", HEAR, "4821#", HEAR, HEAR, HEAR, "0", HEAR, HEAR, "4", HEAR, Act.LEAVE,
        transfer_ends=outcome,
    )  # fmt: skip
    assert in_order(phone.heard, "advisor_connecting", said, "main_menu", "password_help")
    assert facts.transferred_to is None


# Language, trouble.


async def test_english_by_key(people: AuthService) -> None:
    phone, facts = await live(people, "*", HEAR, "4", HEAR, "0123456", HEAR, "4821#")
    assert phone.languages == ["fr", "en"]
    assert facts.language == "en"
    assert facts.authenticated == "pin"


async def test_english_by_line(people: AuthService) -> None:
    phone, _ = await live(people, Act.LEAVE, context=replace(PARIS, language="en"))
    assert phone.languages == ["en"]


async def test_a_secret_replaced_during_the_call_asks_to_identify_again(
    people: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ended(*_: object) -> None:
        raise SessionEnded("replaced")

    monkeypatch.setattr(people, "payments", ended)
    phone, _ = await live(people, "0123456", HEAR, "4821#", HEAR, HEAR, HEAR, "1", HEAR, HEAR)
    assert in_order(phone.heard, "main_menu", "signed_out", "ask_matricule", "goodbye")
    assert "main_menu" not in after(phone.heard, "signed_out")


async def test_a_failing_service_is_an_apology_not_silence(
    people: AuthService, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("INSERT … 4821")

    monkeypatch.setattr(people, "authenticate", fail)
    phone, facts = await live(people, "0123456", HEAR, "4821#")
    assert phone.heard[-2:] == ["technical_trouble", "goodbye"]
    assert facts.end_reason is Ending.COMPLETED
    written = capsys.readouterr()
    assert "4821" not in written.out + written.err
    assert "RuntimeError" in written.out + written.err
