"""`erase`: delete what the store holds about the people of one agreement."""

from collections.abc import Iterator

from countersign.agreements.plural import number_of
from countersign.agreements.reference import workflow_id
from countersign.client.erasure import Erasure, erase_agreement, plan_erasure
from countersign.client.errors import ExitCode

from .command import DryRun, Reference, Yes, out, verb
from .prompts import confirm


@verb
async def erase(reference: Reference, *, dry_run: DryRun = False, yes: Yes = False) -> int:
    """Delete what the store holds about the people of one agreement.

    Lists the files and asks. The claim stays, so that the reference is never sent a second time; `purge`
    deletes it by age. Refuses an agreement that runs or is on hold. Prints what Temporal and the provider
    still hold: delete that there.
    """
    planned = await plan_erasure(reference)
    for line in _lines(planned):
        out.print(line)
    if dry_run or not planned.deleted:
        return ExitCode.DONE
    if not yes and not confirm(f"delete {number_of(len(planned.deleted), 'file')} from the store, for good?"):
        out.print("nothing was done (--yes says yes)")
        return ExitCode.NOT_CONFIRMED
    erased = await erase_agreement(reference)
    out.print(f"{erased.reference}: erased, {len(erased.deleted)} files")
    return ExitCode.DONE


def _lines(planned: Erasure) -> Iterator[str]:
    reference, kept = planned.reference, ", ".join(key.rpartition("/")[2] for key in planned.kept)
    if planned.deleted:
        yield f"{reference}: the store has {number_of(len(planned.deleted), 'file')} to delete:"
        yield from (f"  {key}" for key in planned.deleted)
    else:
        yield f"{reference}: nothing is left to erase in the store"
    yield f"kept, because they name no one and keep the reference used: {kept}"
    if planned.in_temporal:
        query = f"WorkflowId = '{workflow_id(reference)}'"
        yield (
            "Temporal keeps its history until the namespace's retention ends; to delete it now: temporal "
            f'workflow delete --yes --namespace {planned.namespace} --query "{query}"'
        )
    else:
        yield f"Temporal's namespace {planned.namespace} has no history of it"
    if planned.document_id:
        yield f"{planned.account or 'the provider'} keeps document {planned.document_id}: delete it there"
    yield "copies of the store, such as backups, keep what they have: delete it there too"
    if not planned.has_ended:
        yield (
            "how it ended is not known: make sure that the provider collects no signatures; it cannot be "
            "recovered afterwards"
        )
