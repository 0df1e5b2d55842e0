"""`ui`: links to Temporal's UI that filter its list of workflows, as the runbook does.

The UI keeps saved views and columns in the browser alone, so no command can set them. But it saves the filter
of a link whose parameter `savedQuery` names it.
"""

from typing import Annotated, Final
from urllib.parse import quote, urlencode

import typer

from countersign.client.errors import BadInputError
from countersign.client.settings import load_settings
from countersign.connection import namespace
from countersign.settings import CountersignSettings

from .command import out, verb

_RUNNING: Final = "WorkflowType = 'AgreementWorkflow' AND ExecutionStatus = 'Running'"
FILTERS: Final = {
    "what needs attention": f"{_RUNNING} AND NeedsAttention = true",
    "what a failing provider holds up": f"{_RUNNING} AND WaitingFor = 'provider' "
    "AND AgreementStage IN ('generating', 'sending')",
    "sends of unknown outcome": f"{_RUNNING} AND AgreementStage = 'sending' AND WaitingFor = 'operator'",
    "what is stuck": f"{_RUNNING} AND TemporalReportedProblems IS NOT NULL",
    "signed, and not archived yet": f"{_RUNNING} AND AgreementStage = 'archiving'",
    "what failed": "WorkflowType = 'AgreementWorkflow' AND ExecutionStatus = 'Failed'",
}
"""Those of docs/how-to/be-on-call.md that name no time and no document."""


@verb
async def ui(
    *,
    save: Annotated[
        bool,
        typer.Option(
            "--save", metavar="", help="Make the UI save each filter as a view, in the browser that opens it."
        ),
    ] = False,
) -> None:
    """Print links to Temporal's UI, one for each filter that an operator needs.

    With --save, open each link once per browser: the UI then lists it under its saved views.
    """
    address = load_settings(CountersignSettings).temporal_ui
    if address is None:
        raise BadInputError(
            f"set {CountersignSettings.variable('temporal_ui')} to the address of Temporal's UI, "
            "for example https://cloud.temporal.io"
        )
    for name in FILTERS:
        out.print(f"{name}:\n  {list_url(address, namespace(), name, save=save)}")


def list_url(address: str, in_namespace: str, name: str, *, save: bool) -> str:
    """Return the URL of the UI's list of workflows with a filter.

    Args:
        address: The UI's address.
        in_namespace: The namespace.
        name: The filter's name, of `FILTERS`.
        save: Have the UI save the filter as a view.
    """
    given = {"query": FILTERS[name], **({"savedQuery": name} if save else {})}
    workflows = f"{address.rstrip('/')}/namespaces/{quote(in_namespace, safe='')}/workflows"
    return f"{workflows}?{urlencode(given, quote_via=quote)}"
