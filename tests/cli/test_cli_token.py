"""`token`: made once, listed without its secret, revoked."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.checks.finding import State
from cli.checks.tokens import check_tokens
from countersign.api.tokens import RefusedTokenError, Scope, Verifier, new_token, open_tokens
from countersign.storage import FolderStore
from tests.cli.shell import Shell


@pytest.fixture(params=["store", "file"])
def shell(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COUNTERSIGN_ENVIRONMENT", "test")
    monkeypatch.setenv("COUNTERSIGN_API_TOKENS", _setting(request.param, tmp_path))
    return Shell(tmp_path)


def _setting(kind: str, folder: Path) -> str:
    return kind if kind == "store" else str(folder / "tokens.json")


def test_a_token_is_made_listed_and_revoked(shell: Shell, request: pytest.FixtureRequest) -> None:
    kind = request.node.callspec.params["shell"]
    tokens = open_tokens(_setting(kind, shell.folder), FolderStore(shell.folder / "store"), "test")
    assert shell("token", "list").out == "no tokens (`token create` makes one)\n"
    made = shell("token", "create", "crm", "--scope", "start", "--scope", "read:people", "--prefix", "crm-")
    assert (made.code, made.err) == (0, "")
    secret = made.out.strip()
    record = asyncio.run(Verifier(tokens).verify(secret))
    assert (record.name, record.prefix, record.scopes) == ("crm", "crm-", (Scope.START, Scope.READ_PEOPLE))
    assert record.id in shell("token", "list").out
    (listed,) = json.loads(shell("token", "list", "--json").out)
    assert (listed["id"], "sha256" in listed, "token" in listed) == (record.id, False, False)
    assert shell("token", "revoke", record.id).out == f"{record.id}: revoked\n"
    assert "revoked" in shell("token", "list").out
    with pytest.raises(RefusedTokenError):
        asyncio.run(Verifier(tokens).verify(secret))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ada@example.com", "--scope", "read"], "NAME: use 1 to 64 letters"),
        (["crm", "--scope", "read", "--prefix", "a b"], "--prefix: use 1 to 30 letters"),
        (["crm", "--scope", "read", "--expires", "soon"], "--expires: write a time from now"),
        (["crm", "--scope", "read", "--expires", "0d"], "--expires: write a time from now"),
        (["crm", "--scope", "read", "--expires", "9999d"], "a token lasts 3 years at most"),
        (["crm", "--scope", "read", "--account", "nowhere"], "there is no account nowhere"),
        (["crm", "--scope", "all"], "choose one of start, read, act, read:people"),
        (["crm"], "--scope"),
    ],
)
def test_a_wrong_token_is_one_sentence(shell: Shell, arguments: list[str], sentence: str) -> None:
    ran = shell("token", "create", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert sentence in " ".join(ran.err.replace("│", " ").split())


async def test_the_doctor_reports_tokens_that_end_soon(shell: Shell, request: pytest.FixtureRequest) -> None:
    kind = request.node.callspec.params["shell"]
    tokens = open_tokens(_setting(kind, shell.folder), FolderStore(shell.folder / "store"), "test")
    assert [finding async for finding in check_tokens()] == []
    for name, days in (("soon", 13), ("later", 15), ("ended", -1)):
        until = datetime.now(UTC) + timedelta(days=days)
        await tokens.add(new_token(name, (Scope.READ,), expires_at=until)[1])
    (finding,) = [finding async for finding in check_tokens()]
    assert finding.state is State.WARNING
    assert " of soon ends " in finding.found


async def test_the_doctor_reports_a_damaged_file_of_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tokens.json").write_text("{")
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COUNTERSIGN_API_TOKENS", str(tmp_path / "tokens.json"))
    (finding,) = [finding async for finding in check_tokens()]
    assert finding.state is State.FAILED
    assert "is damaged" in finding.found
