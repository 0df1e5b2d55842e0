"""Archiving never decides the signature's state, goes on for days, and keeps only whole documents."""

import asyncio
import hashlib
import os
from datetime import timedelta
from pathlib import Path

import pytest
from fpdf import FPDF
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from activities.pdf import NotAPdfError, check_pdf
from countersign.agreements.messages import Outcome, Stage
from devstack.sandbox import Sandbox
from tests.storage.disks import files_in, fill, small_disk
from tests.workflows.office import Handle, Office, open_office
from workflows.agreement import AgreementWorkflow

LINK = "/turbosign/documents/*/download"
FILE = "/_sandbox/storage/*"


async def signed(office: Office) -> Handle:
    """An agreement that everybody has signed, and that has not been told so."""
    handle = await office.start()
    await office.sign_all(await office.sent(handle))
    return handle


@pytest.mark.parametrize(
    ("path", "fault", "rule"),
    [
        (FILE, "status", {"status": 403, "body": "<Error><Code>AccessDenied</Code></Error>"}),
        pytest.param(FILE, "status", {"status": 500}, marks=pytest.mark.heavy),
        pytest.param(FILE, "html", {"status": 200}, marks=pytest.mark.heavy),
        (FILE, "truncate", {}),
        pytest.param(FILE, "content_length", {}, marks=pytest.mark.heavy),
        pytest.param(FILE, "empty", {}, marks=pytest.mark.heavy),
        pytest.param(FILE, "reset", {}, marks=pytest.mark.heavy),
        pytest.param(
            FILE, "redirect", {"status": 302, "location": "http://127.0.0.1:9/"}, marks=pytest.mark.heavy
        ),
        pytest.param(
            LINK, "status", {"status": 409, "body": {"message": "not ready"}}, marks=pytest.mark.heavy
        ),
        (LINK, "status", {"status": 503}),
        pytest.param(LINK, "html", {"status": 200}, marks=pytest.mark.heavy),
        ("/turbosign/documents/*/audit-trail", "status", {"status": 500}),
    ],
)
async def test_a_download_that_fails_is_tried_with_a_fresh_link(
    office: Office, path: str, fault: str, rule: dict[str, object]
) -> None:
    handle = await signed(office)
    await office.break_call(path, fault, **rule)
    await office.skip(handle, timedelta(minutes=10))
    result = await office.result(handle)
    assert result.archive is not None
    content = await office.store.read(result.archive.document.key)
    assert hashlib.sha256(content).hexdigest() == result.archive.document.sha256


async def test_a_download_that_fails_keeps_no_other_file_from_the_store(office: Office) -> None:
    await office.break_call(FILE, "status", status=500, times=None)
    handle = await signed(office)
    await office.deliver_event(handle, "completed", (await office.status(handle)).document_id or "")
    await office.until_stage(handle, Stage.ARCHIVING)
    await office.eventually(
        lambda: asyncio.to_thread(lambda: {path.name for path in office.folder.rglob("*.*")}),
        lambda names: "audit-trail.json" in names,
    )
    await office.mend()
    assert (await office.result(handle)).outcome is Outcome.COMPLETED


async def test_a_document_that_is_stored_is_not_fetched_again(office: Office) -> None:
    handle = await signed(office)
    await office.break_call("/turbosign/documents/*/audit-trail", "status", status=500, times=None)
    await office.deliver_event(handle, "completed", (await office.status(handle)).document_id or "")
    await office.eventually(
        lambda: asyncio.to_thread(lambda: {path.name for path in office.folder.rglob("*.*")}),
        lambda names: "signed.pdf" in names,
    )
    await office.mend()
    await office.break_call(FILE, "status", status=500, times=None)
    await office.skip(handle, timedelta(minutes=10))
    assert (await office.status(handle)).stage is Stage.COMPLETED


async def test_a_store_that_is_down_for_a_day_keeps_the_agreement_signed_and_visible(office: Office) -> None:
    handle = await signed(office)
    drafts = office.folder / ".drafts"
    drafts.rmdir()
    drafts.write_text("as if the disk were gone")
    await office.skip(handle, timedelta(days=1))
    status = await office.until_stage(handle, Stage.ARCHIVING)
    assert (
        status.needs_attention
        == "The document is signed but cannot be archived yet; the worker keeps retrying."
    )
    assert all(signer.signed_at is not None for signer in status.signers)
    drafts.unlink()
    drafts.mkdir()
    await office.skip(handle, timedelta(minutes=10))
    assert (await office.result(handle)).outcome is Outcome.COMPLETED


@pytest.mark.heavy
async def test_a_full_disk_holds_the_archive_up_and_nothing_else(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> None:
    with small_disk(tmp_path, 1024 * 1024):
        async with open_office(client, time_skipper, sandbox, tmp_path) as office:
            handle = await signed(office)
            filler = fill(tmp_path)
            await office.skip(handle, timedelta(hours=3))
            status = await office.until_stage(handle, Stage.ARCHIVING)
            assert "No space left on device" in str(status.last_error)
            assert all(signer.signed_at is not None for signer in status.signers)
            assert not files_in(tmp_path) & {"signed.pdf", "audit-trail.json", "timeline.json"}
            filler.unlink()
            await office.skip(handle, timedelta(hours=2))
            assert (await office.result(handle)).outcome is Outcome.COMPLETED


async def test_events_that_come_while_it_is_archived_are_recorded(office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.sign_all(document_id)
    await office.break_call(FILE, "latency", seconds=55)
    await office.deliver_event(handle, "completed", document_id, event_id="evt_completed")
    await office.until_stage(handle, Stage.ARCHIVING)
    await office.deliver_event(handle, "voided", document_id, event_id="evt_late")
    await office.mend()  # lets the file go
    assert (await office.result(handle)).outcome is Outcome.COMPLETED
    entries = {item.event_id: item for item in await handle.query(AgreementWorkflow.timeline)}
    assert entries["evt_completed"].ignored is None
    assert entries["evt_late"].ignored == "contradicts completed"


def a_pdf() -> bytes:
    document = FPDF()
    document.add_page()
    return bytes(document.output())


async def test_a_whole_pdf_passes(tmp_path: Path) -> None:
    path = tmp_path / "whole.pdf"
    path.write_bytes(a_pdf())
    await check_pdf(path)


def a_page_tree_without_end() -> bytes:
    """Make a PDF of 4 kB with 2**40 pages: every node names its child twice."""
    depth = 40
    objects = ["<< /Type /Catalog /Pages 2 0 R >>"]
    objects += [
        f"<< /Type /Pages /Count 2 /Kids [{child} 0 R {child} 0 R] >>" for child in range(3, depth + 3)
    ]
    objects.append("<< /Type /Page /MediaBox [0 0 595 842] >>")
    content, places = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        places.append(len(content))
        content += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    end = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(content)}\n%%EOF\n"
    return content + (head + end).encode()


async def test_a_pdf_that_is_slow_to_read_does_not_block_the_worker(tmp_path: Path) -> None:
    path = tmp_path / "tree.pdf"
    path.write_bytes(a_page_tree_without_end())
    check = asyncio.ensure_future(check_pdf(path))
    turns = 0
    while not check.done():
        turns += 1
        await asyncio.sleep(0)
    with pytest.raises(NotAPdfError):
        await check
    assert turns > 1


async def test_a_pdf_that_takes_too_long_to_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "endless.pdf"
    os.mkfifo(path)
    with pytest.raises(NotAPdfError, match=r"^the download cannot be read as a PDF within 0\.5 s$"):
        await check_pdf(path, seconds=0.5)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda _: b"", "the download is not a PDF"),
        (lambda whole: b"<html>" + whole, "the download is not a PDF"),
        (lambda whole: whole[: len(whole) // 2], "the download is not a whole PDF: its end is missing"),
        (lambda _: b"%PDF-1.7\n%%EOF\n", "the download is not a readable PDF"),
    ],
)
async def test_anything_else_does_not(tmp_path: Path, spoil: object, sentence: str) -> None:
    path = tmp_path / "spoilt.pdf"
    assert callable(spoil)
    path.write_bytes(spoil(a_pdf()))
    with pytest.raises(NotAPdfError, match=f"^{sentence}$"):
        await check_pdf(path)
