"""A signer is replaced by voiding one agreement and starting another, never with both alive."""

import asyncio
import json
import uuid
from typing import Any

import pytest

from countersign.agreements.messages import EmailCode, Outcome, SmsCode, Stage
from countersign.client import follow as following
from countersign.client.agreements import agreement_input, agreement_result, agreement_status
from countersign.client.errors import ExitCode
from countersign.client.references import next_reference
from devstack.stack import Stack
from tests.cli.shell import Shell, start_waiting

_BY = ("--signer", "2", "--by", "Joan Clarke <joan@example.com>")


def _documents(stack: Stack, reference: str) -> list[dict[str, Any]]:
    path = f"/_sandbox/documents?title={reference}"
    documents: list[dict[str, Any]] = asyncio.run(stack.sandbox.call("GET", path))["documents"]
    return documents


def _status(shell: Shell, reference: str) -> Any:
    return json.loads(shell("status", reference, "--json").out)


def test_a_signer_is_replaced_by_a_new_agreement(shell: Shell, stack: Stack, reference: str) -> None:
    ran = shell("replace-signer", reference, *_BY)
    assert (ran.code, ran.out) == (0, f"{reference}: voided\n{reference}.2: started\n"), ran.err
    old = asyncio.run(agreement_result(reference))
    assert (old.outcome, old.reason) == (Outcome.VOIDED, f"Superseded by {reference}.2.")
    new = asyncio.run(agreement_status(f"{reference}.2"))
    assert new.supersedes == reference
    assert [signer.name for signer in new.signers] == ["Ada Lovelace", "Joan Clarke"]
    assert [document["status"] for document in _documents(stack, f"{reference}~")] == ["voided"]


@pytest.mark.thorough
def test_what_keeps_it_waiting_is_reported(
    shell: Shell, stack: Stack, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_CHECK_INTERVAL", 0.1)
    down = {"path": "/turbosign/documents/*/void", "do": "status", "status": 503, "times": 1}
    asyncio.run(stack.sandbox.call("PUT", "/_sandbox/faults", {"api": [down]}))
    try:
        ran = shell("replace-signer", reference, *_BY)
    finally:
        asyncio.run(stack.sandbox.call("DELETE", "/_sandbox/faults"))
    assert (ran.code, ran.out) == (0, f"{reference}: voided\n{reference}.2: started\n")
    assert f"{reference}: not yet void: void_document: " in ran.err


def _start_verified(shell: Shell, reference: str) -> None:
    """Start an agreement whose first signer is verified by e-mail, the second by SMS."""
    draft = {
        "reference": reference,
        "title": "Order",
        "source": {"kind": "roles", "template_id": "7e3a1c00-0000-4000-8000-000000000003"},
        "signers": [
            {"name": "A", "email": "a@example.com", "role": "client", "identity": {"kind": "email"}},
            {
                "name": "B",
                "email": "b@example.com",
                "role": "countersigner",
                "identity": {"kind": "sms", "phone": "+493012345678"},
            },
        ],
    }
    (shell.folder / "agreement.json").write_text(json.dumps(draft))
    ran = shell("start", "agreement.json")
    assert ran.code == 0, ran.err
    asyncio.run(_until_sent(reference))


@pytest.mark.thorough
def test_the_new_signer_is_verified_like_the_old_one(shell: Shell) -> None:
    reference = f"verified-{uuid.uuid4().hex[:8]}"
    _start_verified(shell, reference)
    refused = shell("replace-signer", reference, *_BY)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("signer 2 is verified by a code to a phone, and the new signer's phone is ")
    ran = shell("replace-signer", reference, "--signer", "1", *_BY[2:])
    assert ran.code == 0, ran.err
    new = asyncio.run(agreement_input(f"{reference}.2"))
    assert [signer.identity for signer in new.signers] == [EmailCode(), SmsCode(phone="+493012345678")]


async def _until_sent(reference: str) -> None:
    async for status in following.follow_agreement(reference):
        if status.stage == Stage.AWAITING_SIGNATURES:
            return


@pytest.mark.thorough
def test_repeating_it_changes_nothing(shell: Shell, stack: Stack, reference: str) -> None:
    assert shell("replace-signer", reference, *_BY).code == 0
    again = shell("replace-signer", reference, *_BY, "--json")
    assert again.code == 0
    assert json.loads(again.out)["already_running"] is True
    assert len(_documents(stack, f"{reference}~")) == 1


@pytest.mark.thorough
def test_what_has_ended_is_not_replaced(shell: Shell, stack: Stack, reference: str) -> None:
    asyncio.run(stack.sandbox.complete(_status(shell, reference)["document_id"]))
    assert shell("watch", reference).code == 0
    ran = shell("replace-signer", reference, *_BY)
    assert (ran.code, ran.err) == (4, f"{reference} has already ended: completed\n")
    assert shell("status", f"{reference}.2").code == 3


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("--signer", "3", "--by", "Joan Clarke <joan@example.com>"),
            "has no signer 3; its signers are 1 to 2",
        ),
        (("--signer", "2", "--by", "Joan Clarke <ada@example.com>"), "signers 1 and 2 have the same e-mail"),
        (("--signer", "2", "--by", "joan@example.com"), "--by: write 'Name <address>'"),
        (("--signer", "2", "--by", "Joan Clarke <j>"), "--by: write 'Name <address>'"),
        ((*_BY, "--new-reference", "a b"), "reference: use 3 to 40 letters"),
    ],
)
def test_a_mistake_leaves_the_first_as_it_is(
    shell: Shell, reference: str, arguments: tuple[str, ...], says: str
) -> None:
    ran = shell("replace-signer", reference, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert _status(shell, reference)["stage"] == "awaiting_signatures"


@pytest.mark.thorough
def test_a_reference_of_another_agreement_leaves_the_first_as_it_is(shell: Shell, reference: str) -> None:
    taken = f"sup-{uuid.uuid4().hex[:10]}"
    asyncio.run(start_waiting(taken))
    ran = shell("replace-signer", reference, *_BY, "--new-reference", taken)
    assert (ran.code, ran.out) == (ExitCode.REFERENCE_TAKEN, "")
    assert ran.err.startswith(
        f"reference {taken} is used by an agreement with other content (signers, supers"
    )
    assert _status(shell, reference)["stage"] == "awaiting_signatures"


def test_references_are_numbered_on() -> None:
    assert [next_reference(item) for item in ("order-1", "order-1.2", "order-1.9")] == [
        "order-1.2",
        "order-1.3",
        "order-1.10",
    ]
