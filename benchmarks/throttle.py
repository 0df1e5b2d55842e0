"""A provider that allows 100 requests per 6 s and answers 429 to the rest: 300 agreements finish.

    python -m benchmarks.throttle [--agreements 300]

`COUNTERSIGN_PROVIDER_CALLS_PER_SECOND` is set to the provider's limit. Temporal holds the steps back for the
whole fleet; the sandbox counts each window's requests, those that it refuses included.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from typing import Final

from rich.console import Console

from benchmarks.fleet import fleet

LIMIT: Final = 100
WINDOW: Final = 6.0
BURST: Final = LIMIT / WINDOW
"""Temporal's limit lets a second's worth of steps through at once after a lull."""
_WINDOWS: Final = 300


async def run(agreements: int) -> tuple[float, Sequence[int], int]:
    """Run the agreements; returns the seconds, requests by window, and how many were refused."""
    env = {
        "COUNTERSIGN_PACE": "1",
        "COUNTERSIGN_PROVIDER_CALLS_PER_SECOND": str(LIMIT / WINDOW),
        "COUNTERSIGN_PROVIDER_RETRY_AFTER_LIMIT_SECONDS": "60",
    }
    refuse = {"do": "rate_limit", "times": None, "skip": LIMIT, "for_seconds": WINDOW, "retry_after": WINDOW}
    script = [refuse | {"after_seconds": WINDOW * number} for number in range(_WINDOWS)]
    async with fleet(agreements, env) as running:
        await running.stack.sandbox.call("PUT", "/_sandbox/faults", {"api": script})
        started = time.perf_counter()
        await running.start()
        waiting = await running.drain()
        seconds = time.perf_counter() - started
        assert waiting == 0, f"{waiting} agreements wait for a person"
        assert await running.completed() == agreements, "some have failed"
        rules = await running.faults()
        return seconds, [int(each["seen"]) for each in rules], sum(int(each["hits"]) for each in rules)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throttle", description=__doc__)
    parser.add_argument("--agreements", type=int, default=300)
    options = parser.parse_args()
    seconds, windows, refused = asyncio.run(run(options.agreements))
    busy = [each for each in windows if each]
    out = Console()
    out.print(f"{options.agreements} agreements in {seconds:.0f} s; none failed, none waits for a person")
    out.print(
        f"requests per {WINDOW:g} s: at most {max(busy)}, {sum(busy)} in all; refused with 429: {refused}"
    )
    assert max(busy) <= LIMIT + BURST, "more than the limit and its burst"


if __name__ == "__main__":
    main()
