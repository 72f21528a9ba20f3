"""The `delivery:` section: what it takes, and how it says what is wrong."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from auth_core.delivery.settings import DeliverySettings, load_delivery_settings
from auth_core.yamlfile import YamlFaults


def test_an_operator_need_not_write_anything(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("sip: {port: 5070}\n")
    settings = load_delivery_settings(file)
    assert settings.sms.url is None
    assert settings.folder == tmp_path / "var" / "outbox"


def test_an_empty_section_has_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("delivery:\n")
    assert load_delivery_settings(file).tries == 10


def test_a_fault_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("delivery:\n  sms:\n    url: http://127.0.0.1\n    speed: 3\n")
    with pytest.raises(YamlFaults, match=r"config.yaml:4: delivery.sms.speed: unknown key"):
        load_delivery_settings(file)


def test_the_environment_goes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("delivery: {tries: 3}\n")
    monkeypatch.setenv("IVR_DELIVERY__TRIES", "4")
    monkeypatch.setenv("IVR_DELIVERY__SMS__URL", "https://sms.example/send")
    settings = load_delivery_settings(file)
    assert (settings.tries, str(settings.sms.url)) == (4, "https://sms.example/send")


def test_credentials_of_the_gateway_do_not_show() -> None:
    sms = {"headers": {"Authorization": "Bearer canary"}, "proxy": "http://u:canary@127.0.0.1:1"}
    settings = DeliverySettings.model_validate({"sms": sms})
    assert "canary" not in repr(settings)
    assert "canary" not in str(settings.model_dump())


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ({"sms": {"body": {"to": "{number}"}}}, "{text}"),
        ({"sms": {"body": {"to": "{number}", "text": "{text} {secret}"}}}, "{secret}"),
        ({"sms": {"body": {"to": "{number.__class__}", "text": "{text}"}}}, "has no value"),
        ({"sms": {"body": {"to": "{number}", "text": "{text"}}}, "brace"),
        ({"sms": {"encoding": "form", "body": {"to": "{number}", "t": ["{text}"]}}}, "texts only"),
        ({"sms": {"url": "sms.example"}}, "URL"),
        ({"sms": {"timeout": 100}}, "lease"),
        ({"first_retry": 100, "last_retry": 10}, "last_retry"),
        ({"letters": {"sender": ["Caf de Paris"]}}, "Caf"),
        ({"letters": {"sender": ["www.exemple"]}}, "link"),
        ({"letters": {"sender": ["0810 29 29 29"]}}, "number"),
        ({"letters": {"sender": ["a"] * 6}}, "5 lines"),
        ({"letters": {"late_hours": 73}}, "72"),
    ],
)
def test_what_cannot_work_is_refused(section: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError) as error:
        DeliverySettings.model_validate(section)
    assert what in str(error.value)


def test_a_sender_may_have_its_postal_address() -> None:
    sender = ("Allocations familiales", "12 rue de l'Exemple", "75015 Paris")
    assert DeliverySettings.model_validate({"letters": {"sender": sender}}).letters.sender == sender


def test_waits_double_up_to_the_last_and_spread() -> None:
    settings = DeliverySettings(first_retry=30, last_retry=600)
    assert [settings.retry_after(n, 1.0) for n in range(1, 7)] == [30, 60, 120, 240, 480, 600]
    assert settings.retry_after(1, 0.0) == 15
    assert settings.retry_after(10_000, 1.0) == 600
