"""The card in the Temporal UI: who signed when, what it waits for, what a person must do. Pure."""

from datetime import datetime

from workflows.messages import AgreementStatus, SignerStatus
from workflows.progress import Progress

_WAITS = {
    "provider": "the provider",
    "signatures": "signatures",
    "operator": "a person's decision",
    "nobody": "nobody",
}


def card(status: AgreementStatus, progress: Progress) -> str:
    """Draw an agreement as Markdown.

    Args:
        status: What the status query answers.
        progress: What is known of the document.
    """
    signed = f"signed {progress.signed_count()} of {len(status.signers)}"
    lines = [f"**{status.stage.replace('_', ' ')}** · waiting for {_WAITS[status.waiting_for]} · {signed}"]
    if status.needs_attention:
        lines += ["", f"⚠ **{status.needs_attention}**"]
    lines += ["", "| signer | order | viewed | signed |", "|---|---|---|---|"]
    lines += [_row(signer) for signer in status.signers]
    lines += [""]
    lines += [f"* {name}: {value}" for name, value in _facts(status) if value]
    return "\n".join(lines)


def _row(signer: SignerStatus) -> str:
    name = signer.name.replace("|", "\\|")
    return f"| {name} | {signer.order} | {show_moment(signer.viewed_at)} | {show_moment(signer.signed_at)} |"


def _facts(status: AgreementStatus) -> list[tuple[str, str]]:
    archive = status.result.archive if status.result else None
    return [
        ("document", f"`{status.document_id}`" if status.document_id else ""),
        ("candidates", ", ".join(f"`{each}`" for each in status.candidates)),
        ("deadline", show_moment(status.deadline)),
        ("next look at the provider", "" if status.result else show_moment(status.next_look_at)),
        ("reminders sent", str(status.reminders or "")),
        ("archive", archive.document.url if archive else ""),
        ("SHA-256", f"`{archive.document.sha256}`" if archive else ""),
    ]


def show_moment(moment: datetime | str | None) -> str:
    """Write a time to the second, or "yes" where nobody told when."""
    if moment is None:
        return ""
    text = moment if isinstance(moment, str) else moment.isoformat()
    return text[:19].replace("T", " ") or "yes"
