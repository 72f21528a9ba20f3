"""What has ended today, counted from records."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ivr.console.day import Day
from ivr.console.plots import Series, hourly
from ivr.console.record_file import BLOCK, Filter, last_records, lines_from_the_end
from ivr.overview import day_so_far
from tests.console.staged import staged_record

TODAY = date(2026, 3, 14)
MORNING = datetime(2026, 3, 14, 8, 0, tzinfo=UTC)  # 9 in Paris


def record(**changes: object) -> dict[str, object]:
    """A call of 20 s that ended today at 9 in Paris."""
    return {**staged_record(MORNING, 0, seconds=20), **changes}


def counted(*records: Mapping[str, object]) -> Day:
    day = Day(TODAY)
    for each in records:
        day.add(each)
    return day


def test_a_call_counts_in_its_hour_of_paris() -> None:
    tally = counted(record()).tally
    assert tally.calls.index(1) == 9
    assert sum(tally.calls) == 1


def test_who_leaves_before_being_in_is_told_with_the_step() -> None:
    left = record(end_reason="hung_up", authenticated=None, plan="caller", node="ask_secret")
    cancelled = record(
        end_reason="cancelled", authenticated=None, answered=None, plan=None, node=None
    )
    inside = record(end_reason="hung_up", authenticated="pin", node="services")
    served = record(end_reason="completed", end_class="server", authenticated=None)
    tally = counted(left, left, cancelled, inside, served).tally
    assert tally.abandoned == {("caller", "ask_secret"): 2, ("", ""): 1}
    assert tally.left[9] == 3
    assert tally.by_kind == {"pin": 1}
    assert tally.others[9] == 1


def test_a_lost_password_and_a_refusal_are_counted() -> None:
    refused = record(end_class="refused", end_reason="too_many_calls", answered=None)
    tally = counted(record(lost_password=True), refused).tally
    assert tally.lost_passwords == 1
    assert tally.refused[9] == 1
    assert sum(tally.answered) == 1


def test_how_long_callers_wait_for_an_answer() -> None:
    assert Day(TODAY).tally.answered_within(0.5) is None
    quick = record(answered=(MORNING + timedelta(milliseconds=30)).isoformat())
    slow = record(answered=(MORNING + timedelta(seconds=3)).isoformat())
    never = record(answered=(MORNING + timedelta(minutes=1)).isoformat())
    tally = counted(*[quick] * 18, slow, never).tally
    assert tally.answered_within(0.5) == 0.05
    assert tally.answered_within(0.95) == 5.0
    assert tally.answered_within(0.99) == float("inf")


def test_midnight_in_paris_begins_anew() -> None:
    late = record(ended="2026-03-14T23:30:00+00:00")  # 0:30 in Paris
    day = counted(record(), late, record())
    assert day.tally.date == date(2026, 3, 15)
    assert sum(day.tally.calls) == 1
    assert sum(day.on(date(2026, 3, 16)).calls) == 0


def test_a_restart_goes_on_counting(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    now = datetime.now(UTC)
    lines = [
        json.dumps(staged_record(now - timedelta(days=2), 0, seconds=0)),
        "no record",
        json.dumps(staged_record(now, 1, seconds=0)),
        json.dumps(staged_record(now, 2, seconds=0)),
        '{"call_id": "half a rec',
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    assert sum(day_so_far(file).tally.calls) == 2
    assert sum(day_so_far(tmp_path / "none").tally.calls) == 0


def test_a_file_is_read_from_its_end_over_blocks(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    lines = [f"{n:06d}".encode() + b"x" * (n * 37 % 5000) for n in range(200)]
    lines[100] = b"y" * (2 * BLOCK + 17)
    file.write_bytes(b"\n".join(lines) + b"\n")
    found = list(lines_from_the_end(file))
    assert [line for _, line in found] == lines[::-1]
    data = file.read_bytes()
    assert all(data[at : at + len(line)] == line for at, line in found)
    for at, _ in found[::17]:
        assert next(iter(lines_from_the_end(file, at)), (0, b""))[1] == (
            lines[lines.index(data[at : data.index(b"\n", at)]) - 1] if at else b""
        )


def test_an_old_record_is_found_by_part_of_its_id(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    text = "".join(json.dumps(staged_record(MORNING, n)) + "\n" for n in range(500))
    file.write_text(text, encoding="utf-8")
    found = last_records(file, Filter(text="00000011@"), 50)
    assert [each["call_id"] for each in found.records] == ["00000011@203.0.113.10"]


@pytest.mark.parametrize(("highest", "top"), [(0, 4), (4, 4), (5, 8), (96, 100), (101, 200)])
def test_an_axis_ends_at_a_round_number(highest: int, top: int) -> None:
    plot = hourly("<calls>", [Series("in", "in", [highest] + [0] * 23)])
    assert f'text-anchor="end">{top}</text>' in plot
    assert 'aria-label="&lt;calls&gt;"' in plot
