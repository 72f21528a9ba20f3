"""What delivery leaves on the disk, removed when its time is over."""

from datetime import date, datetime

from auth_core.delivery.files import remove_old
from auth_core.delivery.letters import LetterTray
from auth_core.delivery.settings import DeliverySettings
from auth_core.validity import PARIS


def purge_files(settings: DeliverySettings, before: date) -> int:
    """Remove letters, and text messages that lie as files, written before `before` (a day in
    Paris), acknowledged or not; return how many. Raises OSError."""
    midnight = datetime.combine(before, datetime.min.time(), tzinfo=PARIS).timestamp()
    letters = LetterTray(settings.letter_folder, settings.letters.sender).purge(before)
    return letters + remove_old(settings.sms_folder, "*", midnight)
