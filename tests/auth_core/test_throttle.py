"""The allowance as pure policy: sequences of tries on a clock, no database."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from auth_core import AuthSettings, SecretKind
from auth_core.settings import CallerSettings, LockSettings, LostPasswordSettings
from auth_core.throttle import Bucket, CallerThrottle, FileThrottle

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
RULES = AuthSettings()
DAY = timedelta(days=1)


def after(throttle: FileThrottle, moment: datetime, count: int) -> FileThrottle:
    for _ in range(count):
        throttle = throttle.charge(Bucket.STRANGER, moment)
    return throttle


def test_a_lock_grows_four_times_and_stops_at_a_day() -> None:
    lock = LockSettings()
    hours = [lock.duration(level).total_seconds() / 3600 for level in range(1, 7)]
    assert hours == [0.25, 1, 4, 16, 24, 24]


def test_a_guesser_who_never_rests_gets_25_tries_in_the_first_day() -> None:
    throttle, now, judged = FileThrottle(), BEGIN, 0
    while now < BEGIN + DAY:
        if throttle.admits(Bucket.STRANGER, now, RULES, known_sources=False):
            throttle = throttle.charge(Bucket.STRANGER, now)
            judged += 1
        now += timedelta(seconds=30)
    assert judged == 25


def test_where_the_owner_has_a_number_on_file_five_of_the_25_are_theirs() -> None:
    throttle, now = FileThrottle(), BEGIN
    judged = {Bucket.STRANGER: 0, Bucket.KNOWN: 0}
    while now < BEGIN + DAY:
        for bucket in (Bucket.STRANGER, Bucket.KNOWN):
            if bucket is Bucket.KNOWN and now < BEGIN + DAY * 0.9:
                continue
            if throttle.admits(bucket, now, RULES, known_sources=True):
                throttle = throttle.charge(bucket, now)
                judged[bucket] += 1
        now += timedelta(seconds=30)
    assert judged == {Bucket.STRANGER: 20, Bucket.KNOWN: 5}


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(Bucket), st.integers(1, 400), st.booleans()), max_size=300)
)
def test_no_24_hours_ever_hold_more_than_25_failures(
    steps: list[tuple[Bucket, int, bool]],
) -> None:
    throttle, now = FileThrottle(), BEGIN
    judged: list[datetime] = []
    for bucket, minutes, known_sources in steps:
        now += timedelta(minutes=minutes)
        if throttle.admits(bucket, now, RULES, known_sources=known_sources):
            throttle = throttle.charge(bucket, now)
            judged.append(now)
        assert sum(now - at < DAY for at in judged) <= 25


def test_a_success_forgets_what_was_charged_before_it_and_nothing_since() -> None:
    throttle = after(FileThrottle(), BEGIN, 4)
    assert [t.number for t in throttle.clear(2).tries] == [3, 4]
    assert [t.number for t in throttle.give_back(2).tries] == [1, 3, 4]
    assert after(throttle.clear(4), BEGIN, 1).tries[0].number == 5


def test_failures_in_a_row_shut_a_pin_at_20_and_a_password_at_100() -> None:
    for kind, limit in ((SecretKind.PIN, 20), (SecretKind.PASSWORD, 100)):
        assert not after(FileThrottle(), BEGIN, limit - 1).refuses_live(kind, RULES)
        assert after(FileThrottle(), BEGIN, limit).refuses_live(kind, RULES)
    assert not after(FileThrottle(), BEGIN, 199).refuses_pending(RULES)
    assert after(FileThrottle(), BEGIN, 200).refuses_pending(RULES)


def test_requests_are_15_minutes_apart_and_three_a_day() -> None:
    limits = LostPasswordSettings()
    throttle, now, served = FileThrottle(), BEGIN, 0
    while now < BEGIN + DAY:
        if throttle.admits_request(now, limits):
            throttle, served = throttle.request(now), served + 1
            assert not throttle.admits_request(now + timedelta(minutes=14, seconds=59), limits)
        now += timedelta(minutes=1)
    assert served == 3
    assert throttle.admits_request(BEGIN + DAY, limits)


def test_a_caller_is_slowed_from_ten_failures_and_busy_from_twenty_for_an_hour() -> None:
    limits = CallerSettings()
    throttle, now = CallerThrottle(), BEGIN
    for failed in range(20):
        assert throttle.slow(now, limits) is (failed >= 10)
        assert not throttle.busy(now)
        now += timedelta(minutes=1)
        throttle = throttle.charge(now, limits, withheld=False)
    assert throttle.busy(now)
    assert throttle.busy(now + timedelta(minutes=59, seconds=59))
    assert not throttle.busy(now + timedelta(hours=1))


def test_what_a_caller_failed_an_hour_ago_is_forgotten() -> None:
    limits = CallerSettings()
    throttle, now = CallerThrottle(), BEGIN
    for _ in range(100):
        now += timedelta(minutes=7)
        throttle = throttle.charge(now, limits, withheld=False)
        assert not throttle.slow(now, limits)
        assert len(throttle.failures) <= 20


def test_withheld_callers_are_never_busy_and_take_bounded_room() -> None:
    limits = CallerSettings()
    throttle = CallerThrottle()
    for second in range(500):
        now = BEGIN + timedelta(seconds=second)
        throttle = throttle.charge(now, limits, withheld=True)
        assert not throttle.busy(now)
    assert throttle.slow(now, limits)
    assert len(throttle.failures) == 20
