"""Functions run in another process, which is used again and ends with its caller."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError

from activities import signatures as signature_request
from countersign.agreements.failures import SOURCE_UNUSABLE
from countersign.agreements.messages import FileSource
from countersign.isolation import IsolatedCallError, run_isolated
from countersign.storage import put
from countersign.storage.folder import FolderStore
from tests.polling import poll
from tests.workflows.test_workflows_archiving import a_page_tree_without_end

pytestmark = pytest.mark.thorough

_ROOT = Path(__file__).parents[2]
_CALL = """
import asyncio, os, signal
from countersign.isolation import run_isolated
print(asyncio.run(run_isolated(os.getpid, 60)), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_calls_run_in_another_process_that_is_used_again() -> None:
    first = await run_isolated(os.getpid, 60)
    assert first != os.getpid()
    assert await run_isolated(os.getpid, 60) == first


async def test_an_error_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        await run_isolated(divmod, 60, 1, 0)
    assert await run_isolated(divmod, 60, 7, 2) == (3, 1)


async def test_a_call_ends_at_its_limit_and_the_next_one_runs() -> None:
    with pytest.raises(IsolatedCallError, match=r"did not end within 0\.2 s"):
        await run_isolated(time.sleep, 0.2, 600)
    assert await run_isolated(abs, 60, -1) == 1


async def test_a_process_that_dies_is_an_error_and_is_replaced() -> None:
    with pytest.raises(IsolatedCallError):
        await run_isolated(os._exit, 60, 3)
    assert await run_isolated(abs, 60, -1) == 1


async def test_the_environment_with_its_secrets_stays_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURBODOCX_API_KEY", "TDX-secret")
    with pytest.raises(IsolatedCallError):
        await run_isolated(os._exit, 60, 0)
    assert await run_isolated(os.getenv, 60, "TURBODOCX_API_KEY") is None


async def test_a_file_that_takes_too_long_to_read_is_refused_before_it_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = FolderStore(tmp_path)
    stored = await put(store, "tree.pdf", a_page_tree_without_end())
    source = FileSource(key=stored.key, file_name="tree.pdf", sha256=stored.sha256)
    monkeypatch.setattr(signature_request, "READ_LIMIT_SECONDS", 0.01)
    with pytest.raises(ApplicationError, match=r"source: the file cannot be read within 0\.01 s") as caught:
        await signature_request._file(source, store)
    assert (caught.value.type, caught.value.non_retryable) == (SOURCE_UNUSABLE, True)
    monkeypatch.undo()
    with pytest.raises(ApplicationError, match="damaged"):
        await signature_request._file(source, store)


def test_the_process_ends_when_its_caller_is_killed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CALL], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    pid = int(done.stdout)
    poll(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_text())
