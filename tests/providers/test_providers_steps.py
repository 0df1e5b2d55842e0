"""A step makes as many calls as it documents: the queue's rate limit counts steps, and is priced by that."""

import dataclasses
import inspect
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.testing import ActivityEnvironment

from activities.archive import ArchiveActivities
from activities.documents import DocumentActivities
from activities.requests import (
    ArchiveRequest,
    CheckRequest,
    GenerateRequest,
    IdentifyRequest,
    RemindRequest,
    SearchRequest,
    SendRequest,
    VoidDocumentRequest,
)
from activities.signatures import SignatureActivities
from countersign.agreements.messages import DeliverableSource, Sender, Signer, TemplateSource
from countersign.agreements.reference import Marker
from countersign.providers.turbodocx.adapter import TurboDocx
from countersign.storage import FolderStore
from countersign.storage.store import StoreKeys
from tests.providers.provider_desk import TEMPLATE_ID, Desk
from worker import CALLS_PER_STEP

KINDS = (DocumentActivities, SignatureActivities, ArchiveActivities)
NUMBERS = {"one": 1, "two": 2, "three": 3, "ten": 10}
ANN = Signer(name="Ann Signer", email="ann@example.com")


def steps() -> dict[str, Callable[..., Any]]:
    """Every step at the provider, by its name."""
    methods = [getmember for kind in KINDS for _, getmember in inspect.getmembers(kind, inspect.isfunction)]
    return {
        method.__name__: method for method in methods if hasattr(method, "__temporal_activity_definition")
    }


def documented(step: str) -> int:
    """The most calls that a step's docstring tells of, downloads included."""
    reported = (inspect.getdoc(steps()[step]) or "").lower()
    counts = re.findall(r"\b(one|two|three|ten) (?:calls?|when|download)\b", reported)
    assert counts, f"{step} does not tell how often it calls the provider"
    numbers = [NUMBERS[count] for count in counts]
    return sum(numbers) if step == "archive" else max(numbers)


class Bench:
    """Runs steps as a worker would, and counts their calls."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        store = FolderStore(folder)
        self.provider = TurboDocx(desk.client, Sender(name="Example", email="contracts@example.com"))
        self.desk = desk
        self.keys = StoreKeys("test", "default")
        self.store = store
        self.signatures = SignatureActivities(self.provider, store, self.keys)
        self.archive = ArchiveActivities(self.provider, store, self.keys).archive
        self.mark: dict[str, Any] = {"marker": Marker(f"steps-{uuid.uuid4().hex[:8]}", "abc123de")}
        self.calls: dict[str, int] = {}

    async def run(self, step: Callable[..., Any], task: Any, *, attempt: int = 1) -> Any:
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(ActivityEnvironment.default_info(), attempt=attempt)
        before = await self.desk.calls()
        result = await environment.run(step, task)
        name = step.__name__
        self.calls[name] = max(self.calls.get(name, 0), await self.desk.calls() - before)
        return result


@pytest_asyncio.fixture
async def bench(desk: Desk, tmp_path: Path) -> Bench:
    await desk.watch_calls()
    return Bench(desk, tmp_path)


async def test_every_step_makes_the_calls_that_it_documents(bench: Bench, completed_id: str) -> None:
    mark, signatures = bench.mark, bench.signatures
    variables = {"CustomerName": "Ann", "EffectiveDate": "today"}
    source = TemplateSource(template_id=TEMPLATE_ID, variables=variables)
    for attempt in (1, 2):
        task = GenerateRequest(**mark, title=f"NDA {attempt}", source=source)
        made = await bench.run(
            DocumentActivities(another(bench), bench.store).generate, task, attempt=attempt
        )
    await bench.run(SignatureActivities(another(bench), bench.store, bench.keys).send, a_send(bench, source))
    document_id = (await bench.run(signatures.send, a_send(bench, made, attempt=2))).document_id
    sent = {**mark, "document_id": document_id}
    await bench.run(
        signatures.identify, IdentifyRequest(**sent, title="NDA", sender=None, signers=(ANN,), since=None)
    )
    since = datetime.now(UTC) - timedelta(minutes=5)
    await bench.run(signatures.search, SearchRequest(**mark, since=since))
    await bench.run(signatures.check, CheckRequest(document_id=document_id))
    await bench.run(signatures.remind, RemindRequest(**sent, number=1))
    await bench.run(signatures.void, VoidDocumentRequest(**sent, reason="no longer needed"))
    to_archive = ArchiveRequest(reference=mark["marker"].reference, document_id=completed_id, timeline=())
    await bench.run(bench.archive, to_archive)
    assert 1 <= bench.calls.pop("search") <= documented("search")
    assert bench.calls == {step: documented(step) for step in steps() if step != "search"}


def another(bench: Bench) -> TurboDocx:
    """A worker's adapter that has yet to learn what the template needs."""
    return TurboDocx(bench.desk.client, bench.provider.sender)


def a_send(bench: Bench, source: DeliverableSource | TemplateSource, attempt: int = 1) -> SendRequest:
    return SendRequest(**bench.mark, title="NDA", source=source, signers=(ANN,), attempt=attempt)


def test_the_rate_limit_is_priced_by_the_step_that_calls_most() -> None:
    without_the_download = documented("archive") - 1
    others = [documented(step) for step in steps() if step not in {"search", "archive"}]
    assert max([*others, without_the_download]) == CALLS_PER_STEP


@pytest.mark.parametrize("step", steps())
def test_every_step_tells_how_often_it_calls_the_provider(step: str) -> None:
    assert documented(step) >= 1
