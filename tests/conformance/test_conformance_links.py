"""Signing links, the same with every provider: who gets one, where it leads, and that no e-mail goes out."""

import logging
import re
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio

from countersign.agreements.messages import Outcome, Signer, Stage, VoidRequest
from countersign.client import (
    AlreadySignedError,
    BadInputError,
    NotInTurnError,
    NotSentYetError,
    RefusedError,
    SigningLink,
    Verification,
    signing_link,
)
from countersign.client.errors import ExitCode
from tests.conformance.conftest import ADA, GRACE, Bench, lacks, set_account
from workflows.agreement import AgreementWorkflow

pytestmark = pytest.mark.thorough

RETURN_URL = "https://shop.example/thanks?order=1"
FIELD = re.compile(r'name="(field-\d+)" value="([^"]*)"')


@pytest_asyncio.fixture
async def links(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """A bench whose provider makes links for this process."""
    if not bench.subject.account.plugin.capabilities.signing_links:
        lacks(bench.subject, "signing links")
    set_account(monkeypatch, bench)
    yield bench


async def link(bench: Bench, reference: str, signer: int, **options: Any) -> SigningLink:
    return await signing_link(reference, signer, client=bench.client, **options)


async def sign_at(url: str) -> httpx.Response:
    """Sign as a browser does: open the page, fill the form, send it; return what is shown then."""
    async with httpx.AsyncClient(follow_redirects=True, trust_env=False) as browser:
        page = await browser.get(url)
        assert page.status_code == 200, page.text
        form = {name: value or "Ada" for name, value in FIELD.findall(page.text)}
        return await browser.post(str(page.url), data=form)


async def mails(bench: Bench, document_id: str) -> list[str]:
    """The kinds of e-mails to signers about a document."""
    found = await bench.sandbox.call("GET", f"/_sandbox/emails?document={document_id}")
    return [mail["kind"] for mail in found["emails"] if mail["link"]]


async def test_without_e_mails_people_sign_by_links_alone(links: Bench) -> None:
    if not links.subject.account.plugin.capabilities.optional_emails:
        lacks(links.subject, "sends without e-mails")
    handle, agreement = await links.begin(send_emails=False)
    document_id = await links.sent(handle)
    await links.until_stage(handle, Stage.AWAITING_SIGNATURES)
    for number in (1, 2):
        made = await link(links, agreement.reference, number)
        await sign_at(made.url if number == 1 else made.embed_url)
    assert (await links.result(handle)).outcome is Outcome.COMPLETED
    assert set(await mails(links, document_id)) <= {"completed_copy"}


async def test_who_is_not_in_turn_gets_no_link(links: Bench) -> None:
    handle, agreement = await links.begin(send_emails=False)
    reference = agreement.reference
    document_id = await links.sent(handle)
    await links.until_stage(handle, Stage.AWAITING_SIGNATURES)
    with pytest.raises(NotInTurnError) as refused:
        await link(links, reference, 2)
    assert (refused.value.signer, refused.value.signers) == (2, (1,))
    assert str(refused.value) == f"{reference}: it is not the turn of signer 2: signer 1 signs first"
    assert refused.value.exit_code is ExitCode.NOT_YET
    await links.act(document_id, 1, "sign")
    with pytest.raises(AlreadySignedError, match="signer 1 has already signed"):
        await link(links, reference, 1)
    with pytest.raises(BadInputError, match="has no signer 3; its signers are 1 to 2"):
        await link(links, reference, 3)
    await sign_at((await link(links, reference, 2)).url)
    await links.result(handle)
    with pytest.raises(RefusedError, match="has already ended: completed"):
        await link(links, reference, 2)


async def test_signers_of_one_order_sign_in_any_order(links: Bench) -> None:
    signers = [person.model_copy(update={"order": 1}) for person in (ADA, GRACE)]
    handle, agreement = await links.begin(signers=signers)
    await links.until_stage(handle, Stage.AWAITING_SIGNATURES)
    await sign_at((await link(links, agreement.reference, 2)).url)
    await sign_at((await link(links, agreement.reference, 1)).url)
    assert (await links.result(handle)).outcome is Outcome.COMPLETED


async def test_every_link_works_when_orders_are_mixed(links: Bench) -> None:
    """Two first, then one: a provider may ask one after another, and then says so."""
    people = [ADA, GRACE, Signer(name="Cy", email="cy@example.com")]
    signers = [
        person.model_copy(update={"order": order}) for person, order in zip(people, (1, 1, 2), strict=True)
    ]
    handle, agreement = await links.begin(signers=signers)
    await links.until_stage(handle, Stage.AWAITING_SIGNATURES)
    with pytest.raises(NotInTurnError) as refused:
        await link(links, agreement.reference, 3)
    assert 1 in refused.value.signers
    for number in (1, 2, 3):
        await sign_at((await link(links, agreement.reference, number)).url)
    assert (await links.result(handle)).outcome is Outcome.COMPLETED


async def test_a_document_that_is_not_sent_has_no_links(links: Bench) -> None:
    method, path = links.subject.writes[0]
    await links.break_calls(
        {"path": path, "method": method, "do": "rate_limit", "retry_after": 60, "times": None}
    )
    handle, agreement = await links.begin()
    await links.until(handle, lambda status: status.last_error is not None)
    with pytest.raises(NotSentYetError, match="is not sent yet"):
        await link(links, agreement.reference, 1)
    await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="No longer needed."))
    await links.result(handle)
    with pytest.raises(RefusedError, match="has already ended: voided"):
        await link(links, agreement.reference, 1)


async def test_a_reviewed_document_has_links_once_it_is_sent(links: Bench) -> None:
    if not links.subject.account.plugin.capabilities.review:
        lacks(links.subject, "review")
    handle, agreement = await links.begin(review=True)
    await links.until_stage(handle, Stage.IN_REVIEW)
    with pytest.raises(NotSentYetError, match="is in review"):
        await link(links, agreement.reference, 1)


async def test_a_signer_who_declined_gets_no_link(links: Bench) -> None:
    if not links.subject.account.plugin.capabilities.declines:
        lacks(links.subject, "declines")
    await links.break_webhooks({"do": "drop", "times": None})
    handle, agreement = await links.begin()
    document_id = await links.sent(handle)
    await links.act(document_id, 1, "decline", reason="No.")
    with pytest.raises(RefusedError, match=r"signer 1 has declined|has already ended: declined"):
        await link(links, agreement.reference, 1)


async def test_a_signer_returns_to_the_address_of_the_caller(links: Bench) -> None:
    handle, agreement = await links.begin(signers=(GRACE,))
    await links.until_stage(handle, Stage.AWAITING_SIGNATURES)
    if not links.subject.account.plugin.capabilities.return_url:
        with pytest.raises(BadInputError, match="leads no signer to an address"):
            await link(links, agreement.reference, 1, return_url=RETURN_URL)
        lacks(links.subject, "return URL")
    made = await link(links, agreement.reference, 1, return_url=RETURN_URL)
    assert "shop.example" not in made.url  # a signer could change it
    assert '"return_url": "https://shop.example/thanks?order=1"' in (await sign_at(made.url)).text


@pytest.mark.parametrize(
    ("url", "problem"),
    {
        "http://shop.example/": "must begin with https://",
        "javascript:alert(1)//shop.example": "is not a link",
        "https://user:password@shop.example/": "must not contain a user name or a password",
        "https://shop.example:port/": "is not a link",
        f"https://shop.example/{'a' * 2048}": "has more than 2,048 characters",
    }.items(),
)
async def test_a_return_url_must_be_safe(url: str, problem: str) -> None:
    with pytest.raises(BadInputError, match=f"return URL: {problem}"):
        await signing_link("any-reference", 1, return_url=url)


async def test_an_external_check_makes_a_link_that_works_once(links: Bench) -> None:
    if "external" not in links.subject.account.plugin.capabilities.identity_verification:
        lacks(links.subject, "external identity checks")
    identity = {"kind": "external", "provider": "IDP"}
    handle, agreement = await links.begin(
        signers=[{"name": "Cy", "email": "cy@example.com", "identity": identity}]
    )
    await links.until_stage(handle, Stage.AWAITING_SIGNATURES)
    with pytest.raises(BadInputError, match="signer 1 is checked by your identity provider"):
        await link(links, agreement.reference, 1)
    without_offset = Verification("v-1", datetime(2027, 1, 31))  # noqa: DTZ001  # what is refused
    with pytest.raises(BadInputError, match="add the offset from UTC"):
        await link(links, agreement.reference, 1, verification=without_offset)
    stale = Verification("v-1", datetime(2020, 1, 31, tzinfo=UTC))
    with pytest.raises(RefusedError, match=r"no link for signer 1: .*IdentityAssertionExpired"):
        await link(links, agreement.reference, 1, verification=stale)
    fresh = Verification("v-1", datetime.now(UTC))
    made = await link(links, agreement.reference, 1, verification=fresh)
    assert made.expires_at is not None
    async with httpx.AsyncClient(trust_env=False) as browser:
        assert [(await browser.get(made.url)).status_code for _ in range(2)] == [200, 410]


async def test_a_verification_fits_only_an_external_check(links: Bench) -> None:
    handle, agreement = await links.begin()
    await links.until_stage(handle, Stage.AWAITING_SIGNATURES)
    with pytest.raises(BadInputError, match="has no external identity check"):
        await link(links, agreement.reference, 1, verification=Verification("v-1", datetime.now(UTC)))


async def test_without_the_accounts_key_there_are_no_links(
    links: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, agreement = await links.begin()
    await links.until_stage(handle, Stage.AWAITING_SIGNATURES)
    variable = links.subject.account.settings.variable("api_key")
    monkeypatch.delenv(variable)
    with pytest.raises(BadInputError, match=f"need the key of account .*{variable}"):
        await link(links, agreement.reference, 1)


async def test_a_turn_that_the_provider_passes_on_late_is_worth_another_try(links: Bench) -> None:
    """TurboDocx advances the turn a moment after the signature."""
    if not (path := links.subject.link):
        lacks(links.subject, "calls that make links")
    handle, agreement = await links.begin()
    await links.until_stage(handle, Stage.AWAITING_SIGNATURES)
    body = {"message": "It is not this recipient's turn", "code": "RecipientNotInTurn"}
    await links.break_calls({"path": path, "do": "status", "status": 409, "body": body})
    with pytest.raises(RefusedError, match="retry in some seconds") as refused:
        await link(links, agreement.reference, 1)
    assert refused.value.exit_code is ExitCode.NOT_YET
    assert (await link(links, agreement.reference, 1)).url


async def test_no_link_is_in_a_repr_a_log_or_the_history(
    links: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(links.subject.account.settings.variable("log_bodies"), "redacted")
    caplog.set_level(logging.DEBUG)
    handle, agreement = await links.begin(send_emails=False)
    await links.until_stage(handle, Stage.AWAITING_SIGNATURES)
    made = await link(links, agreement.reference, 1)
    secret = made.url.rpartition("/")[2]
    assert len(secret) > 15
    assert secret not in repr(made)
    await sign_at(made.url)
    await links.until(handle, lambda status: status.signers[0].signed_at is not None)
    assert secret not in (await handle.fetch_history()).to_json()
    said = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert any(record.getMessage() == "provider bodies" for record in said)
    assert [record for record in said if secret in str(vars(record))] == []


async def test_an_agreement_without_e_mails_sends_no_reminder(links: Bench) -> None:
    handle, _ = await links.begin(send_emails=False, reference=f"silent-{uuid.uuid4().hex[:10]}")
    await links.until_stage(handle, Stage.AWAITING_SIGNATURES)
    with pytest.raises(Exception, match="Workflow update failed") as refused:
        await handle.execute_update(AgreementWorkflow.remind)
    assert "sends no e-mails" in str(refused.value.__cause__)
