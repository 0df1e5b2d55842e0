"""A reference used before: the same agreement again is harmless, another one is refused."""

import asyncio
import json
import os
import uuid
from typing import Any

import pytest

from countersign.agreements.messages import Stage
from countersign.agreements.names import WORKFLOW_NAME
from countersign.agreements.reference import workflow_id
from countersign.client.agreements import agreement_result, void_agreement
from countersign.client.errors import CommandError, ExitCode
from countersign.client.follow import follow_agreement
from countersign.client.start import start_agreement
from countersign.connection import connect
from countersign.storage.store import StoreKeys
from devstack.stack import Stack
from tests.cli.shell import NOT_CHECKED, Shell
from tests.workflows.office import TEMPLATE, VARIABLES

_KEY = "k1:" + "A" * 43 + "="


@pytest.fixture
def draft(shell: Shell) -> dict[str, Any]:
    """An agreement of which nothing is known yet."""
    del shell
    return {
        "reference": f"Use-{uuid.uuid4().hex[:10]}",
        "title": "Order",
        "source": {"kind": "template", "template_id": TEMPLATE, "variables": VARIABLES},
        "signers": ["Ada Lovelace <ada@example.com>", "Grace Hopper <grace@example.com>"],
        "deadline": "14d",
    }


def _start(shell: Shell, draft: dict[str, Any]) -> tuple[int, str, str]:
    path = shell.folder / "draft.json"
    path.write_text(json.dumps(draft))
    ran = shell("start", str(path))
    return ran.code, ran.out, ran.err


def _ledger(stack: Stack, document_id: str) -> Any:
    return asyncio.run(stack.sandbox.call("GET", f"/_sandbox/ledger?subject={document_id}"))


def _documents(stack: Stack, reference: str) -> Any:
    return asyncio.run(stack.sandbox.call("GET", f"/_sandbox/documents?title={reference}~"))["documents"]


async def _sent(reference: str) -> str:
    async for status in follow_agreement(reference):
        if status.stage == Stage.AWAITING_SIGNATURES:
            return str(status.document_id)
    raise AssertionError("it ended")


async def _end(reference: str) -> None:
    await _sent(reference)
    await void_agreement(reference, "A mistake")
    await agreement_result(reference)


def _refused(shell: Shell, draft: dict[str, Any]) -> str:
    """Start from the command line and from the API, which must say the same; returns the sentence."""
    code, out, err = _start(shell, draft)
    assert shell("start", "draft.json", "--dry-run").err == err
    with pytest.raises(CommandError) as raised:
        asyncio.run(start_agreement(draft))
    assert (code, out) == (ExitCode.REFERENCE_TAKEN, "")
    assert raised.value.exit_code == ExitCode.REFERENCE_TAKEN
    assert err == f"{raised.value}\n"
    return str(raised.value)


def test_a_starter_that_died_may_start_again(shell: Shell, draft: dict[str, Any]) -> None:
    reference = draft["reference"]
    assert _start(shell, draft) == (0, f"{reference}: started\n", "")
    running = f"{reference}: started (it was running already; nothing was started twice)\n"
    assert _start(shell, draft) == (0, running, "")
    again = asyncio.run(start_agreement(draft | {"initiated_by": "another-host"}))
    assert (again.already_running, again.already_ended) == (True, False)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"signers": ["Ada Lovelace <ada@example.com>"]}, "signers"),
        ({"title": "Another order", "description": "Please."}, "title, description"),
        ({"deadline": "15d"}, "deadline"),
        ({"deadline": None}, "deadline"),
    ],
)
def test_other_content_is_refused(
    shell: Shell, stack: Stack, draft: dict[str, Any], change: dict[str, Any], named: str
) -> None:
    reference = draft["reference"]
    asyncio.run(start_agreement(draft))
    document_id = asyncio.run(_sent(reference))
    before = _ledger(stack, document_id)
    said = _refused(shell, draft | change)
    assert said == (
        f"reference {reference} is used by an agreement with other content ({named}): use another one, for "
        f"example {reference}.2 (with --supersedes {reference} if it replaces that agreement); "
        "`replace-signer` replaces a signer"
    )
    assert _ledger(stack, document_id) == before
    assert [document["id"] for document in _documents(stack, reference)] == [document_id]


@pytest.mark.thorough
def test_what_has_ended_is_not_started_again(shell: Shell, stack: Stack, draft: dict[str, Any]) -> None:
    reference = draft["reference"]
    asyncio.run(start_agreement(draft))
    asyncio.run(_end(reference))
    before = _documents(stack, reference)
    ended = f"{reference}: started before, and ended: see `status {reference}`; nothing was started twice\n"
    assert _start(shell, draft) == (0, ended, "")
    again = asyncio.run(start_agreement(draft))
    assert (again.already_running, again.already_ended) == (False, True)
    said = _refused(shell, draft | {"title": "Another order"})
    assert said == (
        f"reference {reference} was used by an agreement with other content (title): use another one, for "
        f"example {reference}.2 (with --supersedes {reference} if it replaces that agreement)"
    )
    assert _documents(stack, reference) == before


@pytest.fixture
def no_key(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that starts agreements and knows nothing of the provider."""
    del shell
    for name in os.environ:
        if name.startswith("TURBODOCX_"):
            monkeypatch.delenv(name)


@pytest.mark.thorough
@pytest.mark.usefixtures("no_key")
@pytest.mark.parametrize(
    ("source", "why"),
    [
        (
            {"template_id": "7e3a1c00-0000-4000-8000-00000000dead"},
            "template 7e3a1c00-0000-4000-8000-00000000dead: no template has this id",
        ),
        (
            {"variables": {"CustomerName": "Example Ltd"}},
            f"template {TEMPLATE}: it needs the variable CompanyName; it needs ",
        ),
    ],
)
def test_what_only_the_worker_can_find_leaves_nothing_behind(
    shell: Shell, stack: Stack, draft: dict[str, Any], source: dict[str, Any], why: str
) -> None:
    reference = draft["reference"]
    begun = (0, f"{reference}: started\n", NOT_CHECKED)
    assert _start(shell, draft | {"source": draft["source"] | source}) == begun
    watched = shell("watch", reference)
    assert watched.code == ExitCode.NOT_COMPLETED
    assert f"{reference} failed: {why}" in watched.err  # on a slow machine after other news
    assert watched.err.endswith("; nothing was sent: correct the input and start it again\n")
    status = shell("status", reference)
    assert status.code == 0
    assert "stage     failed while generating\n" in status.out
    assert f"why       {why}" in status.out
    assert _documents(stack, reference) == []

    assert _start(shell, draft) == begun
    document_id = asyncio.run(_sent(reference))
    assert [document["id"] for document in _documents(stack, reference)] == [document_id]


def test_a_dry_run_knows_what_the_store_remembers_and_temporal_does_not(
    shell: Shell, stack: Stack, draft: dict[str, Any]
) -> None:
    reference = draft["reference"]
    keys = StoreKeys("local", "default")
    claim = stack.store / keys.claim(reference)
    claim.parent.mkdir(parents=True)
    claim.write_text("{}")
    used = f"reference {reference} was used by an earlier agreement that the store remembers: use another one"
    (shell.folder / "draft.json").write_text(json.dumps(draft))
    ran = shell("start", "draft.json", "--dry-run")
    assert (ran.code, ran.err.startswith(used)) == (ExitCode.REFERENCE_TAKEN, True), ran.err
    (stack.store / keys.released(reference, 1)).write_text("{}")
    assert shell("start", "draft.json", "--dry-run").out == f"{reference}: can be started\n"


@pytest.mark.thorough
@pytest.mark.usefixtures("shell")
def test_the_settings_say_which_workers_take_it(
    draft: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_TASK_QUEUE", "elsewhere")
    started = asyncio.run(start_agreement(draft))
    assert asyncio.run(_task_queue(started.workflow_id)) == "elsewhere"


async def _task_queue(name: str) -> str:
    return (await (await connect()).get_workflow_handle(name).describe()).task_queue


async def _start_by_name(draft: dict[str, Any], task_queue: str = "countersign") -> None:
    client = await connect()
    signers = [{"name": "Ada Lovelace", "email": "ada@example.com"}]
    await client.start_workflow(
        WORKFLOW_NAME,
        draft | {"signers": signers, "deadline": None},
        id=workflow_id(draft["reference"]),
        task_queue=task_queue,
    )


@pytest.mark.thorough
def test_an_agreement_that_another_language_started_is_compared_alike(
    shell: Shell, draft: dict[str, Any]
) -> None:
    asyncio.run(_start_by_name(draft))
    same = draft | {"signers": ["Ada Lovelace <ada@example.com>"], "deadline": None}
    assert asyncio.run(start_agreement(same)).already_running
    assert "(signers, deadline)" in _refused(shell, draft)


def test_content_that_cannot_be_read_is_another(
    shell: Shell, draft: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as encrypted:
        encrypted.setenv("COUNTERSIGN_ENCRYPTION_KEYS", _KEY)
        asyncio.run(_start_by_name(draft, "nobody-listens"))
        same = draft | {"signers": ["Ada Lovelace <ada@example.com>"], "deadline": None}
        assert asyncio.run(start_agreement(same)).already_running
    assert "used by an agreement with content that this process cannot read: use another one" in _refused(
        shell, draft
    )
