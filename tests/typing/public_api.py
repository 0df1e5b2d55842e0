# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""What a user writes against the public API. Type checkers read it; nobody runs it.

An ignored line must be an error: mypy and pyright report an ignore comment that hides none.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import assert_type

from temporalio.client import Client

from countersign.agreements.messages import (
    AgreementInput,
    AgreementResult,
    Archive,
    Outcome,
    ReminderPlan,
    Resolution,
    Signer,
    Stage,
    TemplateSource,
)
from countersign.client import (
    AgreementView,
    CommandError,
    ExitCode,
    ListedAgreement,
    NotInTurnError,
    ReferenceTakenError,
    SigningLink,
    StartedAgreement,
    agreement_input,
    agreement_result,
    agreement_status,
    check_agreement,
    follow_agreement,
    list_agreements,
    remind_agreement,
    replace_signer,
    resolve_agreement,
    signing_link,
    start_agreement,
    void_agreement,
)


async def start(client: Client) -> str:
    """Start agreements from a model and from a mapping."""
    agreement = AgreementInput(
        reference="order-1042",
        title="Services Agreement",
        source=TemplateSource(template_id="7e3a1c00", variables={"CustomerName": "Example Ltd"}),
        signers=(Signer(name="Ada Example", email="ada@example.com"),),
        deadline=datetime.now(UTC) + timedelta(days=14),
        reminders=ReminderPlan(after=timedelta(days=2)),
    )
    assert_type(await check_agreement(agreement, client=client), AgreementInput)
    started = await start_agreement(agreement, client=client, task_queue="countersign")
    assert_type(started, StartedAgreement)
    draft = {
        "title": "NDA",
        "source": {"kind": "link", "url": "https://example.com/nda.pdf"},
        "signers": ["a"],
    }
    await start_agreement(draft, on_omission=print)
    await start_agreement("order-1042")  # type: ignore[arg-type]
    await start_agreement(agreement, queue="countersign")  # type: ignore[call-arg]
    return started.reference


async def follow(reference: str) -> Archive | None:
    """Read and follow agreements."""
    assert_type(await agreement_input(reference), AgreementInput)
    assert_type(follow_agreement(reference), AsyncIterator[AgreementView])
    async for status in follow_agreement(reference, on_trouble=print):
        assert_type(status.stage, Stage)
        if status.result is not None:
            break
    listed = await list_agreements(stage=Stage.AWAITING_SIGNATURES, limit=10)
    assert_type(listed, list[ListedAgreement])
    current = await agreement_status(reference)
    assert current.phase  # type: ignore[attr-defined]
    result = await agreement_result(reference)
    assert_type(result, AgreementResult)
    assert_type(result.outcome, Outcome)
    return result.archive


async def act(reference: str) -> ExitCode:
    """Act on an agreement, and handle what may go wrong."""
    try:
        await remind_agreement(reference)
        await resolve_agreement(reference, Resolution(action="abandon"))
        await resolve_agreement(reference, "abandon")  # type: ignore[arg-type]
        await replace_signer(reference, 1, Signer(name="Ben Example", email="ben@example.com"))
        await void_agreement(reference, "Replaced by order-1043")
        await void_agreement(reference)  # type: ignore[call-arg]
        assert_type(await signing_link(reference, 1, return_url="https://shop.example"), SigningLink)
    except ReferenceTakenError:
        return ExitCode.REFERENCE_TAKEN
    except NotInTurnError as error:
        assert_type(error.signers, tuple[int, ...])
        return error.exit_code
    except CommandError as error:
        assert_type(error.exit_code, ExitCode)
        return error.exit_code
    return ExitCode.DONE
