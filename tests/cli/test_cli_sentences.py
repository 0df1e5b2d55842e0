"""The sentences of the command line: mistakes and help texts, one snapshot each.

`pytest tests/cli/test_cli_sentences.py --snapshot-update` takes improved sentences over. The tests beside the
snapshots assert codes, and that nothing was done.
"""

import asyncio
import json
import re
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from fpdf import FPDF
from syrupy.assertion import SnapshotAssertion
from typer.testing import CliRunner

from cli.command import verb
from cli.main import VERBS, app
from countersign.client.errors import CommandError, ExitCode
from countersign.client.start import check_agreement, start_agreement
from countersign.configuration import SettingsError
from countersign.free_ports import free_port
from countersign.observability import tracing
from devstack.sandbox import MEMBER_KEY
from devstack.stack import Stack
from tests.cli.shell import NOT_CHECKED, Shell
from tests.workflows.office import TEMPLATE, VARIABLES

_ADA = {"name": "Ada Lovelace", "email": "ada@example.com"}
_GRACE = {"name": "Grace Hopper", "email": "grace@example.com"}
_NDA = "7e3a1c00-0000-4000-8000-000000000002"
_ROLES = "7e3a1c00-0000-4000-8000-000000000003"
_REFUSED = (
    "the provider rejects the API key for this organization: check that TURBODOCX_ORG_ID is the key's "
    "organization, and that the key's role is `contributor` or `administrator`"
)


@dataclass(frozen=True)
class Mistake:
    """One way to get it wrong: what differs from a draft that works."""

    draft: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    code: ExitCode = ExitCode.BAD_INPUT


def _signers(*signers: Mapping[str, Any]) -> dict[str, Any]:
    return {"signers": list(signers)}


def _template(template_id: str = TEMPLATE, variables: Mapping[str, str] = VARIABLES) -> dict[str, Any]:
    return {"source": {"kind": "template", "template_id": template_id, "variables": dict(variables)}}


def _file(path: str) -> dict[str, Any]:
    return {"source": {"kind": "file", "path": path}}


def _in(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


MISTAKES = {
    "no recipients": Mistake(_signers()),
    "an invalid e-mail": Mistake(_signers(_ADA, _GRACE | {"email": "grace"})),
    "a cc that is none": Mistake({"cc": ["nobody"]}),
    "a sender that is none": Mistake({"sender": {"name": "Us", "email": "us@"}}),
    "two recipients alike": Mistake(
        _signers(_ADA, _GRACE | {"email": "ADA@example.com"}),
    ),
    "a hole in the order": Mistake(
        _signers(_ADA | {"order": 1}, _GRACE | {"order": 3}),
    ),
    "an order for some": Mistake(_signers(_ADA | {"order": 1}, _GRACE)),
    "a signer in other words": Mistake({"signers": ["ada@example.com"]}),
    "a template like none there is": Mistake(
        _template("nosuch"),
    ),
    "an unknown template": Mistake(
        _template("Services Agremeent"),
    ),
    "a template's id mistyped": Mistake(_template(f"{_NDA[:-1]}9")),
    "a variable that the template lacks": Mistake(
        _template(variables=VARIABLES | {"Prize": "1"}),
    ),
    "a variable that it needs": Mistake(
        _template(variables={name: value for name, value in VARIABLES.items() if name != "StartDate"}),
    ),
    "a role that nobody fills": Mistake(
        {"source": {"kind": "roles", "template_id": _ROLES}, **_signers(_ADA | {"role": "clint"})},
    ),
    "a signer without a role": Mistake(
        {"source": {"kind": "roles", "template_id": _ROLES}, **_signers(_ADA)},
    ),
    "fields beside those of the roles": Mistake(
        {
            "source": {"kind": "roles", "template_id": _ROLES},
            **_signers(_ADA | {"role": "client"}),
            "fields": [{"signer": 1, "anchor": "{signature1}"}],
        },
    ),
    "a role without roles": Mistake(
        _signers(_ADA | {"role": "client"}),
    ),
    "a missing file": Mistake(_file("nowhere.pdf")),
    "a file that is not what its name says": Mistake(_file("text.pdf")),
    "an archive that is no document": Mistake(_file("archive.docx")),
    "a file of another kind": Mistake(_file("notes.txt")),
    "a file that is too large": Mistake(_file("large.pdf")),
    "an initiator with an address": Mistake(
        {"initiated_by": "ada@example.com"},
    ),
    "an http link": Mistake(
        {"source": {"kind": "link", "url": "http://example.com/a.pdf"}},
    ),
    "a reference with forbidden characters": Mistake(
        {"reference": "order 1042/7"},
    ),
    "a deadline in the past": Mistake({"deadline": _in(-1)}),
    "a deadline beyond the limit": Mistake({"deadline": _in(1001)}),
    "a deadline without an offset": Mistake(
        {"deadline": "2030-01-31T12:00:00"},
    ),
    "a deadline that is none": Mistake({"deadline": "soon"}),
    "a deadline of another kind": Mistake({"deadline": ["14d"]}),
    "a reminder that is none": Mistake({"reminders": {"every": "seven"}}),
    "too much of it": Mistake(
        _template(variables=VARIABLES | {"Service": "x" * 1_500_000}),
    ),
    "a field for nobody": Mistake({"fields": [{"signer": 3, "anchor": "{signature1}"}]}),
    "a field nowhere": Mistake({"fields": [{"signer": 1}]}),
    "a mistyped name": Mistake({"signrs": [], "title": "T"}),
    "a mistyped name of a signer's": Mistake(
        _signers({"name": "Ada Lovelace", "mail": "ada@example.com"}),
    ),
    "a signer who is no list": Mistake({"signers": "Ada Lovelace <ada@example.com>"}),
    "more signers than there may be": Mistake(_signers(*[_ADA] * 101)),
    "a copy that is no list": Mistake({"cc": "ada@example.com"}),
    "a source that is a word": Mistake({"source": "link"}),
    "a source without its kind": Mistake({"source": {"url": "x"}}),
    "a mistyped kind": Mistake({"source": {"kind": "templat"}}),
    "a file without its path": Mistake({"source": {"kind": "file"}}),
    "a path that is a list": Mistake({"source": {"kind": "file", "path": [5]}}),
    "a variable that is a list": Mistake(
        {"source": {"kind": "template", "template_id": TEMPLATE, "variables": {"Price": [1]}}},
    ),
    "a field of words": Mistake({"fields": [{"signer": "Ada"}]}),
    "too many reminders": Mistake({"reminders": {"at_most": 99}}),
    "a redo of itself": Mistake(
        {"reference": "ORDER-7", "supersedes": "order-7"},
    ),
    "no title": Mistake({"title": ""}),
    "a title left out": Mistake({"title": None}),
    "a deadline of a bare number": Mistake({"deadline": "14"}),
    "a deadline that is a number": Mistake({"deadline": 14}),
    "shapes and the rest at once": Mistake(
        {
            "reference": "order 1042/7",
            **_file("nowhere.pdf"),
            "signers": ["Ada"],
            "cc": ["ada"],
            "deadline": _in(-1),
        },
    ),
    "several at once": Mistake(
        {**_signers(_ADA | {"email": "ada"}), "deadline": _in(-1)},
    ),
    "Temporal out of reach": Mistake(
        env={"TEMPORAL_ADDRESS": "127.0.0.1:1"},
        code=ExitCode.UNREACHABLE,
    ),
    "an address of Temporal without a port": Mistake(
        env={"TEMPORAL_ADDRESS": "localhost"},
        code=ExitCode.UNREACHABLE,
    ),
    "an address of Temporal with a scheme": Mistake(
        env={"TEMPORAL_ADDRESS": "http://127.0.0.1:7233"},
    ),
    "no such namespace": Mistake(
        env={"TEMPORAL_NAMESPACE": "elsewhere"},
        code=ExitCode.UNREACHABLE,
    ),
    "a wrong key": Mistake(
        env={"TURBODOCX_API_KEY": "TDX-test-wrong"},
    ),
    "an organisation that is none": Mistake(
        env={"TURBODOCX_ORG_ID": "foo"},
    ),
    "somebody else's organisation": Mistake(env={"TURBODOCX_ORG_ID": "01234567-89ab-cdef-0123-456789abcdef"}),
    "a store that is a file": Mistake(
        _file("fine.pdf"),
        env={"COUNTERSIGN_STORE": "text.pdf"},
    ),
    "a key without its organisation": Mistake(env={"TURBODOCX_ORG_ID": ""}),
    "a key that cannot be read": Mistake(
        env={"TURBODOCX_API_KEY": "", "TURBODOCX_API_KEY_FILE": "/nowhere/key"},
    ),
    "encryption keys that are none": Mistake(env={"COUNTERSIGN_ENCRYPTION_KEYS": "foo"}),
    "a placeholder for a key": Mistake(env={"TURBODOCX_API_KEY": "TDX-changeme"}),
    "http to somewhere": Mistake(
        env={"TURBODOCX_BASE_URL": "http://api.example.com"},
    ),
}


@pytest.fixture
def files(shell: Shell) -> Path:
    """Files that are not what they should be."""
    fine = FPDF()
    fine.add_page()
    fine.output(str(shell.folder / "fine.pdf"))
    (shell.folder / "text.pdf").write_text("Dear Sir or Madam")
    (shell.folder / "archive.docx").write_bytes(b"PK\x03\x04 but nothing of Word")
    (shell.folder / "notes.txt").write_text("notes")
    (shell.folder / "large.pdf").write_bytes(b"%PDF-1.7" + bytes(10 * 1024 * 1024))
    return shell.folder


def _draft(mistake: Mistake) -> dict[str, Any]:
    whole = {"reference": f"bad-{uuid.uuid4().hex[:10]}", "title": "Order", **_template(), **_signers(_ADA)}
    return whole | dict(mistake.draft)


def _ledger(stack: Stack) -> Any:
    return asyncio.run(stack.sandbox.ledger())


def normalized(text: str, shell: Shell) -> str:
    """Replace what differs between runs: the folder, ports, random references."""
    text = text.replace(str(shell.folder), "FOLDER")
    text = re.sub(r", (?:Letter|Offer) \([0-9a-f-]+\)", "", text)  # test_cli_docs.py makes them on this stack
    text = re.sub(r"bad-[0-9a-f]{10}", "REFERENCE", text)
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
@pytest.mark.usefixtures("files")
def test_a_mistake_is_one_sentence_and_nothing_is_done(
    mistake: Mistake,
    shell: Shell,
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
    snapshot: SnapshotAssertion,
) -> None:
    for name, value in mistake.env.items():
        monkeypatch.setenv(name, value)
    before = _ledger(stack)
    draft = _draft(mistake)
    path = shell.folder / "draft.json"
    path.write_text(json.dumps(draft))

    ran = shell("start", str(path))
    with pytest.raises(CommandError) as raised:
        asyncio.run(start_agreement(draft))

    assert (ran.code, ran.out) == (mistake.code, "")
    assert normalized(ran.err, shell) == snapshot
    assert ran.err.strip() == str(raised.value)
    assert raised.value.exit_code == mistake.code
    assert "Traceback" not in ran.err
    assert not [person for person in ("Lovelace", "ada@example.com") if person in ran.err]
    assert _ledger(stack) == before


def test_no_permission_is_reported_apart(shell: Shell, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURBODOCX_API_KEY", MEMBER_KEY)
    before = _ledger(stack)
    path = shell.folder / "draft.json"
    path.write_text(json.dumps(_draft(Mistake())))
    forbidden = {
        "path": "/template/*",
        "do": "status",
        "status": 403,
        "times": None,
        "body": {"message": "no", "type": "Role"},
    }
    asyncio.run(stack.sandbox.call("PUT", "/_sandbox/faults", {"api": [forbidden]}))
    try:
        with pytest.raises(CommandError) as raised:
            asyncio.run(check_agreement(_draft(Mistake())))
        reported = shell("start", str(path))
    finally:
        asyncio.run(stack.sandbox.call("DELETE", "/_sandbox/faults"))
    assert (str(raised.value), raised.value.exit_code) == (_REFUSED, ExitCode.BAD_INPUT)
    assert (reported.err, reported.code) == (f"{_REFUSED}\n", ExitCode.BAD_INPUT)
    assert _ledger(stack) == before


@pytest.mark.parametrize("unset", [["TURBODOCX_API_KEY"], ["TURBODOCX_API_KEY", "TURBODOCX_ORG_ID"]])
def test_an_agreement_starts_without_the_providers_key(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, unset: list[str]
) -> None:
    for name in unset:
        monkeypatch.delenv(name)
    path = shell.folder / "draft.json"
    draft = _draft(Mistake())
    path.write_text(json.dumps(draft))
    checked = shell("start", str(path), "--dry-run")
    assert (checked.code, checked.out, checked.err) == (
        0,
        f"{draft['reference']}: can be started\n",
        NOT_CHECKED,
    )
    started = shell("start", str(path))
    assert (started.code, started.out, started.err) == (0, f"{draft['reference']}: started\n", NOT_CHECKED)


def test_traces_without_their_libraries_are_reported_in_a_sentence(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(tracing, "_spans", None)
    monkeypatch.setitem(sys.modules, "countersign.observability.spans", None)  # as if they were missing
    for asked in (["list"], ["status", "order-1"]):
        ran = shell(*asked)
        assert ran.code == ExitCode.BAD_INPUT
        assert ran.err.startswith("OTEL_EXPORTER_OTLP_ENDPOINT needs the extra `telemetry`; install ")
        assert ran.err.count("\n") == 1


def test_a_setting_that_cannot_work_is_reported_wherever_it_is_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @verb
    async def broken() -> None:
        raise SettingsError("SOME_SETTING is not set")

    with pytest.raises(typer.Exit) as ended:
        broken()
    assert (ended.value.exit_code, capsys.readouterr().err) == (2, "SOME_SETTING is not set\n")


def test_a_start_does_not_need_the_provider(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURBODOCX_BASE_URL", f"http://127.0.0.1:{free_port()}")
    path = shell.folder / "draft.json"
    path.write_text(json.dumps(_draft(Mistake())))
    insisting = shell("start", str(path), "--check")
    assert (insisting.code, insisting.out) == (ExitCode.UNREACHABLE, "")
    assert "cannot be reached (ConnectError); retrying is safe" in insisting.err
    started = shell("start", str(path))
    assert (started.code, started.err.count("\n")) == (0, 1)
    assert started.err.startswith("not checked with the provider: ")


@pytest.mark.parametrize(
    "words",
    [
        [],
        *([name] for name in VERBS if name not in {"callbacks", "webhook"}),
        ["callbacks"],
        ["callbacks", "list"],
        ["callbacks", "replay"],
        ["webhook"],
        ["token", "create"],
        ["token", "list"],
        ["token", "revoke"],
        ["webhook", "setup"],
        ["webhook", "test"],
        ["webhook", "route", "test"],
        ["notices", "test"],
    ],
    ids=" ".join,
)
def test_help(words: list[str], snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    ran = CliRunner().invoke(app, [*words, "--help"], prog_name="countersign")
    assert ran.exit_code == 0
    assert ran.output == snapshot
