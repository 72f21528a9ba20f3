"""What ended calls add up to."""

from datetime import UTC, datetime, timedelta

from ivr.records import CallRecord, EndClass, EndReason
from ivr.tally import Tally

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)


def record(seconds: float | None = None, **values: object) -> CallRecord:
    """Of a call that lasted so long after its answer; None: it was never answered."""
    made = CallRecord("id", "0810257510", None, BEGIN, **values)  # type: ignore[arg-type]
    made.end_reason = made.end_reason or EndReason.HUNG_UP
    made.answered = None if seconds is None else BEGIN
    made.ended = BEGIN + timedelta(seconds=seconds or 0)
    return made


def test_a_call_that_was_never_answered_has_no_duration_and_no_sound() -> None:
    tally = Tally()
    refused = record(end_reason=EndReason.NO_COMMON_CODEC)
    tally.call_ended(refused, "op")
    assert tally.ended == {EndReason.NO_COMMON_CODEC: 1}
    assert not tally.answered
    assert not tally.left
    assert tally.durations.counts == [0] * len(tally.durations.counts)


def test_where_a_call_ended_is_told_apart_by_whose_doing_it_was() -> None:
    tally = Tally()
    for reason in (EndReason.HUNG_UP, EndReason.HUNG_UP, EndReason.COMPLETED):
        ended = record(30, end_reason=reason, plan="caller", node="secret")
        tally.call_ended(ended, "op")
    assert tally.left == {
        ("caller", "secret", EndClass.CALLER): 2,
        ("caller", "secret", EndClass.SERVER): 1,
    }
    assert tally.durations.total == 90


def test_a_call_from_which_no_packet_came_is_unheard_and_has_no_score() -> None:
    tally = Tally()
    rtp = {"sent": 500, "received": 0, "lost": 0, "jitter_ms": 0.0, "mos": 4.4}
    tally.call_ended(record(10, rtp=rtp), "op")
    heard = {**rtp, "received": 480, "lost": 20, "jitter_ms": 12.0, "mos": 3.9}
    tally.call_ended(record(10, rtp=heard), "op")
    sound = tally.sound["op"]
    assert (sound.sent, sound.received, sound.lost, sound.unheard) == (1000, 480, 20, 1)
    assert (sum(sound.score.counts), sound.score.total) == (1, 3.9)
    assert sound.jitter.total == 0.012
