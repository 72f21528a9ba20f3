"""Who may have which service, and which Caf serves whom."""

import pytest

from auth_core import Availability, Channel, FileStatus, SecretKind, Service, Session
from auth_core.cafs import caf_of
from auth_core.entitlements import availability


def session(
    status: FileStatus,
    channel: Channel = Channel.TELEPHONE,
    kind: SecretKind = SecretKind.PASSWORD,
) -> Session:
    return Session("f", "751", "0123456", status, kind, None, 0, channel)


APPLICANT = {
    Service.REQUESTS: "available",
    Service.DOCUMENTS: "available",
    Service.CONTACT: "available",
    Service.QUESTIONS: "available",
    Service.CHANGE_PASSWORD: "available",
    Service.PAYMENTS: "no_information",
    Service.RIGHTS: "no_information",
    Service.CHANGE_OF_SITUATION: "not_accessible",
    Service.ANNUAL_INCOME: "not_accessible",
    Service.QUARTERLY_INCOME: "not_accessible",
    Service.ONLINE_APPLICATION: "not_accessible",
    Service.CERTIFICATE: "not_accessible",  # not named by the seed: denied
}


@pytest.mark.parametrize("service", Service)
def test_an_applicant_has_the_services_of_the_table(service: Service) -> None:
    assert availability(session(FileStatus.APPLICANT, Channel.WEB), service) == APPLICANT[service]


@pytest.mark.parametrize("service", Service)
def test_an_affiliated_beneficiary_has_all(service: Service) -> None:
    on_web = session(FileStatus.AFFILIATED, Channel.WEB)
    assert availability(on_web, service) is Availability.AVAILABLE


@pytest.mark.parametrize("kind", [SecretKind.PIN, SecretKind.PROVISIONAL])
@pytest.mark.parametrize("channel", [Channel.WEB, Channel.APP, Channel.KIOSK])
def test_before_a_password_exists_web_app_and_kiosk_offer_nothing_else(
    kind: SecretKind, channel: Channel
) -> None:
    opened = session(FileStatus.AFFILIATED, channel, kind)
    offered = {s for s in Service if availability(opened, s) is Availability.AVAILABLE}
    assert offered == {Service.CHANGE_PASSWORD}


@pytest.mark.parametrize("kind", SecretKind)
def test_no_password_is_changed_by_telephone(kind: SecretKind) -> None:
    opened = session(FileStatus.AFFILIATED, Channel.TELEPHONE, kind)
    assert availability(opened, Service.CHANGE_PASSWORD) is Availability.NOT_ACCESSIBLE
    assert availability(opened, Service.PAYMENTS) is Availability.AVAILABLE


@pytest.mark.parametrize(
    ("postal_code", "caf"),
    [
        ("75011", "751"),
        ("13001", "131"),
        ("69003", "691"),
        ("01000", "011"),
        ("97110", "971"),
        ("97400", "974"),
        ("97600", "976"),
        ("97133", "971"),
        ("97150", "971"),
        ("20000", "201"),
        ("20100", "201"),
        ("20200", "202"),
        ("20620", "202"),
        ("20700", None),
        ("97500", None),
        ("98000", None),
        ("00100", None),
        ("96000", None),
        ("7501", None),
        ("750111", None),
        ("7501a", None),
        ("٧٥٠١١", None),
    ],
)
def test_a_postal_code_names_its_caf(postal_code: str, caf: str | None) -> None:
    assert caf_of(postal_code, {}) == caf


def test_the_longest_override_wins() -> None:
    overrides = {"59": "599", "591": "592", "59130": "593"}
    codes = ("59000", "59100", "59130", "75011")
    assert [caf_of(c, overrides) for c in codes] == ["599", "592", "593", "751"]
