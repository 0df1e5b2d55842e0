"""A client generated from the OpenAPI document starts an agreement and follows it."""

import asyncio
import os
import subprocess
import venv
from asyncio.subprocess import PIPE, STDOUT
from http import HTTPStatus
from pathlib import Path

import pytest

from devstack.stack import Stack
from tests.api.api_caller import Caller

ROOT = Path(__file__).parents[2]
LOCK = Path(__file__).with_name("requirements-generator.lock")
EXAMPLES = ROOT / "docs/examples"


@pytest.mark.heavy
@pytest.mark.timeout(300)
async def test_a_generated_client_starts_and_follows_an_agreement(
    api: Caller, stack: Stack, tmp_path: Path, reference: str
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    env = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}

    def run(*command: str) -> None:
        done = subprocess.run(
            command, cwd=tmp_path, env=os.environ | env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert "WARNING parsing" not in done.stdout, done.stdout

    run(str(programs / "pip"), "install", "--quiet", "--require-hashes", "-r", str(LOCK))
    generate = (str(programs / "openapi-python-client"), "generate", "--url", f"{stack.api_url}/openapi.json")
    config = str(EXAMPLES / "openapi-python-client.yaml")
    run(*generate, "--config", config, "--meta", "none", "--output-path", "countersign_http")
    own = env | {"API": stack.api_url, "TOKEN": api.token or "", "PYTHONPATH": str(tmp_path)}
    program = (str(programs / "python"), str(EXAMPLES / "generated_client.py"), reference)
    caller = await asyncio.create_subprocess_exec(*program, env=own, stdout=PIPE, stderr=STDOUT)
    try:
        while (await api.get(f"/v1/agreements/{reference}")).status_code == HTTPStatus.NOT_FOUND:
            assert caller.returncode is None
        view = await api.until(reference, "awaiting_signatures")
        await stack.sandbox.complete(view["document_id"])
    finally:
        output, _ = await caller.communicate()
    lines = output.decode().splitlines()
    assert (caller.returncode, lines[-1]) == (0, "completed"), lines
    assert lines[0] == "generating", lines
