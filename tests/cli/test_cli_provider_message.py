"""A refusal that names a person reaches neither the output of commands nor their log."""

import asyncio
from collections.abc import Iterator

import pytest

from devstack.stack import Stack
from tests.cli.shell import Shell

pytestmark = pytest.mark.thorough

BODY = {"message": "Ludmilla Brontosaurus may not do this", "code": "NotForLudmilla"}
COMMANDS = [
    pytest.param(("doctor",), id="doctor"),
    pytest.param(("webhook", "setup", "--url", "{receiver}/webhooks/turbodocx"), id="webhook setup"),
    pytest.param(("webhook", "remove", "--url", "{receiver}/webhooks/turbodocx"), id="webhook remove"),
    pytest.param(("webhook", "test"), id="webhook test"),
    pytest.param(("start", "order.yaml", "--check"), id="start --check"),
    pytest.param(("orphans",), id="orphans"),
]


@pytest.fixture(params=[400, *(pytest.param(status, marks=pytest.mark.heavy) for status in (409, 500))])
def refusing(stack: Stack, request: pytest.FixtureRequest) -> Iterator[None]:
    fault = {"path": "/*", "do": "status", "status": request.param, "body": BODY, "times": None}
    asyncio.run(stack.sandbox.call("PUT", "/_sandbox/faults", {"api": [fault]}))
    yield
    asyncio.run(stack.sandbox.call("DELETE", "/_sandbox/faults"))


@pytest.mark.usefixtures("refusing")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_prints_the_code_and_not_the_words(
    shell: Shell, stack: Stack, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_LOG_LEVEL", "DEBUG")
    (shell.folder / "order.yaml").write_text(
        "reference: words-1\ntitle: Order\nsource: {kind: template, template_id: x, variables: {a: b}}\n"
        "signers: [Ada Lovelace <ada@example.com>]\n"
    )
    ran = shell.run(*(part.replace("{receiver}", stack.receiver_url) for part in command))
    assert "provider call" in ran.err
    assert "Brontosaurus" not in ran.out + ran.err
