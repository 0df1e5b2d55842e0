"""Tools for tests that kill one part at one moment of an agreement."""

from dataclasses import dataclass
from typing import Any, Literal

from countersign.agreements.messages import AgreementResult
from devstack.stack import Stack
from tests.chaos.chaos_collect import collect
from tests.chaos.chaos_evidence import Case
from tests.chaos.chaos_rules import violations
from tests.chaos.chaos_schedule import Disruption, Order, Schedule
from tests.chaos.chaos_stack import Parts
from tests.workflows.office import Handle, Office


@dataclass
class Scene:
    """A stack for tests that kill its parts, and the office that starts agreements on it."""

    stack: Stack
    parts: Parts
    office: Office

    async def slow(self, method: str, path: str, *, at: str, do: str = "latency", seconds: float = 2) -> None:
        """Delay the next matching call before or after its work."""
        rule = {"method": method, "path": path, "do": do, "at": at, "seconds": seconds}
        await self.office.sandbox.call("PUT", "/_sandbox/faults", {"api": [rule]})

    async def until_called(self) -> None:
        """Wait until the delayed call has begun."""
        await self.office.eventually(
            lambda: self.office.sandbox.call("GET", "/_sandbox/faults"), lambda set_: set_["api"][0]["hits"]
        )

    async def until_committed(self, kind: str, reference: str) -> None:
        """Wait until the ledger has the commit."""
        await self.office.eventually(
            lambda: self.office.sandbox.call("GET", f"/_sandbox/ledger?kind={kind}"),
            lambda ledger: reference in str(ledger),
        )

    async def disrupt(self, part: str, do: Literal["kill", "freeze"] = "kill", seconds: float = 0) -> None:
        """Kill a part, which then restarts; or freeze it for `seconds`."""
        await self.parts.disrupt(Disruption(0, part, do, seconds))

    async def holder(self, handle: Handle) -> str:
        """Return the name of the worker that runs the agreement's activity."""
        described = await handle.describe()
        (step,) = described.raw_description.pending_activities
        pid = int(step.last_worker_identity.split("@")[0])
        return next(name for name in ("worker", "worker-2") if self.stack.supervisor.pid(name) == pid)

    async def completed(self, handle: Handle, reference: str) -> tuple[AgreementResult, Case]:
        """Sign everything, wait for the end, and check the rules."""
        await self.office.sign_all(await self.office.sent(handle))
        result = await self.office.result(handle)
        case = await self.check_rules(reference)
        return result, case

    async def check_rules(self, reference: str, **waited: Any) -> Case:
        """Check the rules for one agreement."""
        await self.parts.all_up()
        schedule = Schedule(0, 0, (Order(0, reference, "sign", 0),), (), {})
        evidence = await collect(self.stack, self.office.client, schedule, waited)
        assert violations(evidence) == {rule: [] for rule in violations(evidence)}
        return evidence.cases[0]
