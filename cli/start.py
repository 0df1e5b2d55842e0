"""`start`: begin an agreement."""

from pathlib import Path
from typing import Annotated, Any

import typer

from countersign.client.errors import BadInputError
from countersign.client.references import StartedAgreement
from countersign.client.settings import load_settings
from countersign.client.start import check_agreement, start_agreement
from countersign.connection import namespace
from countersign.settings import CountersignSettings

from .command import Json, out, print_json, print_notice, verb
from .draft_files import read_draft

_SOURCE = "What to sign"
_PEOPLE = "Who"


@verb
async def start(
    draft: Annotated[
        Path | None,
        typer.Argument(help="A YAML or JSON file; flags override what it says.", metavar="FILE"),
    ] = None,
    *,
    title: Annotated[str | None, typer.Option(help="The document's name, as signers see it.")] = None,
    template: Annotated[
        str | None, typer.Option(help="Generate from this template.", metavar="ID", rich_help_panel=_SOURCE)
    ] = None,
    var: Annotated[
        list[str] | None,
        typer.Option(
            help="A variable of the template. Repeatable.", metavar="NAME=VALUE", rich_help_panel=_SOURCE
        ),
    ] = None,
    roles: Annotated[
        str | None,
        typer.Option(
            help="Send this template, set up with signer roles.", metavar="ID", rich_help_panel=_SOURCE
        ),
    ] = None,
    deliverable: Annotated[
        str | None,
        typer.Option(help="Send this document, generated before.", metavar="ID", rich_help_panel=_SOURCE),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Send this PDF, DOCX or PPTX.", rich_help_panel=_SOURCE)
    ] = None,
    link: Annotated[
        str | None,
        typer.Option(
            help="Let the provider fetch it from this https link.", metavar="URL", rich_help_panel=_SOURCE
        ),
    ] = None,
    signer: Annotated[
        list[str] | None,
        typer.Option(
            help="Who signs, in order; with --roles as 'role=Name <address>'. Repeatable.",
            metavar="'NAME <ADDRESS>'",
            rich_help_panel=_PEOPLE,
        ),
    ] = None,
    cc: Annotated[
        list[str] | None,
        typer.Option(help="Who gets a copy. Repeatable.", metavar="ADDRESS", rich_help_panel=_PEOPLE),
    ] = None,
    sender: Annotated[
        str | None,
        typer.Option(
            help="Who asks, if not the settings' sender.",
            metavar="'NAME <ADDRESS>'",
            rich_help_panel=_PEOPLE,
        ),
    ] = None,
    description: Annotated[str | None, typer.Option(help="A message to the signers.")] = None,
    deadline: Annotated[
        str | None,
        typer.Option(help="When it expires: 14d, 36h, or a time with an offset.", metavar="WHEN"),
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="Your order number or the like; one is made if you name none.")
    ] = None,
    supersedes: Annotated[
        str | None, typer.Option(help="The agreement that this one replaces.", metavar="REFERENCE")
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(help="The account at a provider; the first of COUNTERSIGN_ACCOUNTS.", metavar="NAME"),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", metavar="", help="Start nothing unless the provider could check it."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar="", help="Check all that can be checked; start nothing.")
    ] = False,
    json: Json = False,
) -> None:
    r"""Start an agreement: generate a document, send it, collect signatures, archive it.

    Starting the same agreement twice is harmless: it stays one. A used reference with other content is an
    error.

    Write fields, reminders and signers who sign in any order in a file:
    see docs/tutorial/your-own-template.md.

    For example:

      countersign start --title "Services Agreement" --file contract.pdf \
        --signer "Ada Example <ada@example.com>" \
        --signer "Ben Example <ben@example.com>" --deadline 14d
    """
    flags = {
        "title": title,
        "source": _source(
            template=template, roles=roles, deliverable=deliverable, file=file, link=link, variables=var
        ),
        "signers": signer,
        "cc": cc,
        "sender": sender,
        "description": description,
        "deadline": deadline,
        "reference": reference,
        "supersedes": supersedes,
        "account": account,
    }
    whole = (read_draft(draft) if draft else {}) | {name: value for name, value in flags.items() if value}
    if dry_run:
        checked = await check_agreement(whole, insist=check, on_omission=print_notice)
        print_json(checked) if json else out.print(f"{checked.reference}: can be started")
        return
    started = await start_agreement(whole, insist=check, on_omission=print_notice)
    if json:
        print_json(started)
        return
    out.print(f"{started.reference}: {_reported(started)}")
    if out.is_terminal:
        _show_next_step(started)


def _show_next_step(started: StartedAgreement) -> None:
    """Print the command that follows, and the link to Temporal's UI if its address is known."""
    out.print(f"next         countersign watch {started.reference}")
    if ui := load_settings(CountersignSettings).temporal_ui:
        path = f"namespaces/{namespace()}/workflows/{started.workflow_id}/{started.run_id}"
        out.print(f"Temporal UI  {ui.rstrip('/')}/{path}")


def _reported(started: StartedAgreement) -> str:
    if started.already_ended:
        return f"started before, and ended: see `status {started.reference}`; nothing was started twice"
    if started.already_running:
        return "started (it was running already; nothing was started twice)"
    return "started"


def _source(
    *,
    template: str | None,
    roles: str | None,
    deliverable: str | None,
    file: Path | None,
    link: str | None,
    variables: list[str] | None,
) -> dict[str, Any] | None:
    sources: list[dict[str, Any]] = [
        source
        for source, is_given in (
            ({"kind": "template", "template_id": template}, template),
            ({"kind": "roles", "template_id": roles}, roles),
            ({"kind": "deliverable", "deliverable_id": deliverable}, deliverable),
            ({"kind": "file", "path": str(file)}, file),
            ({"kind": "link", "url": link}, link),
        )
        if is_given
    ]
    if len(sources) > 1:
        raise BadInputError("name one of --template, --roles, --deliverable, --file and --link")
    if variables and not template:
        raise BadInputError("--var: only a --template has variables")
    if template:
        sources[0]["variables"] = dict(_variable(variable) for variable in variables or [])
    return sources[0] if sources else None


def _variable(pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not equals or not name:
        raise BadInputError("--var: write NAME=VALUE")
    return name, value
