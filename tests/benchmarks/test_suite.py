"""What the suite makes of its runs."""

from dataclasses import replace

from benchmarks import barge_in
from benchmarks.calls import Figures, Run
from benchmarks.crowd import Heard
from benchmarks.fleet import FleetReport
from benchmarks.ringing import Tally
from benchmarks.short_calls import Figures as ShortCalls
from benchmarks.suite import FEW, MANY, MOST, SHORT_RATE, Results, judged

GOOD = Figures(
    calls=1, failed=0, refused={}, hung_up_by_server=0, seconds=25.0, ready_s=1.5, slow_steps=0,
    cpu_ms=0.4, cpu_of_parts_ms={}, cpu_of_callers_ms=0.3, cores=0.5, memory_per_call_kb=40.0,
    set_up_p50_ms=5.0, set_up_p95_ms=8.0, first_packet_p95_ms=20.0, received=1000, lost=0,
    lost_to_server=0, gap_p50_ms=20.0, gap_p99_ms=22.0, gap_max_ms=40.0, menu_p50_ms=40.0,
    menu_p95_ms=60.0, logins=100, verdict_p50_ms=100.0, verdict_p95_ms=200.0, verdict_p99_ms=250.0,
    unanswered_keys=0, callers_late_p99_ms=1.0, callers_overflowed=0, conclusive=True,
)  # fmt: skip
SHORT = ShortCalls(
    rate=SHORT_RATE, placed_rate=SHORT_RATE, placed=2400, failed=0, repeated=0, set_up_p50_ms=5.0,
    set_up_p95_ms=9.0, set_up_p99_ms=12.0, set_up_max_ms=30.0, cpu_per_call_ms=2.5,
    cpu_of_parts_ms={}, callers_late_p99_ms=1.0, conclusive=True,
)  # fmt: skip
KEYED = [
    barge_in.Figures(
        way=way, calls=200, keys=1000, unanswered=0, p50_ms=30.0, p95_ms=40.0, p99_ms=45.0,
        max_ms=90.0, limit_ms=limit, callers_late_p99_ms=1.0, conclusive=True,
    )
    for way, limit in barge_in.WAYS.items()
]  # fmt: skip


def results(figures: Figures, short: ShortCalls = SHORT) -> Results:
    run = Run(figures, FleetReport(Tally(), Heard()))
    return Results({str(calls): run for calls in (FEW, MANY, MOST)}, [short], KEYED)


def met(results: Results) -> dict[str, bool | None]:
    """Whether each figure was met, by the first words of its name."""
    return {row.what.split(",")[0].split(" at ")[0]: row.met for row in judged(results)}


def test_all_is_met() -> None:
    assert set(met(results(GOOD)).values()) == {True}


def test_each_that_is_missed_is_said() -> None:
    bad = replace(GOOD, cpu_ms=0.51, verdict_p95_ms=501.0, lost=1, gap_p99_ms=25.5, ready_s=2.1)
    missed = {what for what, reached in met(results(bad)).items() if reached is False}
    assert missed == {
        "CPU per call-second",
        "last digit to first sound",
        "lost on the way to the callers",
        "inter-arrival p99",
        "ready",
    }
    assert met(results(GOOD, replace(SHORT, failed=1)))["set-up p95"] is False


def test_a_run_without_a_login_does_not_meet_the_time_of_logins() -> None:
    assert met(results(replace(GOOD, logins=0)))["last digit to first sound"] is False


def test_nothing_can_be_said_when_the_callers_were_late_or_a_run_failed() -> None:
    late = met(results(replace(GOOD, conclusive=False)))
    others = ("ready", "set-up p95", *(f"key to silence by {way}" for way in barge_in.WAYS))
    assert {reached for what, reached in late.items() if what not in others} == {None}
    assert set(met(Results()).values()) == {None}


def test_one_key_without_effect_or_too_late_is_said() -> None:
    events, tones = KEYED
    found = results(GOOD)
    found.keyed = [replace(events, unanswered=1), replace(tones, max_ms=120.5)]
    assert met(found)["key to silence by rfc4733"] is False
    assert met(found)["key to silence by inband"] is False
    found.keyed = [replace(events, conclusive=False)]
    assert met(found)["key to silence by rfc4733"] is None
