"""Measure batches: their check, their run, and what they cost everybody else.

    python -m benchmarks.bulk [--rows 10000] [--agreements 2000]
                              [--backlog 300] [--interactive 20] [--step 0.25] [--rounds 3]

* **Check**: `bulk check` of a table of `--rows` rows, without the provider, as a process.
* **Run**: a batch of `--agreements` rows, from `bulk start` until the last signed document is archived. The
  sandbox's people sign as soon as they are asked.
* **In the way**: `--interactive` agreements are started one after the other, in equal steps, on an idle stack
  and while the steps of `--backlog` agreements of a batch wait. Batches have no priority, a priority, a
  fairness key, or both as in Countersign. The figure is the time from the start until the provider has the
  document, by the sandbox's ledger. Ways take turns; ratios are within a round, to the idle stack; the table
  shows medians of rounds.
"""

import argparse
import asyncio
import csv
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from temporalio.common import Priority

from benchmarks.agreements import ROOT, TEMPLATE, VARIABLES
from benchmarks.fleet import Fleet, fleet
from benchmarks.measurement import progress, ratio, show, show_table
from countersign.agreements.batches import BULK_PRIORITY
from countersign.agreements.messages import AgreementInput, Signer, TemplateSource
from countersign.agreements.names import TASK_QUEUE
from countersign.client.start import start_once

IDLE: Final = "idle"
PLAIN: Final = "batch without both"
OURS: Final = "batch with both, as in Countersign"
WAYS: Final[Mapping[str, Priority | None]] = {
    IDLE: None,
    PLAIN: Priority.default,
    "batch with priority": Priority(priority_key=BULK_PRIORITY),
    "batch with fairness": Priority(fairness_key="batch"),
    OURS: Priority(priority_key=BULK_PRIORITY, fairness_key="batch"),
}
"""What the agreements of the batch are started with."""
_AT_ONCE: Final = 8
"""Rows that a batch starts at once."""
_CREATED: Final = "/_sandbox/ledger?kind=document_created"


def write_table(path: Path, rows: int, batch: str) -> None:
    """Write a table of agreements."""
    fixed = {"title": "A benchmark", "template": TEMPLATE, "signer_1_name": "A signer", "deadline": "30d"}
    fixed |= {f"var.{name}": value for name, value in VARIABLES.items()}
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["reference", "signer_1_email", *fixed])
        table.writerows([f"{batch}-{row}", f"{row}@example.com", *fixed.values()] for row in range(rows))


def check(folder: Path, rows: int) -> None:
    """Measure the check of a table."""
    write_table(folder / "check.csv", rows, "check")
    before, began = os.times(), time.monotonic()
    command = ("bulk", "check", "--no-ask-provider", str(folder / "check.csv"))
    subprocess.run([sys.executable, str(ROOT / "starter.py"), *command], check=True, stdout=sys.stderr)
    took, after = time.monotonic() - began, os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    show_table(
        ("`bulk check`", ""), [("rows", rows), ("seconds", f"{took:.1f}"), ("CPU seconds", f"{cpu:.1f}")]
    )


async def run(folder: Path, agreements: int) -> None:
    """Measure a batch from its start to the last archive."""
    batch = f"run-{uuid.uuid4().hex[:8]}"
    write_table(folder / "run.csv", agreements, batch)
    async with fleet(0, {}) as running:
        began = time.monotonic()
        await _start(folder / "run.csv", batch, running)
        took = {"`bulk start` has ended: checked and stored": time.monotonic() - began}
        signing = asyncio.create_task(_sign_all(running))
        done = 0
        try:
            while done < agreements:
                done = await running.completed()
                if len(await _created(running)) >= agreements:
                    took.setdefault("all are sent", time.monotonic() - began)
                await asyncio.sleep(1)
        finally:  # what there is, if it is interrupted
            signing.cancel()
            took["all are signed and archived"] = time.monotonic() - began
            rows = [(what, f"{seconds:.0f}") for what, seconds in took.items()]
            show_table((f"a batch of {agreements}, until", "seconds"), rows)
            if done < agreements:
                show(f"**{done} of {agreements} only.**")
        mails = (await running.stack.sandbox.call("GET", "/_sandbox/ledger?kind=email_sent"))["entries"]
    asked = [mail["details"]["to"] for mail in mails if mail["details"]["email"] == "signature_request"]
    assert len(asked) == len(set(asked)) == agreements, "a row was sent twice, or not at all"
    per_second = agreements / took["all are signed and archived"]
    show(f"{per_second:.1f} agreements per second; every signer was asked once")


async def _start(table: Path, batch: str, running: Fleet) -> None:
    command = [sys.executable, str(ROOT / "starter.py"), "bulk", "start", str(table), "--batch", batch]
    process = await asyncio.create_subprocess_exec(
        *command, "--yes", "--no-watch", env=running.stack.env, stdout=sys.stderr
    )
    assert await process.wait() == 0


async def _created(running: Fleet) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = (await running.stack.sandbox.call("GET", _CREATED))["entries"]
    return found


async def _sign_all(running: Fleet) -> None:
    """Sign new documents until it is canceled."""
    signed: set[str] = set()
    while True:
        for entry in await _created(running):
            if entry["subject"] not in signed:
                await running.stack.sandbox.complete(entry["subject"])
                signed.add(entry["subject"])
        await asyncio.sleep(1)


@dataclass(frozen=True)
class Waits:
    """Seconds from the start to the document, of the interactive agreements that met the batch.

    Args:
        seconds: The waits.
        met: Which share of the interactive agreements was started while the batch was sent.
    """

    seconds: Sequence[float]
    met: float

    @property
    def p95(self) -> float:
        """The wait that one of twenty exceeds."""
        return statistics.quantiles(self.seconds, n=20, method="inclusive")[-1]

    @property
    def median(self) -> float:
        """The usual wait."""
        return statistics.median(self.seconds)


class Crowd:
    """Interactive agreements on a stack where a batch may run.

    Args:
        running: The stack.
        backlog: The agreements of a batch.
        interactive: The agreements of people.
        step: Seconds between two of their starts.
    """

    def __init__(self, running: Fleet, backlog: int, interactive: int, step: float) -> None:
        self._running = running
        self._backlog = backlog
        self._interactive = interactive
        self._step = step

    async def measure(self, priority: Priority | None) -> Waits:
        """Start a batch with a priority, or none, and interactive agreements beside it."""
        of_batch = self._running.new_references(self._backlog if priority is not None else 0)
        people = self._running.new_references(self._interactive)
        before = len(await _created(self._running))
        await self._start_batch(of_batch, priority)
        began: dict[str, float] = {}
        for reference in people:
            began[reference] = time.time()
            await self._start_one(reference, Priority.default)
            await asyncio.sleep(self._step)
        entries: Sequence[Mapping[str, Any]] = ()
        while len(entries) < len(of_batch) + len(people):
            await asyncio.sleep(0.5)
            entries = (await _created(self._running))[before:]
        at = {_reference(entry): datetime.fromisoformat(entry["at"]).timestamp() for entry in entries}
        over = max((at[reference] for reference in of_batch), default=float("inf"))
        met = [reference for reference in people if began[reference] < over]
        return Waits([at[reference] - began[reference] for reference in met], len(met) / len(people))

    async def _start_batch(self, references: Sequence[str], priority: Priority | None) -> None:
        left = iter(references)

        async def work() -> None:
            for reference in left:
                await self._start_one(reference, priority or Priority.default)

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))

    async def _start_one(self, reference: str, priority: Priority) -> None:
        agreement = AgreementInput(
            reference=reference,
            title="A benchmark",
            source=TemplateSource(template_id=TEMPLATE, variables=VARIABLES),
            signers=(Signer(name="A signer", email=f"{reference}@example.com"),),
        )
        await start_once(self._running.client, agreement, TASK_QUEUE, priority=priority)


def _reference(entry: Mapping[str, Any]) -> str:
    return re.split("[ ~]", entry["details"]["title"].rpartition("[")[2])[0]


async def crowd(backlog: int, interactive: int, step: float, rounds: int) -> None:
    """Measure interactive agreements beside a batch, in turn, and print the table."""
    measured: dict[str, list[Waits]] = {way: [] for way in WAYS}
    async with fleet(0, {}) as running:
        people = Crowd(running, backlog, interactive, step)
        await people.measure(None)  # warms the worker up
        with suppress(asyncio.CancelledError):  # what there is, if it is interrupted
            for number in range(rounds):
                first = number % len(WAYS)
                for way, priority in [*WAYS.items()][first:] + [*WAYS.items()][:first]:
                    progress(f"round {number + 1} of {rounds}: {way}")
                    measured[way].append(await people.measure(priority))
    complete = min(map(len, measured.values()))
    if not complete:
        return
    idle = measured[IDLE][:complete]
    rows = []
    for way, all_waits in measured.items():
        waits = all_waits[:complete]
        rows.append(
            (
                way,
                f"{1000 * statistics.median(wait.median for wait in waits):.0f}",
                f"{1000 * statistics.median(wait.p95 for wait in waits):.0f}",
                f"{ratio([wait.median for wait in waits], [wait.median for wait in idle]):.1f}",
                f"{ratio([wait.p95 for wait in waits], [wait.p95 for wait in idle]):.1f}",
                f"{statistics.median(wait.met for wait in waits):.0%}",
            )
        )
    columns = ("start to sent", "median, ms", "p95, ms", "median to idle", "p95 to idle", "met the batch")
    show_table(columns, rows)
    show(f"{interactive} interactive agreements beside {backlog} of a batch, {complete} rounds")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bulk", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000, help="of the checked table")
    parser.add_argument("--agreements", type=int, default=2000, help="of the batch that is run to its end")
    parser.add_argument("--backlog", type=int, default=300, help="agreements of the batch beside people's")
    parser.add_argument("--interactive", type=int, default=20, help="agreements of people")
    parser.add_argument("--step", type=float, default=0.25, help="seconds between two of these")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        check(Path(folder), options.rows)
        asyncio.run(run(Path(folder), options.agreements))
    asyncio.run(crowd(options.backlog, options.interactive, options.step, options.rounds))


if __name__ == "__main__":
    main()
