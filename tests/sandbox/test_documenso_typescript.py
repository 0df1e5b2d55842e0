"""Test that the provider's TypeScript SDK runs against the sandbox with only another serverURL."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import cannot_run
from tests.sandbox.documenso_kit import API_KEY, Api, pdf

PACKAGES = ("@documenso/sdk-typescript@0.9.1", "zod@3.25.76")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the SDK, from the package registry."""
    npm = shutil.which("npm")
    if npm is None:
        cannot_run("no npm on this machine: apt-get install npm")
    folder = tmp_path_factory.mktemp("typescript")
    (folder / "package.json").write_text('{"type": "module"}')
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_an_envelopes_life(documenso: Api, project: Path) -> None:
    script = shutil.copy(Path(__file__).with_name("documenso_sdk.mjs"), project)
    (project / "contract.pdf").write_bytes(pdf())
    words = [str(script), str(documenso.base_url).rstrip("/"), API_KEY, "contract.pdf"]
    node = shutil.which("node") or "node"
    done = subprocess.run(
        [node, *words], cwd=project, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.splitlines()[-1:] == ["done"], done.stdout + done.stderr
