"""A provider that allows 100 requests per 6 s and answers 429 to the rest: 300 agreements finish.

    python -m benchmarks.throttle [--agreements 300]

`COUNTERSIGN_PROVIDER_CALLS_PER_SECOND` is set to the provider's limit. Temporal holds the steps back for the
whole fleet; the sandbox counts each window's requests, those that it refuses included.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from benchmarks.fleet import fleet

WINDOWS: Final = 300
"""How many windows the sandbox counts one after the other: half an hour of six seconds each."""


@dataclass(frozen=True)
class Allowance:
    """So many requests in so many seconds.

    Args:
        requests: The provider refuses what comes after them, until the window ends.
        seconds: The window.
    """

    requests: int = 100
    seconds: float = 6

    @property
    def per_second(self) -> float:
        """What the workers are told."""
        return self.requests / self.seconds

    @property
    def burst(self) -> float:
        """What may come on top: Temporal lets a second's worth of steps through at once after a lull."""
        return self.per_second


@dataclass(frozen=True)
class Flow:
    """What the provider saw.

    Args:
        seconds: From the first start to the last archive.
        windows: Requests by window, refused ones included.
        refused: How many were answered 429.
    """

    seconds: float
    windows: Sequence[int]
    refused: int


async def run(agreements: int, allowed: Allowance) -> Flow:
    """Run the agreements to their end: none fails, none waits for a person."""
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
    out = Console()
    out.print(
        f"{options.agreements} agreements in {flow.seconds:.0f} s; none failed, none waits for a person"
    )
    out.print(
        f"requests per {allowed.seconds:g} s: at most {max(flow.windows)}, {sum(flow.windows)} in all; "
        f"refused with 429: {flow.refused}"
    )
    assert max(flow.windows) <= allowed.requests + allowed.burst, "more than the limit and its burst"


if __name__ == "__main__":
    main()
