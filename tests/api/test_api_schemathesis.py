"""Requests made from the served OpenAPI document: no defect, and no response that it does not describe."""

import subprocess
import sys
from pathlib import Path

import pytest

from devstack.stack import Stack

pytestmark = pytest.mark.thorough

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
)


def _run(stack: Stack, folder: Path, *options: str) -> None:
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{stack.api_url}/openapi.json"]
    command += ["--header", f"Authorization: Bearer {stack.api_token.read_text().strip()}"]
    command += ["--checks", ",".join(CHECKS), "--generation-database", "none", "--no-color"]
    command += ["--request-timeout", "90"]  # a long poll may take 60 s
    done = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_no_request_of_the_document_finds_a_defect(stack: Stack, tmp_path: Path) -> None:
    _run(stack, tmp_path, "--phases", "examples,fuzzing", "--max-examples", "2", "--seed", "1")


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_many_requests_of_the_document_find_no_defect(stack: Stack, tmp_path: Path) -> None:
    _run(stack, tmp_path, "--phases", "examples,coverage,fuzzing", "--max-examples", "60")
