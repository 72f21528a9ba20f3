"""Which service for whom: the seed's table, as data (DOMAIN: the life of a secret, 2 and 8)."""

from collections.abc import Mapping
from enum import StrEnum

from auth_core.model import Channel, FileStatus, SecretKind, Session


class Service(StrEnum):
    """What somebody who is in may ask for."""

    REQUESTS = "requests"  # suivre ses démarches
    DOCUMENTS = "documents"  # transmettre une pièce justificative
    CONTACT = "contact"  # contacter sa Caf
    QUESTIONS = "questions"  # « La Caf vous demande »
    CHANGE_PASSWORD = "change_password"  # noqa: S105 - the name of a service
    PAYMENTS = "payments"  # mes paiements
    RIGHTS = "rights"  # consulter mes droits
    CHANGE_OF_SITUATION = "change_of_situation"
    ANNUAL_INCOME = "annual_income"
    QUARTERLY_INCOME = "quarterly_income"
    ONLINE_APPLICATION = "online_application"
    CERTIFICATE = "certificate"


class Availability(StrEnum):
    """What comes of asking for a service."""

    AVAILABLE = "available"
    NOT_ACCESSIBLE = "not_accessible"
    NO_INFORMATION = "no_information"  # it exists, and holds nothing yet: said so, not an error


APPLICANT_SERVICES: Mapping[Service, Availability] = {
    Service.REQUESTS: Availability.AVAILABLE,
    Service.DOCUMENTS: Availability.AVAILABLE,
    Service.CONTACT: Availability.AVAILABLE,
    Service.QUESTIONS: Availability.AVAILABLE,
    Service.CHANGE_PASSWORD: Availability.AVAILABLE,
    Service.PAYMENTS: Availability.NO_INFORMATION,
    Service.RIGHTS: Availability.NO_INFORMATION,
    Service.CHANGE_OF_SITUATION: Availability.NOT_ACCESSIBLE,
    Service.ANNUAL_INCOME: Availability.NOT_ACCESSIBLE,
    Service.QUARTERLY_INCOME: Availability.NOT_ACCESSIBLE,
    Service.ONLINE_APPLICATION: Availability.NOT_ACCESSIBLE,
}
"""Services that the seed names for applicants; any other is denied to them."""

_OWN_ACCOUNT = frozenset({Channel.WEB, Channel.APP, Channel.KIOSK})
_TO_BE_REPLACED = frozenset({SecretKind.PIN, SecretKind.PROVISIONAL})


def must_create_password(session: Session) -> bool:
    """Whether `session` opens nothing until a password is created: of a PIN or a provisional, on
    web, app and kiosk."""
    return session.channel in _OWN_ACCOUNT and session.kind in _TO_BE_REPLACED


def availability(session: Session, service: Service) -> Availability:
    """What `session` may do with `service`.

    On web, app and kiosk a PIN or a provisional opens one thing only: creating a password. No
    channel but those three can change a password at all.
    """
    if service is Service.CHANGE_PASSWORD:
        own_account = session.channel in _OWN_ACCOUNT
        return Availability.AVAILABLE if own_account else Availability.NOT_ACCESSIBLE
    if must_create_password(session):
        return Availability.NOT_ACCESSIBLE
    if session.status is FileStatus.AFFILIATED:
        return Availability.AVAILABLE
    return APPLICANT_SERVICES.get(service, Availability.NOT_ACCESSIBLE)
