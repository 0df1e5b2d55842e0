"""Callbacks: may anybody be called back, and what signs it?"""

from countersign.configuration import load
from countersign.settings import CallbackSettings

from .configured import loaded
from .finding import Finding, ok, skipped, warning

_CALLBACKS = "callbacks"


def check_callbacks() -> Finding:
    """Compare the hosts that may be called back with the secrets, without a call."""
    if not loaded(CallbackSettings):
        return skipped(_CALLBACKS, "the settings cannot work")
    (settings,) = load(CallbackSettings)
    names = ", ".join(settings.subscribers())
    found = [f"subscriptions {names}"] if names else []
    if settings.hosts:
        found.append(f"agreements may name {', '.join(settings.hosts)}")
    if settings.allow_loopback:
        found.append("agreements may name this machine")
    if (settings.hosts or settings.allow_loopback) and settings.secret is None:
        return warning(
            _CALLBACKS,
            f"{'; '.join(found)}; no secret signs them",
            "set COUNTERSIGN_CALLBACKS_SECRET, unless every agreement brings a callback_secret",
        )
    if settings.secret is not None and not found:
        return warning(
            _CALLBACKS, "there is a secret, and no host may be called back", "set COUNTERSIGN_CALLBACKS_HOSTS"
        )
    return ok(_CALLBACKS, "; ".join(found) or "none: no host may be called back")
