"""When the clocks of the media workers say that there is no room for more calls."""

import math

import pytest

from ivr.media.session import WorkerStats
from ivr.sound_watch import SoundWatch


def worker(
    clock: float,
    busy_seconds: float,
    *,
    share: int = 0,
    pid: int = 0,
    calls: int = 100,
    late: int = 0,
    dropped: int = 0,
) -> WorkerStats:
    return WorkerStats(
        share=share,
        pid=pid or 1000 + share,
        clock=clock,
        busy_seconds=busy_seconds,
        lateness=(),
        memory=0,
        calls=calls,
        ports=calls,
        resting=0,
        late_ticks=late,
        unsent=0,
        malformed=0,
        srtp_dropped={"replayed": dropped} if dropped else {},
    )


def watch() -> SoundWatch:
    return SoundWatch(max_late_ticks=10, max_busy=0.8)


def test_a_worker_at_ease_does_not_say_how_many_would_fit() -> None:
    sound = watch()
    sound.look([worker(0, 0)])
    sound.look([worker(1, 0.4)])
    assert [load.busy for load in sound.workers] == [0.4]
    assert sound.most_calls == math.inf
    assert not sound.is_late


def test_a_busy_one_says_it_by_what_a_call_takes() -> None:
    sound = watch()
    sound.look([worker(0, 0, calls=300)])
    sound.look([worker(2, 1.2, calls=300)])
    assert sound.most_calls == pytest.approx(400)


def test_the_busiest_of_several_says_it_for_all() -> None:
    sound = watch()
    sound.look([worker(0, 0), worker(0, 0, share=1)])
    sound.look([worker(1, 0.5, calls=100), worker(1, 0.8, share=1, calls=100)])
    assert sound.most_calls == pytest.approx(200)


def test_there_is_room_again_when_calls_have_ended() -> None:
    sound = watch()
    sound.look([worker(0, 0)])
    sound.look([worker(1, 0.9)])
    assert sound.most_calls < 100
    sound.look([worker(2, 1.0, calls=10)])
    assert sound.most_calls == math.inf


def test_calls_that_all_end_at_once_close_no_door() -> None:
    sound = watch()
    sound.look([worker(0, 0, calls=300)])
    sound.look([worker(1, 0.6, calls=0)])
    assert sound.most_calls == pytest.approx(400)


def test_late_ticks_count_between_two_looks() -> None:
    sound = watch()
    sound.look([worker(0, 0)])
    sound.look([worker(1, 0, late=11)])
    assert sound.is_late
    sound.look([worker(2, 0, late=20)])
    assert not sound.is_late
    assert sound.late_ticks == 20


def test_one_that_replaces_another_begins_at_nothing() -> None:
    sound = watch()
    sound.look([worker(100, 50, late=5, dropped=3)])
    sound.look([worker(3, 0.1, pid=7, late=1, dropped=2)])
    assert [load.busy for load in sound.workers] == [0.0]
    assert not sound.is_late
    assert sound.late_ticks == 6
    assert sound.srtp_dropped == {"replayed": 5}
