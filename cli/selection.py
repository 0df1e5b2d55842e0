"""Do one thing to one agreement, or to all that a condition holds for: shown first, then confirmed."""

from collections.abc import Awaitable, Callable, Sequence

from countersign.agreements.messages import Stage
from countersign.agreements.plural import number_of
from countersign.client.errors import BadInputError, CommandError, ExitCode, NoWorkerError
from countersign.client.listing import list_agreements
from countersign.connection import server_name

from .command import err, error_message, notice_if_slow, out
from .list import agreement_table
from .prompts import confirm


async def for_all(
    reference: str | None,
    where: str | None,
    act: Callable[[str], Awaitable[str | None]],
    *,
    verb: str,
    done: str,
    confirmed: bool,
    stage: Stage | None = None,
) -> ExitCode:
    """Act on one agreement, or on all running ones that match a condition.

    Args:
        reference: One agreement.
        where: A condition in Temporal's list filter language.
        act: What to do, given a reference; what it returns is printed instead of `done`.
        verb: What it is called before it is done, for example `void`.
        done: What it is called afterwards, for example `voided`.
        confirmed: Do not ask for confirmation.
        stage: Only agreements at this stage, which may be an end.

    Returns:
        `DONE`, or the code of the first failure. A failure does not stop the rest, unless no worker responds.
        `NOT_CONFIRMED` if the user did not confirm: then nothing was done.

    Raises:
        BadInputError: Both or neither of `reference` and `where`.
    """
    if (reference is None) == (where is None):
        raise BadInputError("name one reference, or --where CONDITION")
    if reference:
        return await _act_on_all([reference], act, done)
    found = await list_agreements(where=where, stage=stage)
    out.print(agreement_table(found, {}) if found else f"no agreements (asked {server_name()})")
    if found and not confirmed and not confirm(f"{verb} {number_of(len(found), 'agreement')}?"):
        out.print("nothing was done (--yes says yes)")
        return ExitCode.NOT_CONFIRMED
    return await _act_on_all([item.reference for item in found], act, done)


async def _act_on_all(
    references: Sequence[str], act: Callable[[str], Awaitable[str | None]], done: str
) -> ExitCode:
    code = ExitCode.DONE
    for place, reference in enumerate(references, 1):
        try:
            with notice_if_slow(f"{reference}: waiting for its worker"):
                what = await act(reference)
        except NoWorkerError as error:
            err.print(error_message(error), style="red")
            if rest := len(references) - place:
                err.print(f"{rest} more were not asked", style="red")
            return code or error.exit_code
        except CommandError as error:
            err.print(error_message(error), style="red")
            code = code or error.exit_code
        else:
            out.print(f"{reference}: {what or done}")
    return code
