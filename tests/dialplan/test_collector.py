"""Keys in, answers out: every rule of an entry on the telephone, on a clock that we move."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.dialplan.collector import MAX_KEYS_AHEAD, Collector
from ivr.dialplan.phone import Collected, Entry, Heard

MATRICULE = Entry(lengths=frozenset({7}), keys=frozenset("*"))
SECRET = Entry(lengths=frozenset({4, 8}), keys=frozenset("*#"))
MENU = Entry(keys=frozenset("1240*"))


def keyed(
    collector: Collector, keys: str, start: float = 1.0, pace: float = 0.5
) -> list[Collected]:
    """Press keys one by one and return the answers that came of them."""
    answers = []
    for position, key in enumerate(keys):
        now = start + position * pace
        collector.press(key, now)
        answer = collector.advance(now)
        if answer is not None:
            answers.append(answer)
    return answers


def asked(entry: Entry, now: float = 0.0) -> Collector:
    """A collector whose prompt has just ended."""
    collector = Collector()
    collector.begin(entry, now)
    collector.prompt_started(now)
    collector.prompt_ended(now)
    return collector


def test_the_greatest_length_submits_at_once() -> None:
    assert keyed(asked(SECRET), "49205817") == [Collected(Heard.ENTRY, "49205817")]


def test_a_shorter_accepted_length_is_submitted_by_hash() -> None:
    assert keyed(asked(SECRET), "4821#") == [Collected(Heard.ENTRY, "4821")]


def test_a_shorter_accepted_length_is_submitted_by_the_inter_digit_time() -> None:
    collector = asked(SECRET)
    keyed(collector, "4821", start=1.0, pace=0.5)
    assert collector.next_deadline() == pytest.approx(2.5 + 4.0)
    assert collector.advance(6.4) is None
    assert collector.advance(6.5) == Collected(Heard.ENTRY, "4821")


@pytest.mark.parametrize("keys", ["1", "12", "123", "12345", "123456", "1234567"])
def test_any_other_length_is_an_error_by_hash_and_by_time(keys: str) -> None:
    assert keyed(asked(SECRET), keys + "#") == [Collected(Heard.ERROR)]
    collector = asked(SECRET)
    keyed(collector, keys)
    deadline = collector.next_deadline()
    assert deadline is not None
    assert collector.advance(deadline) == Collected(Heard.ERROR)


def test_hash_alone_is_a_key_where_the_entry_says_so_and_an_error_elsewhere() -> None:
    assert keyed(asked(SECRET), "#") == [Collected(Heard.KEY, "#")]
    assert keyed(asked(MATRICULE), "#") == [Collected(Heard.ERROR)]


def test_star_answers_at_any_point_of_an_entry() -> None:
    assert keyed(asked(MATRICULE), "*") == [Collected(Heard.KEY, "*")]
    assert keyed(asked(MATRICULE), "01234*") == [Collected(Heard.KEY, "*")]


def test_zero_is_a_digit_in_an_entry_and_a_key_in_a_menu() -> None:
    assert keyed(asked(MATRICULE), "0000000") == [Collected(Heard.ENTRY, "0000000")]
    assert keyed(asked(MENU), "0") == [Collected(Heard.KEY, "0")]


def test_a_key_that_is_no_option_is_an_error() -> None:
    assert keyed(asked(MENU), "9") == [Collected(Heard.ERROR)]


def test_silence_is_counted_from_the_end_of_the_prompt() -> None:
    collector = Collector()
    collector.begin(MATRICULE, 0.0)
    collector.prompt_started(0.0)
    assert collector.next_deadline() is None
    assert collector.advance(15.0) is None
    collector.prompt_ended(15.0)
    assert collector.next_deadline() == 22.0
    assert collector.advance(21.9) is None
    assert collector.advance(22.0) == Collected(Heard.SILENCE)


def test_a_caller_who_talks_answers_where_the_entry_wants_to_know() -> None:
    collector = asked(replace(MATRICULE, voice=True))
    collector.spoke()
    assert collector.advance(1.0) == Collected(Heard.VOICE)
    collector.spoke()
    assert collector.advance(2.0) is None, "nothing is asked"
    collector = asked(MATRICULE)
    collector.spoke()
    assert collector.advance(1.0) is None


def test_a_voice_counts_neither_over_the_prompt_nor_once_keys_have_come() -> None:
    collector = Collector()
    collector.begin(replace(MATRICULE, voice=True), 0.0)
    collector.prompt_started(0.0)
    collector.spoke()
    assert collector.advance(1.0) is None
    collector.prompt_ended(2.0)
    collector.press("0", 3.0)
    collector.spoke()
    assert collector.advance(3.5) is None
    assert keyed(collector, "123456", start=4.0) == [Collected(Heard.ENTRY, "0123456")]


def test_no_timer_runs_over_a_whole_entry() -> None:
    collector = asked(SECRET)
    assert keyed(collector, "49205817", pace=3.9) == [Collected(Heard.ENTRY, "49205817")]


def test_a_late_hash_after_an_entry_submitted_by_its_length_is_dropped() -> None:
    collector = asked(MATRICULE)
    keyed(collector, "0123456", start=1.0, pace=0.1)
    assert collector.press("#", 2.0) is False
    collector.begin(SECRET, 2.1)
    assert collector.advance(2.1) is None
    assert not collector.keying


def test_a_late_hash_is_dropped_in_the_next_question_too_and_stops_no_prompt() -> None:
    collector = asked(MATRICULE)
    keyed(collector, "0123456", start=1.0, pace=0.1)
    collector.begin(SECRET, 1.7)
    collector.prompt_started(1.7)
    assert collector.press("#", 3.0) is False
    assert collector.advance(3.0) is None


def test_a_hash_after_the_inter_digit_time_means_forgotten() -> None:
    collector = asked(MATRICULE)
    keyed(collector, "0123456", start=1.0, pace=0.1)
    collector.begin(SECRET, 1.7)
    assert keyed(collector, "#", start=5.7) == [Collected(Heard.KEY, "#")]


def test_only_one_hash_is_late() -> None:
    collector = asked(MATRICULE)
    keyed(collector, "0123456", start=1.0, pace=0.1)
    collector.begin(SECRET, 1.7)
    assert keyed(collector, "##", start=2.0) == [Collected(Heard.KEY, "#")]


def test_a_hash_after_a_pause_submitted_the_entry_is_late() -> None:
    collector = asked(SECRET)
    keyed(collector, "4821", start=1.0, pace=0.1)
    assert collector.advance(5.5) == Collected(Heard.ENTRY, "4821")
    collector.begin(SECRET, 5.5)
    assert collector.press("#", 6.0) is False


def test_a_hash_that_ended_an_entry_leaves_the_next_one_its_meaning() -> None:
    collector = asked(SECRET)
    assert keyed(collector, "4821#", pace=0.1) == [Collected(Heard.ENTRY, "4821")]
    collector.begin(SECRET, 2.0)
    assert keyed(collector, "#", start=2.1) == [Collected(Heard.KEY, "#")]


def test_keys_ahead_of_the_prompts_answer_one_question_after_the_other() -> None:
    collector = Collector()
    for position, key in enumerate("0123456#4821#1"):
        assert collector.press(key, position * 0.2)
    collector.begin(MATRICULE, 5.0)
    assert collector.advance(5.0) == Collected(Heard.ENTRY, "0123456")
    collector.begin(SECRET, 5.0)
    assert collector.advance(5.0) == Collected(Heard.ENTRY, "4821")
    collector.begin(MENU, 5.0)
    assert collector.advance(5.0) == Collected(Heard.KEY, "1")


def test_an_entry_begun_ahead_goes_on_and_is_timed_from_the_question() -> None:
    collector = Collector()
    collector.press("0", 0.0)
    collector.press("1", 6.0)
    collector.begin(MATRICULE, 20.0)
    assert collector.keying
    assert collector.next_deadline() == 24.0
    assert keyed(collector, "23456", start=21.0) == [Collected(Heard.ENTRY, "0123456")]


def test_a_pause_between_keys_ahead_ends_an_entry_that_is_long_enough() -> None:
    collector = Collector()
    for position, key in enumerate("4821"):
        collector.press(key, position * 0.2)
    collector.press("1", 10.0)
    collector.begin(SECRET, 11.0)
    assert collector.advance(11.0) == Collected(Heard.ENTRY, "4821")
    collector.begin(MENU, 11.0)
    assert collector.advance(11.0) == Collected(Heard.KEY, "1")


def test_a_fresh_question_is_not_answered_by_what_was_keyed_before() -> None:
    collector = Collector()
    collector.press("1", 0.0)
    collector.begin(Entry(keys=frozenset("1"), fresh=True), 1.0)
    assert collector.advance(1.0) is None
    assert not collector.keying


def test_discarded_keys_are_gone() -> None:
    collector = Collector()
    collector.press("1", 0.0)
    collector.discard()
    collector.begin(MENU, 1.0)
    assert collector.advance(1.0) is None


def test_keys_that_no_caller_has_are_noise() -> None:
    collector = asked(MATRICULE)
    assert [collector.press(key, 1.0) for key in "ABCDx"] == [False] * 5
    assert not collector.keying


def test_keys_ahead_are_bounded() -> None:
    collector = Collector()
    counted = [collector.press("1", position * 0.01) for position in range(MAX_KEYS_AHEAD + 10)]
    assert counted.count(True) == MAX_KEYS_AHEAD


def test_a_late_timer_does_not_lend_a_key_to_the_answer_before() -> None:
    collector = asked(SECRET)
    keyed(collector, "4821", start=1.0, pace=0.1)
    collector.press("1", 30.0)
    assert collector.advance(30.0) == Collected(Heard.ENTRY, "4821")
    collector.begin(MENU, 30.0)
    assert collector.advance(30.0) == Collected(Heard.KEY, "1")


def test_no_key_shows_in_a_representation() -> None:
    collector = asked(SECRET)
    for key in "4821":
        collector.press(key, 1.0)
    assert "4821" not in repr(collector)
    assert "4821" not in repr(Collected(Heard.ENTRY, "4821"))


@given(
    st.lists(st.tuples(st.sampled_from("0123456789*#A"), st.floats(0, 10)), max_size=60),
    st.sampled_from([MATRICULE, SECRET, MENU]),
)
def test_whatever_is_keyed_an_answer_comes_and_is_of_an_accepted_form(
    presses: list[tuple[str, float]], entry: Entry
) -> None:
    collector = asked(entry)
    now = 0.0
    answers = []
    for key, pause in presses:
        now += pause
        collector.press(key, now)
        answer = collector.advance(now)
        if answer is not None:
            answers.append(answer)
            collector.begin(entry, now)
    deadline = collector.next_deadline()
    assert deadline is not None
    last = collector.advance(deadline)
    assert last is not None
    for answer in [*answers, last]:
        if answer.heard is Heard.ENTRY:
            assert len(answer.keys) in entry.lengths
            assert answer.keys.isdigit()
        elif answer.heard is Heard.KEY:
            assert answer.keys in entry.keys
        else:
            assert answer.keys == ""
    assert collector.next_deadline() is None


def test_a_late_hash_does_not_stop_the_prompt_that_follows() -> None:
    collector = Collector()
    collector.begin(Entry(lengths=frozenset({7})), 0.0)
    for place, key in enumerate("0123456"):
        assert collector.press(key, 0.1 * place)
    assert collector.advance(0.7) is not None
    assert not collector.press("#", 1.0), "between two questions"
    collector.begin(Entry(lengths=frozenset({4}), keys=frozenset("#")), 1.1)
    assert collector.press("#", 1.2), "only the first one is late"
