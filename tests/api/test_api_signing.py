"""Signing links over HTTP: who gets one, and that it is nowhere but in the response."""

import json
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client

from devstack.stack import Stack
from tests.api.api_caller import Caller, a_draft, problem
from tests.api.api_process import running_api

pytestmark = pytest.mark.thorough


def path_of(reference: str, signer: int | str) -> str:
    return f"/v1/agreements/{reference}/signers/{signer}/signing-link"


async def test_the_signer_in_turn_alone_gets_a_link(
    stack: Stack, temporal: Client, tmp_path: Path, reference: str
) -> None:
    async with running_api(stack, tmp_path, COUNTERSIGN_LOG_LEVEL="DEBUG") as process:
        api = process.call
        await api.start(a_draft(reference, send_emails=False))
        view = await api.until(reference, "awaiting_signatures")
        early = await api.post(path_of(reference, 2))
        assert (early.status_code, problem(early)) == (409, "not-in-turn")
        assert early.json()["signers"] == [1]
        made = await api.post(path_of(reference, 1), {"return_url": "https://shop.example/thanks"})
        assert made.status_code == 200, made.text
        assert made.headers["cache-control"] == "no-store"
        link = made.json()
        assert (link["reference"], link["signer"]) == (reference, 1)
        async with httpx.AsyncClient(follow_redirects=True, trust_env=False) as browser:
            for url in (link["url"], link["embed_url"]):
                assert (await browser.get(url)).status_code == 200
        ids = await stack.sandbox.recipient_ids(view["document_id"])
        await stack.sandbox.sign(view["document_id"], ids[0])
        again = await api.post(path_of(reference, 1))
        assert (again.status_code, problem(again)) == (409, "already-signed")
        assert (await api.post(path_of(reference, 2))).status_code == 200
        await api.post(f"/v1/agreements/{reference}/void", {"reason": "x"})
        await api.until(reference, "voided")
        over = await api.post(path_of(reference, 2))
        assert (over.status_code, problem(over)) == (409, "state-conflict")
        secret = link["url"].rpartition("/")[2].partition("?")[0]
        assert len(secret) > 20, link["url"]
        handle = temporal.get_workflow_handle(f"agreement-{reference}")
        history = (await handle.fetch_history()).to_json()
        assert secret not in process.log
        assert secret not in json.dumps(history)
        assert "signing-link" in process.log


async def test_what_no_link_is_made_for_is_a_problem(api: Caller, reference: str) -> None:
    await api.start(a_draft(reference, review=True))
    await api.until(reference, "in_review")
    early = await api.post(path_of(reference, 1))
    assert (early.status_code, problem(early)) == (409, "not-yet")
    for signer, status, kind in ((3, 404, "unknown-signer"), (0, 422, "invalid-input")):
        response = await api.post(path_of(reference, signer))
        assert (response.status_code, problem(response)) == (status, kind)
    unknown = await api.post(path_of("no-such-one", 1))
    assert (unknown.status_code, problem(unknown)) == (404, "unknown-agreement")
    for body, place in (
        ({"return_url": "javascript:alert(1)"}, None),
        ({"return_url": 1}, "/return_url"),
        ({"verification": {"id": "check-77", "at": "2027-01-31T12:00:00"}}, "/verification/at"),
        ({"verifications": {}}, "/verifications"),
    ):
        response = await api.post(path_of(reference, 1), body)
        assert (response.status_code, problem(response)) == (422, "invalid-input"), body
        assert response.json()["errors"][0].get("pointer") == place
        assert "javascript" not in response.text


async def test_without_the_accounts_key_the_problem_says_so(
    stack: Stack, tmp_path: Path, reference: str
) -> None:
    for key, logged in (("", "set TURBODOCX_API_KEY here"), ("TDX-test-other", "cannot be used")):
        async with running_api(stack, tmp_path / (key or "none"), TURBODOCX_API_KEY=key) as process:
            await process.call.start(a_draft(reference))
            await process.call.until(reference, "awaiting_signatures")
            response = await process.call.post(path_of(reference, 1))
            assert (response.status_code, problem(response)) == (503, "unusable-key"), response.text
            assert "operator" in response.json()["title"]
            assert logged in process.log
            assert "TDX-test-other" not in process.log + response.text
