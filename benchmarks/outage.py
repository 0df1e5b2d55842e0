"""Measure an outage of the provider of three minutes, with and without the circuit.

    python -m benchmarks.outage [--agreements 200] [--time-scale 6]

`--time-scale` shortens all waits, the outage and the cooldown. During the outage all calls return 503, half
of the sends after their work, which the client cannot know. Temporal, receiver, worker and sandbox are
processes, and the sandbox counts the calls. After the outage all signers sign, and agreements that wait for
a person are resolved by a look-up at the provider.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from temporalio.api.enums.v1 import EventType

from benchmarks.agreements import billable_actions
from benchmarks.fleet import WAITING, Fleet, fleet, reference_of
from benchmarks.measurement import show, show_table
from countersign.agreements.failures import OUTCOME_UNKNOWN
from countersign.agreements.messages import Resolution
from countersign.client.agreements import resolve_agreement

OUTAGE: Final = 180.0
COOLDOWN: Final = 60.0
FAILURES: Final = 10
SLOTS: Final = 20
RESOLVED: Final = 300.0
"""Seconds for what a person has decided to come to its end."""
SEND: Final = "/turbosign/single/prepare-for-signing"


@dataclass
class Report:
    """The cost of an outage."""

    calls: int = 0
    probes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    waited: int = 0
    documents: Counter[int] = field(default_factory=Counter)
    attempts: int = 0
    actions: float = 0
    seconds: float = 0


class Outage:
    """Runs agreements through an outage of the provider."""

    def __init__(self, fleet: Fleet, *, time_scale: float) -> None:
        self._fleet, self._stack, self._time_scale = fleet, fleet.stack, time_scale

    async def run(self) -> Report:
        """Run one outage."""
        report, actions = Report(), billable_actions(self._stack.ports.metrics)
        await self._fleet.start()
        await self._fleet.until_sent(len(self._fleet.references) // 4)
        await self._take_away()
        await asyncio.sleep(OUTAGE / self._time_scale)
        report.calls = sum(int(fault["hits"]) for fault in await self._fleet.faults())
        over = time.perf_counter()
        report.waited = await self._fleet.drain()
        report.seconds = time.perf_counter() - over
        await self._resolve()
        async with asyncio.timeout(RESOLVED):
            while await self._fleet.drain():  # noqa: ASYNC110  # the list is eventually consistent
                await asyncio.sleep(0.5)
        report.probes = self._probes()
        report.actions = billable_actions(self._stack.ports.metrics) - actions
        await self._check_ends(report)
        return report

    async def _take_away(self) -> None:
        down = {"do": "status", "status": 503, "times": None, "for_seconds": OUTAGE / self._time_scale}
        done = down | {"path": SEND, "method": "POST", "at": "after", "probability": 0.5}
        await self._stack.sandbox.call("PUT", "/_sandbox/faults", {"seed": 7, "api": [done, down]})

    async def _resolve(self) -> None:
        documents = {reference_of(document): document["id"] for document in await self._fleet.documents()}
        async for workflow in self._fleet.client.list_workflows(WAITING):
            reference = workflow.id.removeprefix("agreement-")
            found = documents.get(reference)
            resolution = Resolution(action="adopt" if found else "send_again", document_id=found)
            await resolve_agreement(reference, resolution, client=self._fleet.client)

    def _probes(self) -> int:
        """Count the probes that failed; the last one, which succeeds, does not count."""
        log = self._stack.supervisor.log("worker").read_text()
        lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        return sum(entry.get("operation") == "probe" and entry["outcome"] != "ok" for entry in lines)

    async def _check_ends(self, report: Report) -> None:
        documents = Counter(reference_of(document) for document in await self._fleet.documents())
        report.documents = Counter(documents[name] for name in self._fleet.references)
        for reference in self._fleet.references:
            handle = self._fleet.client.get_workflow_handle(f"agreement-{reference}")
            history = await handle.fetch_history()
            for event in history.events:
                if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                    report.attempts += event.activity_task_started_event_attributes.attempt - 1
                failure = event.activity_task_failed_event_attributes.failure.application_failure_info
                report.unknown += failure.type == OUTCOME_UNKNOWN
            status = (await handle.describe()).status
            report.outcomes[status.name.lower() if status else "unknown"] += 1


async def live(*, circuit: bool, options: argparse.Namespace) -> Report:
    """Run a stack through one outage."""
    env = {
        "COUNTERSIGN_PACE": str(options.time_scale),
        "COUNTERSIGN_PROVIDER_SLOTS": str(SLOTS),
        "COUNTERSIGN_PROVIDER_CIRCUIT_FAILURES": str(FAILURES if circuit else 0),
    }
    async with fleet(options.agreements, env) as running:
        return await Outage(running, time_scale=options.time_scale).run()


def show_reports(reports: Mapping[str, Report], options: argparse.Namespace) -> None:
    """Print both reports side by side."""
    rows: tuple[tuple[str, Callable[[Report], object]], ...] = (
        ("calls that met the outage", lambda run: run.calls),
        ("of them probes", lambda run: run.probes),
        ("attempts used", lambda run: run.attempts),
        ("billable actions", lambda run: f"{run.actions:,.0f}"),
        ("sends of unknown outcome", lambda run: run.unknown),
        ("of them adopted", lambda run: run.unknown - run.waited),
        ("of them left to a person", lambda run: run.waited),
        ("until all had ended or waited for a person, s", lambda run: f"{run.seconds:.0f}"),
        ("agreements by end", lambda run: _counts(run.outcomes)),
        ("agreements by number of documents", lambda run: _counts(run.documents)),
    )
    show(f"{options.agreements} agreements, down for {OUTAGE:.0f} s / {options.time_scale:g}:")
    show_table(
        ["", *reports], [[name, *(value(report) for report in reports.values())] for name, value in rows]
    )


def _counts(counter: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{key}: {number}" for key, number in counter.items())


def check(report: Report, options: argparse.Namespace) -> None:
    """Check the circuit: few calls, no failures, nothing sent twice, all drained."""
    probes = OUTAGE / COOLDOWN + 1
    assert report.calls <= FAILURES + SLOTS + probes, report
    assert report.waited <= report.unknown <= FAILURES + SLOTS, report
    assert report.outcomes == {"completed": options.agreements}, report
    assert report.documents == {1: options.agreements}, report


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outage", description=__doc__)
    parser.add_argument("--agreements", type=int, default=200)
    parser.add_argument(
        "--time-scale", type=float, default=6, help="how many times faster than real (default 6)"
    )
    options = parser.parse_args()
    reports = {
        name: asyncio.run(live(circuit=circuit, options=options))
        for name, circuit in (("circuit", True), ("no circuit", False))
    }
    show_reports(reports, options)
    check(reports["circuit"], options)


if __name__ == "__main__":
    main()
