"""Run 300 agreements at a provider that allows 100 requests per 6 s and returns 429 to others.

    python -m benchmarks.throttle [--agreements 300]

`COUNTERSIGN_PROVIDER_CALLS_PER_SECOND` is the provider's limit. Temporal limits the activities of all workers
together; the sandbox counts the requests per window, including those with 429.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.fleet import fleet
from benchmarks.measurement import show

WINDOWS: Final = 300
"""Number of windows: half an hour of windows of six seconds."""


@dataclass(frozen=True)
class Allowance:
    """A rate limit of the provider.

    Args:
        requests: Requests per window; further ones get 429.
        seconds: Length of the window.
    """

    requests: int = 100
    seconds: float = 6

    @property
    def per_second(self) -> float:
        """The rate limit of the workers."""
        return self.requests / self.seconds

    @property
    def burst(self) -> float:
        """Additional requests: after a pause, Temporal starts the activities of one second at once."""
        return self.per_second


@dataclass(frozen=True)
class Flow:
    """The measurements at the provider.

    Args:
        seconds: Time from the first start to the last archive.
        windows: Requests by window, including those with 429.
        refused: Number of requests with 429.
    """

    seconds: float
    windows: Sequence[int]
    refused: int


async def run(agreements: int, allowed: Allowance) -> Flow:
    """Run the agreements; none may fail or wait for a person."""
    env = {
        "COUNTERSIGN_PACE": "1",
        "COUNTERSIGN_PROVIDER_CALLS_PER_SECOND": str(allowed.per_second),
    }
    async with fleet(agreements, env) as running:
        await running.stack.sandbox.call("PUT", "/_sandbox/faults", {"api": _script(allowed)})
        started = time.perf_counter()
        await running.start()
        waiting = await running.drain()
        seconds = time.perf_counter() - started
        assert waiting == 0, f"{waiting} agreements wait for a person"
        assert await running.completed() == agreements, "some have failed"
        rules = await running.faults()
    windows = [int(rule["seen"]) for rule in rules if rule["seen"]]
    return Flow(seconds, windows, sum(int(rule["hits"]) for rule in rules))


def _script(allowed: Allowance) -> list[dict[str, object]]:
    refuse: dict[str, object] = {
        "do": "rate_limit",
        "times": None,
        "skip": allowed.requests,
        "for_seconds": allowed.seconds,
        "retry_after": allowed.seconds,
    }
    return [refuse | {"after_seconds": allowed.seconds * number} for number in range(WINDOWS)]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throttle", description=__doc__)
    parser.add_argument("--agreements", type=int, default=300)
    options = parser.parse_args()
    allowed = Allowance()
    flow = asyncio.run(run(options.agreements, allowed))
    show(f"{options.agreements} agreements in {flow.seconds:.0f} s; none failed, none waits for a person")
    show(
        f"requests per {allowed.seconds:g} s: at most {max(flow.windows)}, {sum(flow.windows)} in all; "
        f"refused with 429: {flow.refused}"
    )
    assert max(flow.windows) <= allowed.requests + allowed.burst, "more than the limit and its burst"


if __name__ == "__main__":
    main()
