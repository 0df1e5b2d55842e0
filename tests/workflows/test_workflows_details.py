"""The card says in a glance what is known, and is not fooled by what people are called."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from countersign.agreements.messages import AgreementStatus, SignerStatus, Stage, WaitingFor
from countersign.agreements.times import format_time
from workflows.agreement.details import details
from workflows.agreement.progress import Progress

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def drawn(**changes: Any) -> str:
    given: dict[str, Any] = {
        "reference": "order-1",
        "stage": Stage.AWAITING_SIGNATURES,
        "waiting_for": WaitingFor.SIGNATURES,
        "signers": (SignerStatus(name="Ada", order=1), SignerStatus(name="Ben", order=2)),
    }
    return details(AgreementStatus(**given | changes), Progress())


def test_it_tells_what_comes_next_and_what_went_wrong() -> None:
    text = drawn(
        next_check_at=AT,
        next_reminder_at=AT + timedelta(days=1),
        last_error="2026-01-02 03:00:00 UTC not sent: throttled",
    )
    assert "## Awaiting signatures" in text
    assert "* Next check with the provider: 2026-01-02 03:04:05 UTC" in text
    assert "* Next reminder: 2026-01-03 03:04:05 UTC" in text
    assert "Last error: 2026-01-02 03:00:00 UTC not sent: throttled" in text


def test_signers_are_reported_by_what_they_did() -> None:
    signers = (
        SignerStatus(name="Ada", order=1, viewed_at="", signed_at="2026-01-02T03:04:05.123Z"),
        SignerStatus(name="Ben", order=2, viewed_at=""),
        SignerStatus(name="Cy", order=3),
    )
    lines = drawn(signers=signers).splitlines()
    assert "* ✓ Ada, signed 2026-01-02 03:04:05 UTC" in lines
    assert "* Ben, viewed" in lines
    assert "* Cy" in lines


@pytest.mark.parametrize(
    ("stage", "known", "choices"),
    [
        (
            Stage.SENDING,
            {"waiting_for": WaitingFor.OPERATOR},
            ["--adopt DOCUMENT", "--send-again", "--abandon"],
        ),
        (Stage.SENDING, {"waiting_for": WaitingFor.PROVIDER}, []),
        (Stage.AWAITING_SIGNATURES, {"candidates": ("other",)}, ["--keep", "--abandon"]),
        (Stage.FINALIZATION_FAILED, {}, ["--abandon"]),
        (Stage.ARCHIVING, {}, []),
    ],
)
def test_a_decision_comes_with_the_commands_for_it(
    stage: Stage, known: dict[str, Any], choices: list[str]
) -> None:
    text = drawn(stage=stage, needs_attention="Look at it.", **known)
    assert [line for line in text.splitlines() if "countersign" in line] == [
        f"* `countersign resolve order-1 {choice}`" for choice in choices
    ]


def test_names_are_no_markup() -> None:
    signers = (SignerStatus(name="<b>*Ada* [x](http://e.com)", order=1),)
    assert r"* \<b\>\*Ada\* \[x\](http://e.com)" in drawn(signers=signers).splitlines()


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (AT, "2026-01-02 03:04:05 UTC"),
        (AT.astimezone(timezone(timedelta(hours=2))), "2026-01-02 03:04:05 UTC"),
        ("2026-01-02T05:04:05+02:00", "2026-01-02 03:04:05 UTC"),
        ("2026-01-02T03:04:05.123Z", "2026-01-02 03:04:05 UTC"),
        ("", "yes"),
        ("yesterday", "yesterday"),
        (None, ""),
    ],
)
def test_times_are_in_utc(moment: datetime | str | None, shown: str) -> None:
    assert format_time(moment) == shown
