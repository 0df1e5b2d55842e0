"""`make up EXAMPLE=order_to_cash` and `make example`, as the README of the example says."""

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from devstack.site import Site
from tests.polling import poll

pytestmark = pytest.mark.heavy

ROOT = Path(__file__).parents[2]
OF_A_RUN = {".git", ".countersign"}


def make(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["make", "--no-print-directory", "RUNTIME=", *arguments],  # noqa: S607  # nothing is installed
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C reaches make and all that it runs
    )


def end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_an_order_of_the_example_is_paid(tmp_path: Path) -> None:
    for path in ROOT.iterdir():  # a checkout of its own, so that no other stack is met
        if path.name not in OF_A_RUN:
            (tmp_path / path.name).symlink_to(path)
    stack = make(tmp_path, "up", "EXAMPLE=order_to_cash")
    try:
        poll(lambda: (tmp_path / ".countersign/local/env").exists() or stack.poll() is not None, seconds=120)
        assert stack.poll() is None, stack.communicate()[0]
        site = Site.of_running(tmp_path / ".countersign/local")
        example = make(tmp_path, "example", "ORDER=1042")
        try:
            assert example.stdout is not None
            said = ""
            while "sign its contract" not in said:
                line = example.stdout.readline()
                assert line, said
                said += line
            asyncio.run(sign(site))
            said += example.communicate(timeout=100)[0]
            assert "order-1042: paid" in said
            assert example.returncode == 0
        finally:
            end(example)
        os.killpg(stack.pid, signal.SIGINT)
        assert "Ctrl-C" in stack.communicate(timeout=60)[0]
    finally:
        end(stack)


async def sign(site: Site) -> None:
    """Sign the one contract, once it is sent."""
    while not (found := (await site.sandbox.call("GET", "/_sandbox/documents"))["documents"]):  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    await site.sandbox.complete(found[0]["id"])
