"""docs/how-to/upgrade.md: versions side by side, made current, drained, rolled back; each run ends once."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from cli.demo import example_agreement
from cli.stack import plan
from countersign.agreements.messages import AgreementResult, Outcome
from countersign.agreements.reference import workflow_id
from countersign.client.agreements import agreement_result
from countersign.client.start import start_agreement
from countersign.connection import connect
from devstack import temporal
from devstack.ports import Ports
from devstack.processes import Part, prints
from devstack.stack import Stack
from tests.conftest import tool
from tests.deploy.stand_in import ROOT
from tests.observability.watched import Watched

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(500)]

PAGE = (ROOT / "docs/how-to/upgrade.md").read_text()
TO_NEXT, BACK = re.findall(r"<!-- do -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
THIS, NEXT = "2026-11-24.1", "2026-12-01.1"
"""The build ids of the page."""
BEFORE, MEANWHILE, AFTER = 50, 6, 6
"""Agreements that begin before the upgrade, between it and the roll back, and after."""
PATIENCE = 180
QUICK_DRAINAGE = {
    "matching.wv.VersionDrainageStatusVisibilityGracePeriod": '"1s"',
    "matching.wv.VersionDrainageStatusRefreshInterval": '"1s"',
}
"""The server's defaults are minutes."""


def test_the_pages_commands_name_its_builds() -> None:
    assert f"COUNTERSIGN_WORKER_BUILD_ID={NEXT}" in PAGE
    assert f"--build-id {NEXT} " in TO_NEXT
    assert f"--build-id {THIS} " in BACK


@pytest_asyncio.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    """A stack without a worker, whose server notices soon that a version is drained."""
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COUNTERSIGN_WORKER_VERSIONING": "pinned",
        "COUNTERSIGN_WATCH_SECONDS": "15",
    }
    planned = replace(plan(tmp_path, Ports.pick()), parts=("temporal", "sandbox", "receiver"), extra_env=env)
    with pytest.MonkeyPatch.context() as patched:
        for name, value in QUICK_DRAINAGE.items():
            patched.setitem(temporal._DYNAMIC_CONFIG, name, value)
        async with Stack(planned) as stack:
            yield Watched(stack, await connect(environment=stack.env), worker="", receiver="")


async def deploy(watched: Watched, build: str, script: Path) -> None:
    """Start a version's worker beside the others."""
    env = watched.stack.env | {"COUNTERSIGN_WORKER_BUILD_ID": build, "PYTHONPATH": str(ROOT)}
    part = Part(
        build,
        [sys.executable, str(script)],
        prints("worker ready"),
        env,
        ROOT,
        start_seconds=60,
        stop_seconds=60,
    )
    await watched.stack.supervisor.start(part)


async def type_in(watched: Watched, script: str) -> str:
    """Run the page's commands until the server knows the version's workers; returns what they print."""
    async with asyncio.timeout(PATIENCE):
        while (done := await asyncio.to_thread(_type, watched, script)).returncode != 0:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    return done.stdout


def _type(watched: Watched, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("sh"), "-euc", script],
        env=watched.stack.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def start(watched: Watched, names: Iterable[str]) -> dict[str, str]:
    """Start agreements and wait until each is sent; returns the documents by reference."""

    async def one(reference: str) -> tuple[str, str]:
        agreement = example_agreement().model_copy(update={"reference": reference})
        await start_agreement(agreement, ask_provider=False, client=watched.client)
        path = f"/_sandbox/documents?title=%5B{reference}~"
        async with asyncio.timeout(PATIENCE):
            while not (found := (await watched.stack.sandbox.call("GET", path))["documents"]):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        return reference, str(found[0]["id"])

    return dict(await asyncio.gather(*map(one, names)))


async def finish(watched: Watched, documents: dict[str, str]) -> list[AgreementResult]:
    """Sign documents and wait for the agreements' results."""
    for document in documents.values():
        await watched.stack.sandbox.complete(document)
    async with asyncio.timeout(PATIENCE):
        results = [agreement_result(reference, client=watched.client) for reference in documents]
        return list(await asyncio.gather(*results))


async def builds(watched: Watched, reference: str) -> set[str]:
    """Return the builds that served an agreement's workflow tasks."""
    history = await watched.client.get_workflow_handle(workflow_id(reference)).fetch_history()
    done = [event.workflow_task_completed_event_attributes for event in history.events]
    return {event.deployment_version.build_id for event in done if event.HasField("deployment_version")}


async def drainage(watched: Watched) -> dict[str, str]:
    """Return the versions' state of drainage, by build."""
    shown = await type_in(watched, "temporal worker deployment describe --name countersign --output json")
    summaries = json.loads(shown)["versionSummaries"]
    return {summary["BuildID"]: summary["drainageStatus"] for summary in summaries}


async def until_drained(watched: Watched, build: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await drainage(watched))[build] != "drained":  # noqa: ASYNC110  # the server's state
            await asyncio.sleep(0.5)


async def test_versions_run_side_by_side_drain_and_roll_back(watched: Watched) -> None:
    await deploy(watched, THIS, ROOT / "worker.py")
    await type_in(watched, BACK)  # makes this version current, the first time
    old = await start(watched, (f"before-{number}" for number in range(BEFORE)))

    await deploy(watched, NEXT, ROOT / "tests/deploy/next_version.py")
    assert NEXT in await type_in(watched, TO_NEXT)
    new = await start(watched, (f"meanwhile-{number}" for number in range(MEANWHILE)))
    half = dict(list(old.items())[: BEFORE // 2])
    results = await finish(watched, half)
    assert (await drainage(watched))[THIS] == "draining", "half of its agreements still run"

    await type_in(watched, BACK)
    newest = await start(watched, (f"after-{number}" for number in range(AFTER)))
    results += await finish(watched, new)
    await until_drained(watched, NEXT)
    await watched.stack.supervisor.stop(NEXT)
    results += await finish(watched, {**newest, **dict(list(old.items())[BEFORE // 2 :])})

    await deploy(watched, NEXT, ROOT / "tests/deploy/next_version.py")
    await type_in(watched, TO_NEXT)
    await until_drained(watched, THIS)  # the watcher, which began on it, has moved on

    for documents, build in ((old, THIS), (new, NEXT), (newest, THIS)):
        assert [name for name in documents if await builds(watched, name) != {build}] == []
    everyone = BEFORE + MEANWHILE + AFTER
    assert Counter(result.outcome for result in results) == {Outcome.COMPLETED: everyone}
    assert {result.document_id for result in results} == {*old.values(), *new.values(), *newest.values()}
    ledger = (await watched.stack.sandbox.ledger())["entries"]
    made = Counter(entry["kind"] for entry in ledger)
    assert (made["document_created"], made["document_completed"]) == (everyone, everyone)
