"""Notices: is anyone notified of problems, and how?"""

from countersign.agreements.notices import Channel
from countersign.configuration import load
from countersign.settings import CallbackSettings, NoticeSettings

from .configured import loaded
from .finding import Finding, failed, ok, skipped

_NOTICES = "notices"


def check_notices() -> Finding:
    """Report how operators are notified of problems, without a call."""
    if not (loaded(CallbackSettings) and loaded(NoticeSettings)):
        return skipped(_NOTICES, "the settings cannot work")
    callbacks, settings = load(CallbackSettings, NoticeSettings)
    if problem := settings.reach_problem(callbacks):
        return failed(
            _NOTICES, f"{NoticeSettings.variable('url')}: {problem}", "see docs/how-to/get-notices.md"
        )
    if not settings.channels():
        return ok(_NOTICES, "none: no one is notified of problems (docs/how-to/get-notices.md)")
    count = len(settings.mail_to)
    shown = {
        Channel.WEBHOOK: f"by webhook ({settings.format})",
        Channel.MAIL: f"by mail to {count} address{'' if count == 1 else 'es'}",
    }
    how = " and ".join(shown[channel] for channel in settings.channels())
    return ok(_NOTICES, f"{how}, the digest at {settings.digest_at} UTC")
