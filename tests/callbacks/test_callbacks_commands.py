"""`start` with a callback, and `callbacks list` and `replay`, on a stack that really runs."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from standardwebhooks.webhooks import Webhook
from temporalio.client import Client

from countersign.agreements.reference import workflow_id
from countersign.client.drafts import check_draft
from countersign.client.errors import BadInputError
from countersign.client.start import check_agreement
from countersign.connection import connect
from devstack.stack import Stack
from tests.callbacks.callback_receiver import OTHER_SECRET
from tests.cli.conftest import shell, stack  # noqa: F401  # fixtures
from tests.cli.shell import Shell
from tests.polling import poll

DRAFT: dict[str, Any] = {
    "title": "Order",
    "source": {"kind": "link", "url": "https://example.com/contract.pdf"},
    "signers": ["Ada Lovelace <ada@example.com>"],
    "callback_url": "https://hooks.example.com/x?signature=canary",
}


class Recorder(ThreadingHTTPServer):
    """Records the callbacks; refuses them while `status` says so."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls: list[tuple[bytes, dict[str, str]]] = []
        self.status = HTTPStatus.NO_CONTENT


class Handler(BaseHTTPRequestHandler):
    server: Recorder

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append((body, dict(self.headers.items())))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as recorder:
        thread = Thread(target=recorder.serve_forever, daemon=True)
        thread.start()
        yield recorder
        recorder.shutdown()


def test_callbacks_are_listed_and_replayed(shell: Shell, stack: Stack, recorder: Recorder) -> None:  # noqa: F811
    reference = f"called-{uuid.uuid4().hex[:10]}"
    draft = {
        **DRAFT,
        "reference": reference,
        "source": {"kind": "file", "path": str(Path(__file__).parents[2] / "docs/examples/contract.pdf")},
        "callback_url": f"http://127.0.0.1:{recorder.server_port}/hook?signature=canary",
        "callback_secret": OTHER_SECRET,
        "metadata": {"order": 1042},
    }
    (shell.folder / "agreement.yaml").write_text(yaml.safe_dump(draft))
    recorder.status = HTTPStatus.GONE
    started = shell("start", "agreement.yaml")
    assert (started.code, "canary" in started.out + started.err) == (0, False)
    failed = poll(lambda: _listed(shell, reference, "failed"))
    assert [callback["event"] for callback in failed] == ["sent"]
    ((body, headers),) = recorder.calls
    assert Webhook(OTHER_SECRET).verify(body, headers)["data"]["metadata"] == {"order": "1042"}
    shown = shell("callbacks", "list", reference).out
    assert "sent" in shown
    assert "callback_url: answered with HTTP 410" in shown
    assert "canary" not in shown
    recorder.status = HTTPStatus.NO_CONTENT
    assert shell("callbacks", "replay", reference).out == f"{reference}: sent is delivered again\n"
    assert poll(lambda: _listed(shell, reference, "delivered"))
    assert shell("callbacks", "list", reference, "--undelivered").out.startswith("no callbacks")
    assert shell("callbacks", "replay", reference).out == f"{reference}: every callback was delivered\n"
    recorder.status = HTTPStatus.CONFLICT  # it has had the event
    assert shell("callbacks", "replay", reference, "--event", "agreement.sent").code == 0
    assert poll(lambda: len(recorder.calls) == 3 and _listed(shell, reference, "delivered"))
    assert len({headers["webhook-id"] for _, headers in recorder.calls}) == 1
    unknown = shell("callbacks", "replay", reference, "--event", "voided")
    assert unknown.code == 3
    assert unknown.err.startswith(f"{reference}: no such callback; `callbacks list` shows what there is")
    assert shell("callbacks", "replay", "no-such-reference").code == 3
    assert "canary" not in asyncio.run(_plain_attributes(stack, reference))
    assert OTHER_SECRET not in asyncio.run(_history(stack, reference))
    shell("void", reference, "--reason", "only a test")


def _listed(shell: Shell, reference: str, state: str) -> list[Any]:  # noqa: F811
    found = json.loads(shell("callbacks", "list", reference, "--json").out)
    return [callback for callback in found if callback["state"] == state]


async def _plain_attributes(stack: Stack, reference: str) -> str:  # noqa: F811
    client: Client = await connect(environment=stack.env)
    query = f'WorkflowId STARTS_WITH "callback-{reference}" or WorkflowId = "{workflow_id(reference)}"'
    return "".join([str(workflow.raw_info) async for workflow in client.list_workflows(query)])


async def _history(stack: Stack, reference: str) -> str:  # noqa: F811
    client: Client = await connect(environment=stack.env)
    return (await client.get_workflow_handle(workflow_id(reference)).fetch_history()).to_json()


async def test_a_drafts_secret_becomes_a_file_of_the_store() -> None:
    agreement, (file,) = await check_draft(
        {**DRAFT, "callback_secret": OTHER_SECRET, "metadata": {"order": 1042}}
    )
    assert agreement.callback_secret_key == file.key
    assert (file.content, file.key.startswith("files/"), file.key.endswith(".secret")) == (
        OTHER_SECRET.encode(),
        True,
        True,
    )
    assert agreement.metadata == {"order": "1042"}
    assert OTHER_SECRET not in repr((agreement, file))
    assert "canary" not in repr(agreement)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"callback_url": "ftp://hooks.example.com"}, "callback_url: must be https://host/path"),
        (
            {"callback_url": "https://u:p@hooks.example.com"},
            "callback_url: must not contain a user name or a password",
        ),
        ({"callback_url": 7}, "callback_url: write an https URL of at most 2048 characters"),
        (
            {"callback_secret": "short"},
            "callback_secret: the secret must be whsec_ and 24 to 64 bytes in base64",
        ),
        ({"metadata": ["order"]}, "metadata: write at most 20 names, each with a text"),
        ({"metadata": {"order": "x" * 501}}, "metadata.order: must have at most 500 characters"),
        (
            {"callback_url": None, "callback_secret": OTHER_SECRET},
            "callback_secret_key: remove it, or add a callback_url",
        ),
    ],
)
async def test_what_cannot_be_called_back_is_refused_in_one_sentence(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadInputError) as refused:
        await check_draft({**DRAFT, **changes})
    assert str(refused.value) == sentence


async def test_a_client_that_knows_the_hosts_refuses_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_CALLBACKS_HOSTS", "other.example.com")
    with pytest.raises(BadInputError) as refused:
        await check_agreement(DRAFT, ask_provider=False)
    assert str(refused.value) == (
        "callback_url: hooks.example.com may not be called back; COUNTERSIGN_CALLBACKS_HOSTS must name it"
    )
