"""The call record: its form, its fixed vocabulary, and what it must not tell."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ivr.records import (
    CallRecord,
    EndClass,
    EndReason,
    RecordFile,
    masked_caller,
    shown_line,
    shown_prompt,
)


@pytest.mark.parametrize("reason", EndReason)
def test_every_reason_says_whose_doing_it_was(reason: EndReason) -> None:
    assert reason.end_class in EndClass


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("0612345678", "061234****"),
        ("+33612345678", "+3361234****"),
        ("+33612345678;phone-context=fr", "+3361234****"),
        ("0612345678abcd", "061234****"),
        ("118", "****"),
        ("", "****"),
    ],
)
def test_a_caller_shows_without_the_last_four_digits(number: str, shown: str) -> None:
    assert masked_caller(number) == shown


def test_a_record_is_one_line_of_json_with_the_agreed_keys(tmp_path: Path) -> None:
    file = tmp_path / "var" / "records.jsonl"
    moment = datetime(2026, 3, 14, 8, 5, 9, 123000, tzinfo=UTC)
    record = CallRecord(
        "abc@host", "0810257510", "061234****", moment, caf="751", version="3fa9c1d2"
    )
    record.ended, record.end_reason = moment, EndReason.HUNG_UP
    records = RecordFile(file)
    records.write(record)
    records.write(record)
    records.close()
    first, second = file.read_text(encoding="utf-8").splitlines()
    assert first == second
    assert json.loads(first) == {
        "call_id": "abc@host",
        "line": "0810257510",
        "caf": "751",
        "caller": "061234****",
        "version": "3fa9c1d2",
        "started": "2026-03-14T08:05:09.123+00:00",
        "answered": None,
        "ended": "2026-03-14T08:05:09.123+00:00",
        "end_class": "caller",
        "end_reason": "hung_up",
        "authenticated": None,
        "matricule": None,
        "plan": None,
        "node": None,
        "lost_password": False,
        "prompts": [],
        "transferred_to": None,
        "transfer_status": None,
        "dtmf": [],
        "dtmf_rejects": {},
        "rtp": {},
    }


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("0810257510", "0810257510"),
        ("0810257510,0123456,4821", "other"),
        ("0810257510;postd=0123456p4821", "other"),
        ("9" * 60_000, "other"),
    ],
)
def test_what_was_dialled_shows_only_when_it_is_a_plain_number(line: str, shown: str) -> None:
    assert shown_line(line) == shown


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        ("number_312", "number_*"),
        ("hundreds", "number_*"),
        ("day_14", "day_*"),
        ("benefit_rsa", "benefit_*"),
        ("state_refused", "state_*"),
        ("payments_intro", "payments_intro"),
        ("hour_from_9", "hour_from_9"),
    ],
)
def test_a_record_does_not_tell_what_somebody_is_paid(prompt: str, shown: str) -> None:
    assert shown_prompt(prompt) == shown


def test_records_are_no_business_of_other_users(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    RecordFile(file).close()
    assert file.stat().st_mode & 0o007 == 0


def at(*moment: int) -> CallRecord:
    began = datetime(*moment, tzinfo=UTC)  # type: ignore[misc, arg-type]
    return CallRecord(f"{began:%m-%d}", "0810257510", None, began, ended=began)


def calls(file: Path) -> list[str]:
    return [json.loads(line)["call_id"] for line in file.read_text().splitlines()]


def test_a_month_that_is_over_is_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    records = RecordFile(file)
    for moment in ((2026, 3, 30), (2026, 3, 31), (2026, 4, 1), (2026, 3, 31), (2026, 5, 2)):
        records.write(at(*moment))
    records.close()
    assert calls(tmp_path / "records-2026-03.jsonl") == ["03-30", "03-31"]
    assert calls(file)[-1] == "05-02"
    kept = [line for each in tmp_path.glob("records*.jsonl") for line in calls(each)]
    assert sorted(kept) == ["03-30", "03-31", "03-31", "04-01", "05-02"]


def test_a_file_of_before_the_start_is_set_aside_too(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text('{"call_id": "old"}\n')
    old = datetime(2026, 3, 31, 12, tzinfo=UTC).timestamp()
    os.utime(file, (old, old))
    records = RecordFile(file)
    records.write(at(2026, 4, 1))
    records.close()
    assert calls(tmp_path / "records-2026-03.jsonl") == ["old"]
    assert calls(file) == ["04-01"]
