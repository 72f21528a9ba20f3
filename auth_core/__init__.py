"""Who may come in, on any channel. This is the whole public face: other packages use nothing
below it, but what every process of ours needs: `yamlfile`, `shape` and the `settings` modules,
which read an operator's files, and `service_manager`, which tells systemd how a process does."""

from auth_core.clients import Client, Scope
from auth_core.credentials import Secret
from auth_core.entitlements import Availability, Service
from auth_core.errors import (
    AuthError,
    KeyInUse,
    KeyReused,
    NotEntitled,
    Overloaded,
    SessionEnded,
    TooManyRefusals,
    UnknownClient,
    UnknownFile,
)
from auth_core.lifecycle.creation import Creation, CreationResult
from auth_core.lifecycle.expiry import ExpiryReport
from auth_core.model import (
    Application,
    Benefit,
    BirthDate,
    Channel,
    DeliveryChoice,
    FileStatus,
    Identity,
    Outcome,
    Payment,
    RequestKind,
    RequestProgress,
    RequestState,
    Role,
    SecretKind,
    Session,
    Source,
    Verdict,
    masked,
)
from auth_core.rules import Reason, Rule
from auth_core.service import AuthService
from auth_core.settings import AuthSettings
from auth_core.story import FileStory

__all__ = [
    "Application",
    "AuthError",
    "AuthService",
    "AuthSettings",
    "Availability",
    "Benefit",
    "BirthDate",
    "Channel",
    "Client",
    "Creation",
    "CreationResult",
    "DeliveryChoice",
    "ExpiryReport",
    "FileStatus",
    "FileStory",
    "Identity",
    "KeyInUse",
    "KeyReused",
    "NotEntitled",
    "Outcome",
    "Overloaded",
    "Payment",
    "Reason",
    "RequestKind",
    "RequestProgress",
    "RequestState",
    "Role",
    "Rule",
    "Scope",
    "Secret",
    "SecretKind",
    "Service",
    "Session",
    "SessionEnded",
    "Source",
    "TooManyRefusals",
    "UnknownClient",
    "UnknownFile",
    "Verdict",
    "masked",
]
