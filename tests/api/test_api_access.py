"""Who may do what: tokens, scopes, tenants, people's data, limits."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from countersign.api import access
from countersign.api.access import Gate, RateLimit
from countersign.api.problems import ProblemError
from countersign.api.tokens import (
    FileTokens,
    RefusedTokenError,
    Scope,
    StoreTokens,
    Tokens,
    Verifier,
    new_token,
    open_tokens,
)
from countersign.configuration import SettingsError
from countersign.storage import FolderStore
from devstack.stack import Stack
from tests.api.api_caller import Caller, a_draft, make_token, problem

BASE = "/v1/agreements"
LATER = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture(params=["file", "store"])
def tokens(request: pytest.FixtureRequest, tmp_path: Path) -> Tokens:
    store = FolderStore(tmp_path / "store")
    setting = str(tmp_path / "tokens.json") if request.param == "file" else "store"
    return open_tokens(setting, store, "test")


async def _reason(tokens: Tokens, token: str) -> str:
    with pytest.raises(RefusedTokenError) as refused:
        await Verifier(tokens).verify(token)
    return refused.value.reason


async def test_a_token_is_valid_until_it_ends_or_is_revoked(tokens: Tokens) -> None:
    token, record = new_token("crm", (Scope.READ,), expires_at=LATER, prefix="crm-")
    await tokens.add(record)
    secret = token.get_secret_value()
    assert await Verifier(tokens).verify(secret) == record
    wrong = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    other = new_token("crm", (Scope.READ,), expires_at=LATER)[0].get_secret_value()
    for bad in (wrong, other, "", "cst_", secret[4:], f"{secret} ", secret.upper(), f"cst_{'é' * 51}"):
        assert await _reason(tokens, bad) == "unknown", bad
    old, expired = new_token("old", (Scope.READ,), expires_at=datetime.now(UTC))
    await tokens.add(expired)
    assert await _reason(tokens, old.get_secret_value()) == "expired"
    await tokens.revoke(record, datetime.now(UTC))
    assert await _reason(tokens, secret) == "revoked"
    assert [kept.name for kept in await tokens.all()] == ["crm", "old"]


async def test_no_secret_is_kept(tokens: Tokens, tmp_path: Path) -> None:
    token, record = new_token("crm", (Scope.READ,), expires_at=LATER)
    await tokens.add(record)
    secret = token.get_secret_value().rpartition("_")[2]
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]  # noqa: ASYNC240  # the disk is local
    assert any(record.sha256 in path.read_text() for path in kept)
    assert [path for path in kept if secret in path.read_text()] == []
    assert [path for path in kept if path.stat().st_mode & 0o077] == []
    assert secret not in repr((token, record))


async def test_a_revocation_is_noticed_when_the_memory_is_old(tokens: Tokens) -> None:
    token, record = new_token("crm", (Scope.READ,), expires_at=LATER)
    await tokens.add(record)
    now = 0.0
    verifier = Verifier(tokens, clock=lambda: now)
    await verifier.verify(token.get_secret_value())
    await tokens.revoke(record, datetime.now(UTC))
    now = 5.1
    with pytest.raises(RefusedTokenError):
        await verifier.verify(token.get_secret_value())


async def test_two_processes_can_write_one_file(tmp_path: Path) -> None:
    made = [new_token(f"n{number}", (Scope.READ,), expires_at=LATER)[1] for number in range(20)]
    await asyncio.gather(*(FileTokens(tmp_path / "tokens.json").add(record) for record in made))
    assert {kept.id for kept in await FileTokens(tmp_path / "tokens.json").all()} == {one.id for one in made}


def test_a_damaged_file_is_reported_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text('{"tokens": 3}')
    with pytest.raises(SettingsError, match="COUNTERSIGN_API_TOKENS"):
        open_tokens(str(tmp_path / "tokens.json"), FolderStore(tmp_path / "store"), "test")


async def test_environments_that_share_a_store_share_no_tokens(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    token, record = new_token("crm", (Scope.READ,), expires_at=LATER)
    await StoreTokens(store, "staging").add(record)
    assert await _reason(StoreTokens(store, "production"), token.get_secret_value()) == "unknown"


def test_a_rate_limit_allows_a_burst_and_refills() -> None:
    now = 0.0
    limit = RateLimit(2, clock=lambda: now)
    assert [limit.take("a") for _ in range(20)] == [0.0] * 20
    assert limit.take("a") == pytest.approx(0.5)
    assert limit.take("b") == 0, "another token has its own"
    now = 1.0
    assert [limit.take("a") for _ in range(2)] == [0.0, 0.0]
    assert limit.take("a") > 0


async def test_too_many_requests_get_a_429(tmp_path: Path) -> None:
    tokens = StoreTokens(FolderStore(tmp_path), "test")
    token, record = new_token("crm", (Scope.READ,), expires_at=LATER)
    await tokens.add(record)
    gate = Gate(Verifier(tokens), RateLimit(0.1))
    header = f"Bearer {token.get_secret_value()}"
    await gate.admit(header, Scope.READ)
    with pytest.raises(ProblemError) as refused:
        await gate.admit(header, Scope.READ)
    response = refused.value.response()
    assert (response.status_code, response.headers["retry-after"]) == (429, "10")


@pytest.mark.parametrize(
    ("header", "reason"),
    [(None, "missing"), ("Basic abc", "missing"), ("Bearer", "missing"), ("Bearer cst_x", "unknown")],
)
async def test_a_missing_or_wrong_token_is_a_401_with_a_challenge_and_is_counted(
    api: Caller, tmp_path: Path, header: str | None, reason: str
) -> None:
    headers = {} if header is None else {"Authorization": header}
    for path in (BASE, f"{BASE}/no-such-one", "/v1/templates"):
        response = await api.with_token(None).get(path, headers=headers)
        assert (response.status_code, problem(response)) == (401, "unauthorized")
        assert response.headers["www-authenticate"].startswith('Bearer realm="countersign"')
    access.expect()
    before = _refused(reason)
    with pytest.raises(ProblemError):
        await Gate(Verifier(StoreTokens(FolderStore(tmp_path), "t")), RateLimit(1)).admit(header, Scope.READ)
    assert _refused(reason) == before + 1


def _refused(reason: str) -> float:
    return REGISTRY.get_sample_value("countersign_api_refused_total", {"reason": reason}) or 0


ROUTES: list[tuple[str, str, Scope]] = [
    ("POST", BASE, Scope.START),
    ("GET", BASE, Scope.READ),
    ("GET", f"{BASE}/abc", Scope.READ),
    ("GET", f"{BASE}/abc/timeline", Scope.READ),
    ("GET", f"{BASE}/abc/signed.pdf", Scope.READ_PEOPLE),
    ("GET", f"{BASE}/abc/audit-trail", Scope.READ_PEOPLE),
    ("POST", f"{BASE}/abc/void", Scope.ACT),
    ("POST", f"{BASE}/abc/remind", Scope.ACT),
    ("POST", f"{BASE}/abc/resolve", Scope.ACT),
    ("POST", f"{BASE}/abc/replace-signer", Scope.ACT),
    ("POST", f"{BASE}/abc/signers/1/signing-link", Scope.ACT),
    ("POST", "/v1/batches", Scope.START),
    ("GET", "/v1/batches/abc", Scope.READ),
    ("GET", "/v1/batches/abc/report", Scope.READ),
    ("POST", "/v1/batches/abc/pause", Scope.ACT),
    ("POST", "/v1/batches/abc/resume", Scope.ACT),
    ("POST", "/v1/batches/abc/cancel", Scope.ACT),
    ("GET", "/v1/templates", Scope.READ),
    ("GET", "/v1/templates/abc", Scope.READ),
]


async def test_every_route_needs_its_scope(api: Caller, stack: Stack) -> None:
    document = (await api.get("/openapi.json")).json()
    known = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    covered = {(verb, path.replace("abc", "{reference}")) for verb, path, _ in ROUTES}
    assert {path.replace("/{reference}", "/x") for _, path in known} >= set()
    assert len(known) == len(covered), known
    for method, path, scope in ROUTES:
        others = [other for other in Scope if other is not scope]
        response = await api.with_token(await make_token(stack, *others))(method, path)
        assert (response.status_code, problem(response)) == (403, "insufficient-scope"), (method, path)
        assert f'scope="{scope}"' in response.headers["www-authenticate"]


async def test_people_are_shown_only_to_tokens_that_may_read_them(
    api: Caller, stack: Stack, reference: str
) -> None:
    reader = api.with_token(await make_token(stack, Scope.READ, Scope.START, Scope.ACT))
    started = await reader.start(a_draft(reference))
    assert [signer["name"] for signer in started.json()["signers"]] == [None, None]
    await api.until(reference, "awaiting_signatures")
    await reader.post(f"{BASE}/{reference}/void", {"reason": "Ada Lovelace has left."})
    assert (await api.until(reference, "voided"))["result"]["reason"] == "Ada Lovelace has left."
    seen = await reader.get(f"{BASE}/{reference}")
    assert seen.json()["result"]["reason"] is None
    for text in (started.text, seen.text, (await reader.get(BASE, params={"ended": True})).text):
        assert "Lovelace" not in text
        assert "example.com" not in text


async def test_a_tenant_sees_and_uses_its_own_references_alone(
    api: Caller, stack: Stack, reference: str
) -> None:
    await api.start(a_draft(reference))
    await api.until(reference, "awaiting_signatures")
    tenant = api.with_token(await make_token(stack, *Scope, prefix="acme-"))
    for method, path, _ in ROUTES:
        if "/abc" in path and path.startswith(BASE):
            body: dict[str, Any] = {"json": {"reason": "x"}} if path.endswith("void") else {}
            response = await tenant(method, path.replace("abc", reference), **body)
            assert (response.status_code, problem(response)) == (404, "unknown-agreement"), path
    own = (await tenant.start(a_draft())).json()["reference"]
    assert own.startswith("acme-")
    assert (await tenant.get(f"{BASE}/{own.upper()}")).status_code == 200
    for changes in ({"reference": reference}, {"supersedes": reference}):
        response = await tenant.start(a_draft(**changes))
        assert (response.status_code, problem(response)) == (422, "invalid-input")
    await api.until(own, "awaiting_signatures")
    moved = {"signer": 1, "by": {"name": "A", "email": "a@example.com"}, "new_reference": "other-1"}
    assert (await tenant.post(f"{BASE}/{own}/replace-signer", moved)).status_code == 422
    assert "stage" in (await api.get(f"{BASE}/{own}")).json(), "nothing was voided"


async def test_a_token_of_one_account_sees_no_other(api: Caller, stack: Stack, reference: str) -> None:
    await api.start(a_draft(reference))
    own = api.with_token(await make_token(stack, *Scope, account="turbodocx"))
    other = api.with_token(await make_token(stack, *Scope, account="documenso"))
    assert (await own.get(f"{BASE}/{reference}")).status_code == 200
    for path in (f"{BASE}/{reference}", f"{BASE}/{reference}/signed.pdf", f"{BASE}/{reference}/timeline"):
        response = await other.get(path)
        assert (response.status_code, problem(response)) == (404, "unknown-agreement"), path
    assert (await other.post(f"{BASE}/{reference}/void", {"reason": "x"})).status_code == 404
    assert (await other.get(BASE, params={"ended": True})).json()["agreements"] == []
    for path in (BASE, "/v1/templates"):
        assert (await other.get(path, params={"account": "turbodocx"})).status_code == 422
    assert (await other.start(a_draft(account="turbodocx"))).status_code == 422
