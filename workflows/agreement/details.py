"""The current details in the Temporal UI: signatures, what the agreement waits for, what to decide. Pure.

The UI renders Markdown with limits: tables have no space between columns, and adjacent lists become one.
"""

import re
from collections.abc import Iterable
from typing import Final

from countersign.agreements.messages import AgreementStatus, SignerStatus, Stage, WaitingFor
from countersign.agreements.times import format_time
from workflows.agreement.progress import Progress

_WAITS: Final = {
    "provider": "the provider",
    "signatures": "signatures",
    "operator": "a person's decision",
    "nobody": "nobody",
}
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~])")


def details(status: AgreementStatus, progress: Progress) -> str:
    """Render an agreement as Markdown.

    Args:
        status: The result of the status query.
        progress: The state of the document.
    """
    blocks = [f"## {status.stage.replace('_', ' ').capitalize()}"]
    if status.needs_attention:
        blocks += [f"**⚠ {_plain(status.needs_attention)}**", _list(_choices(status))]
    elif status.stage is Stage.IN_REVIEW:
        blocks += ["Waits for a review: send it in the provider's app, or decide:", _list(_choices(status))]
    elif status.result is None:
        blocks.append(f"Waits for {_WAITS[status.waiting_for]}.")
    if status.last_error and status.result is None:
        blocks.append(f"Last error: {_plain(status.last_error)}")
    blocks.append(f"### Signed by {progress.signed_count()} of {len(status.signers)}")
    blocks.append(_list([_signer(signer) for signer in status.signers]))
    if facts := [f"{name}: {value}" for name, value in _facts(status) if value]:
        blocks += ["### Details", _list(facts)]
    return "\n\n".join(filter(None, blocks))


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"* {item}" for item in items)


def _choices(status: AgreementStatus) -> list[str]:
    """List the commands that resolve the agreement."""
    resolve = f"countersign resolve {status.reference}"
    choices: tuple[str, ...]
    if status.stage is Stage.SENDING:
        if status.waiting_for is not WaitingFor.OPERATOR:
            return []
        choices = ("--adopt DOCUMENT", "--send-again", "--abandon")
    elif status.stage is Stage.ARCHIVING:
        return []
    elif status.stage is Stage.IN_REVIEW and not status.needs_attention:
        choices = ("--send-now", "--abandon")
    else:
        choices = ("--keep", "--abandon") if status.candidates else ("--abandon",)
    return [f"`{resolve} {choice}`" for choice in choices]


def _signer(signer: SignerStatus) -> str:
    name = _plain(signer.name)
    if signer.signed_at is not None:
        return f"✓ {name}, signed {format_time(signer.signed_at or None)}".rstrip()
    if signer.viewed_at is not None:
        return f"{name}, viewed {format_time(signer.viewed_at or None)}".rstrip()
    return f"{name}"


def _facts(status: AgreementStatus) -> list[tuple[str, str]]:
    archive = status.result.archive if status.result else None
    return [
        ("Next check with the provider", format_time(status.next_check_at)),
        ("Next reminder", format_time(status.next_reminder_at)),
        ("Reminders sent", str(status.reminders or "")),
        ("Deadline", format_time(status.deadline)),
        ("Supersedes", f"`{status.supersedes}`" if status.supersedes else ""),
        ("Document", f"`{status.document_id}`" if status.document_id else ""),
        ("Candidates", ", ".join(f"`{candidate}`" for candidate in status.candidates)),
        ("Known from", status.result.resolved_by if status.result else ""),
        ("Archive", f"`{archive.document.url}`" if archive else ""),
        ("SHA-256", f"`{archive.document.sha256}`" if archive else ""),
    ]


def _plain(text: str) -> str:
    """Escape Markdown in text that people entered."""
    return _MARKUP.sub(r"\\\1", text)
