"""The catalogue of texts, and the rule that keeps a secret away from all that identifies."""

from pathlib import Path

import pytest

from auth_core.delivery.outbox import MessageKind
from auth_core.delivery.texts import CATALOGUE, Texts, objection
from auth_core.model import DeliveryChoice
from auth_core.yamlfile import YamlFaults

# GSM 03.38 §6.2.1, the basic set: what an SMS holds 160 of.
GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
VALUES = {"until": "31/12/2026", "matricule": "0123456"}


def filled(kind: MessageKind, way: DeliveryChoice) -> str:
    return Texts.load().template(kind, way, **VALUES).replace("{secret}", "40718263")


@pytest.mark.parametrize("kind", MessageKind)
def test_an_sms_is_one_sms_and_not_two(kind: MessageKind) -> None:
    text = filled(kind, DeliveryChoice.SMS)
    assert set(text) <= GSM
    assert len(text) <= 160


@pytest.mark.parametrize("way", DeliveryChoice)
@pytest.mark.parametrize("kind", MessageKind)
def test_only_the_secret_kind_holds_a_secret(kind: MessageKind, way: DeliveryChoice) -> None:
    text = filled(kind, way)
    assert ("40718263" in text) == (kind is MessageKind.SECRET)
    assert objection(kind, text) is None


@pytest.mark.parametrize("way", DeliveryChoice)
def test_a_secret_stands_beside_nothing_that_identifies(way: DeliveryChoice) -> None:
    text = filled(MessageKind.SECRET, way).lower()
    for forbidden in ("0123456", "caf", "http", "www", ".fr", "nir", "numéro"):
        assert forbidden not in text


@pytest.mark.parametrize(
    "addition",
    [
        "Matricule 0123456.",
        "Caf 751.",
        "751",
        "NIR 2850375116001",
        "2 85 03 75 116 001 23",
        "Connectez-vous sur www.exemple",
        "https://exemple",
        "monespace.fr",
        "Un autre : 11112222.",
        "0810 29 29 29",
    ],
)
def test_a_text_with_more_than_the_secret_may_not_leave(addition: str) -> None:
    secret = "Votre mot de passe provisoire : 40718263."
    assert objection(MessageKind.SECRET, secret) is None
    assert objection(MessageKind.SECRET, f"{secret} {addition}") is not None


def test_a_secret_message_without_its_secret_may_not_leave() -> None:
    assert objection(MessageKind.SECRET, "Votre mot de passe provisoire : {secret}.") is not None


def test_a_notice_with_a_secret_may_not_leave() -> None:
    assert objection(MessageKind.PASSWORD_CHANGED, "Mot de passe : 40718263") is not None
    assert objection(MessageKind.MATRICULE, "0123456, mot de passe 40718263") is not None


def edited(tmp_path: Path, old: str, new: str) -> Path:
    text = CATALOGUE.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "texts.yaml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("Ne le communiquez", "Matricule {matricule}. Ne le", "placeholder that has no value"),
        ("Ne le communiquez", "Voir www.exemple. Ne le", "link"),
        ('subject: "Votre mot de passe provisoire"', 'subject: "Caf : code"', "Caf"),
        ("provisoire : {secret}.", "provisoire.", "must hold one secret"),
        ("votre mot de passe vient de changer", "{secret}", "placeholder that has no value"),
        ("mobile_changed:", "mobile_lost:", "mobile_lost"),
    ],
)
def test_a_catalogue_with_a_fault_says_where(tmp_path: Path, old: str, new: str, what: str) -> None:
    with pytest.raises(YamlFaults) as error:
        Texts.load(edited(tmp_path, old, new))
    assert what in str(error.value)
    assert "texts.yaml:" in str(error.value)
