"""Agreements over HTTP, on the real stack: started, followed, signed, archived, ended."""

import asyncio
import base64
import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from countersign.api.tokens import Scope
from countersign.client.agreements import agreement_input
from countersign.testing.office import eventually
from devstack.stack import Stack
from tests.api.api_caller import SIGNERS, Caller, a_draft, make_token, problem

PDF = (Path(__file__).parents[2] / "docs/examples/contract.pdf").read_bytes()
BASE = "/v1/agreements"


async def test_an_agreement_is_started_followed_signed_and_downloaded(
    api: Caller, stack: Stack, reference: str
) -> None:
    started = await api.start(a_draft(reference))
    assert started.status_code == 202, started.text
    assert started.headers["location"] == f"{BASE}/{reference}"
    assert int(started.headers["retry-after"]) > 0
    view = started.json()
    assert (view["reference"], view["stage"], view["waiting_for"]) == (reference, "generating", "provider")
    assert view["links"]["self"] == started.headers["location"]
    waiting = await api.until(reference, "awaiting_signatures")
    assert [signer["name"] for signer in waiting["signers"]] == ["Ada Lovelace", "Grace Hopper"]
    assert waiting["links"]["signed_pdf"] is None
    missing = await api.get(f"{BASE}/{reference}/signed.pdf")
    assert (missing.status_code, problem(missing)) == (404, "not-archived")
    await stack.sandbox.complete(waiting["document_id"])
    ended = await api.until(reference, "completed")
    assert ended["result"]["outcome"] == "completed"
    assert ended["links"]["void"] is None
    pdf = await api.get(ended["links"]["signed_pdf"])
    assert (pdf.status_code, pdf.headers["content-type"]) == (200, "application/pdf")
    assert hashlib.sha256(pdf.content).hexdigest() == ended["result"]["signed_pdf"]["sha256"]
    for name in ("audit_trail", "timeline"):
        file = await api.get(ended["links"][name])
        assert hashlib.sha256(file.content).hexdigest() == ended["result"][name]["sha256"]
        assert json.loads(file.content)
    assert "Lovelace" not in (await api.get(ended["links"]["timeline"])).text, "`read` is enough for it"
    await _check_ranges(api, ended["links"]["signed_pdf"], pdf.content)


async def _check_ranges(api: Caller, path: str, whole: bytes) -> None:
    async def part(wanted: str, **more: str) -> tuple[int, bytes, str | None]:
        response = await api.get(path, headers={"Range": wanted, **more})
        return response.status_code, response.content, response.headers.get("content-range")

    size = len(whole)
    assert await part("bytes=0-4") == (206, b"%PDF-", f"bytes 0-4/{size}")
    assert await part(f"bytes={size - 3}-") == (206, whole[-3:], f"bytes {size - 3}-{size - 1}/{size}")
    assert await part("bytes=-7") == (206, whole[-7:], f"bytes {size - 7}-{size - 1}/{size}")
    assert await part("bytes=10-99999999") == (206, whole[10:], f"bytes 10-{size - 1}/{size}")
    assert await part("bytes=0-4", **{"If-Range": '"other"'}) == (200, whole, None)
    for ignored in ("bytes=0-1,3-4", "lines=0-4", "bytes=-", "bytes=5-4", "0-4"):
        assert await part(ignored) == (200, whole, None), ignored
    status, _, content_range = await part(f"bytes={size}-")
    assert (status, content_range) == (416, f"bytes */{size}")
    tag = (await api.get(path)).headers["etag"]
    assert (await api.get(path, headers={"If-None-Match": tag})).status_code == 304


async def test_the_same_start_again_is_the_same_agreement(
    api: Caller, temporal: Client, reference: str
) -> None:
    draft = a_draft(reference, deadline="14d")
    together = await asyncio.gather(*(api.start(draft) for _ in range(8)))
    assert {response.status_code for response in together} == {202}
    by_header = await api.start(a_draft(deadline="14d"), headers={"Idempotency-Key": reference})
    assert by_header.status_code == 202
    assert by_header.json()["reference"] == reference
    assert (await agreement_input(reference, client=temporal)).title == "Order"
    other = await api.start(draft | {"title": "Other", "signers": SIGNERS[:1]})
    assert (other.status_code, problem(other)) == (409, "reference-taken")
    assert set(other.json()["fields"]) == {"title", "signers"}
    both = await api.start(draft, headers={"Idempotency-Key": f"{reference}x"})
    assert (both.status_code, both.json()["errors"][0]["pointer"]) == (422, "/reference")


@pytest.mark.thorough
async def test_a_start_without_a_reference_gets_one(api: Caller) -> None:
    first, second = await asyncio.gather(api.start(a_draft()), api.start(a_draft()))
    assert len({first.json()["reference"], second.json()["reference"]}) == 2


@pytest.mark.thorough
async def test_the_tokens_name_is_who_started_it(
    api: Caller, stack: Stack, temporal: Client, reference: str
) -> None:
    token = await make_token(stack, Scope.START, name="crm-7")
    await api.with_token(token).start(a_draft(reference))
    assert (await agreement_input(reference, client=temporal)).initiated_by == "crm-7"
    forged = await api.start(a_draft(initiated_by="boss"))
    assert (forged.status_code, forged.json()["errors"][0]["pointer"]) == (422, "/initiated_by")


@pytest.mark.thorough
async def test_a_dry_run_checks_and_starts_nothing(api: Caller, reference: str) -> None:
    checked = await api.start(a_draft(reference), params={"dry_run": True})
    assert (checked.status_code, checked.json()["reference"]) == (200, reference)
    assert (await api.get(f"{BASE}/{reference}")).status_code == 404
    source = a_draft()["source"] | {"variables": {"Wrong": "x"}}
    wrong = await api.start(a_draft(reference, source=source), params={"dry_run": True})
    assert (wrong.status_code, problem(wrong)) == (422, "invalid-input")
    assert "it has no variable Wrong" in wrong.json()["detail"], "the provider was asked"


@pytest.mark.thorough
async def test_a_file_comes_by_form_by_base64_or_by_link(api: Caller, temporal: Client) -> None:
    def with_source(**source: str) -> dict[str, Any]:
        return a_draft(f"api-{uuid.uuid4().hex[:12]}", source=source)

    form = a_draft(f"api-{uuid.uuid4().hex[:12]}")
    del form["source"]
    parts = {"agreement": (None, json.dumps(form), "application/json"), "file": ("contract.pdf", PDF)}
    content = base64.b64encode(PDF).decode()
    started = [
        await api("POST", BASE, files=parts),
        await api.start(with_source(kind="file", file_name="contract.pdf", content=content)),
    ]
    for response in started:
        assert response.status_code == 202, response.text
        source = (await agreement_input(response.json()["reference"], client=temporal)).source
        assert source.model_dump()["sha256"] == hashlib.sha256(PDF).hexdigest()
        await api.until(response.json()["reference"], "awaiting_signatures")
    link = await api.start(with_source(kind="link", url="https://files.example.com/contract.pdf"))
    assert link.status_code == 202


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("source", "pointers"),
    [
        ({"kind": "file", "path": "/etc/passwd"}, {"/source/path", "/source/content"}),
        ({"kind": "file", "key": "x/signed.pdf", "file_name": "a.pdf", "sha256": "0" * 64}, None),
        ({"kind": "file", "file_name": "a.pdf", "content": "%%%"}, {"/source/content"}),
        ({"kind": "file", "file_name": "a.pdf", "content": "aGVsbG8="}, {"/source"}),
        ({"kind": "file", "content": base64.b64encode(PDF).decode()}, {"/source/file_name"}),
        (
            {
                "kind": "template",
                "template_id": "x",
                "variables": {"Logo": {"kind": "image", "key": "a", "sha256": "b"}},
            },
            None,
        ),
    ],
)
async def test_a_file_is_what_the_caller_sends_and_nothing_on_the_server(
    api: Caller, source: dict[str, Any], pointers: set[str] | None
) -> None:
    response = await api.start(a_draft(source=source))
    assert (response.status_code, problem(response)) == (422, "invalid-input"), response.text
    found = {error["pointer"] for error in response.json()["errors"]}
    assert found == pointers if pointers else found


@pytest.mark.thorough
async def test_what_is_wrong_is_named_by_place_and_never_by_value(api: Caller) -> None:
    draft = a_draft(
        "x!",
        signers=[{"name": "Ada", "email": "nobody-at-home"}, {"name": ""}],
        fields=[{"signer": 7}],
        oops=1,
    )
    del draft["title"]
    response = await api.start(draft)
    assert (response.status_code, problem(response)) == (422, "invalid-input")
    found = {error["pointer"] for error in response.json()["errors"]}
    expected = {"/reference", "/title", "/signers/0/email", "/signers/1/email", "/signers/1/name", "/oops"}
    assert found >= expected - {"/signers/0/email"}, found
    assert "nobody-at-home" not in response.text


@pytest.mark.thorough
async def test_a_long_poll_ends_with_a_change_or_with_its_time(api: Caller, reference: str) -> None:
    await api.start(a_draft(reference))
    await api.until(reference, "awaiting_signatures")
    path = f"{BASE}/{reference}"
    now = await api.get(path)
    tag = now.headers["etag"]
    assert (await api.get(path, headers={"If-None-Match": tag})).status_code == 304
    waited = await api.get(path, params={"wait": 1}, headers={"If-None-Match": tag})
    assert (waited.status_code, waited.content) == (304, b"")
    unknown = await api.get(path, params={"wait": 60}, headers={"If-None-Match": '"old"'})
    assert (unknown.status_code, unknown.headers["etag"]) == (200, tag), "no wait: it differs already"
    poll = asyncio.create_task(api.get(path, params={"wait": 60}, headers={"If-None-Match": tag}))
    voided = await api.post(f"{path}/void", {"reason": "No longer needed."})
    assert (voided.status_code, voided.headers["location"]) == (202, path)
    changed = await poll
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag
    assert (await api.until(reference, "voided"))["result"]["reason"] == "No longer needed."
    again = await api.post(f"{path}/void", {"reason": "No longer needed."})
    assert (again.status_code, problem(again)) == (409, "state-conflict")
    assert "`" not in again.text, "no advice about a command line"
    assert (await api.start(a_draft(reference))).status_code == 200


async def test_the_verbs_ask_the_worker(api: Caller, reference: str) -> None:
    await api.start(a_draft(reference))
    await api.until(reference, "awaiting_signatures")
    path = f"{BASE}/{reference}"
    assert (await api.post(f"{path}/remind")).status_code == 202
    refused = await api.post(f"{path}/resolve", {"action": "send_again"})
    assert (refused.status_code, problem(refused)) == (409, "state-conflict")
    for verb, body in (
        ("void", {}),
        ("void", {"reason": ""}),
        ("void", {"reason": "x", "extra": 1}),
        ("resolve", {"action": "adopt"}),
        ("resolve", {"action": "dance"}),
        ("remind", {"now": True}),
        ("replace-signer", {"signer": 9, "by": SIGNERS[0]}),
        ("replace-signer", {"signer": 1, "by": {"name": "No Address"}}),
    ):
        response = await api.post(f"{path}/{verb}", body)
        assert (response.status_code, problem(response)) == (422, "invalid-input"), (verb, body)
    other = {"signer": 2, "by": {"name": "Alan Turing", "email": "alan@example.com"}}
    replaced = await api.post(f"{path}/replace-signer", other)
    assert replaced.status_code == 202, replaced.text
    assert replaced.headers["location"] == f"{path}.2"
    view = await api.until(f"{reference}.2", "awaiting_signatures")
    assert [signer["name"] for signer in view["signers"]] == ["Ada Lovelace", "Alan Turing"]
    assert view["supersedes"] == reference
    assert (await api.post(f"{path}/replace-signer", other)).headers["location"] == f"{path}.2", "it resumes"


@pytest.mark.thorough
async def test_lists_are_filtered_counted_and_paged(api: Caller, stack: Stack) -> None:
    prefix = f"pg{uuid.uuid4().hex[:6]}-"
    token = await make_token(stack, Scope.READ, Scope.START, prefix=prefix)
    tenant = api.with_token(token)
    references = {f"{prefix}{number}" for number in range(5)}
    for name in references:
        assert (await tenant.start(a_draft(name))).status_code == 202
        await api.until(name, "awaiting_signatures")
    await api.post(f"{BASE}/{prefix}0/void", {"reason": "Enough."})
    await api.until(f"{prefix}0", "voided")

    async def listed(**params: Any) -> dict[str, Any]:
        response = await tenant.get(BASE, params=params)
        assert response.status_code == 200, response.text
        page: dict[str, Any] = response.json()
        return page

    waiting = await eventually(
        lambda: listed(stage="awaiting_signatures", counts=True), lambda page: len(page["agreements"]) == 4
    )
    assert {item["reference"] for item in waiting["agreements"]} == references - {f"{prefix}0"}
    assert (waiting["counts"]["awaiting_signatures"], waiting["counts"]["sending"]) == (4, 0)
    seen, path = [], f"{BASE}?ended=true&limit=2"
    while path:
        page = (await tenant.get(path)).json()
        assert len(page["agreements"]) <= 2
        seen += [item["reference"] for item in page["agreements"]]
        path = page["next"]
    assert sorted(seen) == sorted(references)
    whole = (await tenant.get(f"{BASE}?ended=true&limit=2")).json()["next"]
    assert (await tenant.get(whole.replace("ended=true", "ended=false"))).status_code == 422
    for params in (
        {"cursor": "!"},
        {"cursor": "AAAA"},
        {"stage": "x"},
        {"limit": 0},
        {"failed": 1, "stuck": 1},
    ):
        response = await tenant.get(BASE, params=params)
        assert (response.status_code, problem(response)) == (422, "invalid-input"), params


@pytest.mark.thorough
async def test_templates_show_what_a_form_must_ask(api: Caller) -> None:
    listed = (await api.get("/v1/templates")).json()["templates"]
    assert {item["id"] for item in listed} >= {"7e3a1c00-0000-4000-8000-000000000002"}
    form = (await api.get("/v1/templates/7e3a1c00-0000-4000-8000-000000000002")).json()
    assert form["variables"] == ["CustomerName", "EffectiveDate"]
    forms = [(await api.get(f"/v1/templates/{item['id']}")).json() for item in listed]
    assert any(role["role"] for form in forms for role in form["roles"])
    missing = await api.get("/v1/templates/7e3a1c00-0000-4000-8000-00000000dead")
    assert (missing.status_code, problem(missing)) == (404, "unknown-template")


@pytest.mark.thorough
async def test_references_ignore_case_and_unknown_ones_are_404(api: Caller, reference: str) -> None:
    await api.start(a_draft(reference))
    assert (await api.get(f"{BASE}/{reference.upper()}")).status_code == 200
    missing = await api.get(f"{BASE}/no-such-agreement")
    assert (missing.status_code, problem(missing)) == (404, "unknown-agreement")
    malformed = await api.get(f"{BASE}/x!")
    assert (malformed.status_code, problem(malformed)) == (422, "invalid-input")
