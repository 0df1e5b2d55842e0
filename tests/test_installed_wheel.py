"""The wheel in an environment of its own, beside a project whose packages are named like the checkout's."""

import asyncio
import os
import re
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper

import countersign
from countersign.agreements.messages import Stage
from countersign.agreements.reference import workflow_id
from countersign.client import follow_agreement
from devstack.sandbox import Sandbox
from tests.packages import PROJECT, ROOT, borrow, build_wheel, install, make_environment
from tests.workflows.office import TEMPLATE, VARIABLES, open_office

pytestmark = pytest.mark.thorough

FILES = {
    "activities/__init__.py": "",
    "activities/orders.py": f"""
from countersign.client import start_agreement
from temporalio import activity


@activity.defn
async def request_signature(reference: str) -> str:
    started = await start_agreement(
        {{
            "reference": reference,
            "title": "Order",
            "source": {{"kind": "template", "template_id": "{TEMPLATE}", "variables": {VARIABLES}}},
            "signers": ["Ada Example <ada@example.com>"],
        }}
    )
    return started.workflow_id
""",
    "workflows/__init__.py": "",
    "workflows/orders.py": """
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.orders import request_signature


@workflow.defn
class OrderWorkflow:
    @workflow.run
    async def run(self, reference: str) -> str:
        limit = timedelta(seconds=60)
        return await workflow.execute_activity(request_signature, reference, start_to_close_timeout=limit)
""",
    "workflows/signing.py": f"""
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from countersign.agreements.child import run_agreement
    from countersign.agreements.messages import AgreementInput, Signer, TemplateSource


@workflow.defn
class SigningWorkflow:
    @workflow.run
    async def run(self, reference: str, task_queue: str) -> str:
        agreement = AgreementInput(
            reference=reference,
            title="Order",
            source=TemplateSource(template_id="{TEMPLATE}", variables={VARIABLES}),
            signers=(Signer(name="Ada Example", email="ada@example.com"),),
        )
        result = await run_agreement(agreement, task_queue=task_queue)
        return "order " + result.outcome
""",
    "signing.py": """
import asyncio
import os
import sys

from temporalio.client import Client
from temporalio.worker import Worker
from workflows.signing import SigningWorkflow


async def main() -> None:
    queue, *arguments = sys.argv[1:]
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])  # with the data converter of the SDK
    async with Worker(client, task_queue=queue, workflows=[SigningWorkflow]):
        print(await client.execute_workflow(SigningWorkflow.run, args=arguments, id=queue, task_queue=queue))


asyncio.run(main())
""",
    "worker.py": """
import sys

from activities.orders import request_signature
from countersign.connection import connect
from countersign.entry import leave, run
from temporalio.worker import Worker
from workflows.orders import OrderWorkflow


async def main() -> int:
    queue, reference = sys.argv[1:]
    client = await connect()
    async with Worker(client, task_queue=queue, workflows=[OrderWorkflow], activities=[request_signature]):
        print(await client.execute_workflow(OrderWorkflow.run, reference, id=queue, task_queue=queue))
    return 0


leave(run(main()))
""",
}


@dataclass(frozen=True)
class Project:
    """A user's project, with the wheel and its base dependencies installed."""

    folder: Path
    python: Path

    async def run(self, *command: str | Path, **env: str) -> tuple[int | None, str, str]:
        """Run a command in the project's folder; returns exit code, output and errors."""
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **env},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    @property
    def script(self) -> Path:
        """The console script."""
        return self.python.with_name("countersign")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("project")
    python = make_environment(tmp_path_factory.mktemp("venv"))
    borrow(python, PROJECT["dependencies"])
    install(python, str(build_wheel(tmp_path_factory.mktemp("wheel"))))
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return Project(folder, python)


async def test_a_project_with_packages_of_its_own_starts_an_agreement(
    project: Project, client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> None:
    reference, queue = f"wheel-{uuid.uuid4().hex[:10]}", uuid.uuid4().hex
    async with open_office(client, time_skipper, sandbox, tmp_path) as office:
        env = {
            "COUNTERSIGN_TASK_QUEUE": office.settings.task_queue,
            "TEMPORAL_ADDRESS": client.service_client.config.target_host,
        }
        done = await project.run(project.python, "worker.py", queue, reference, **env)
        assert done == (0, f"{workflow_id(reference)}\n", "")
        async for status in follow_agreement(reference, client=client):
            if status.stage is Stage.AWAITING_SIGNATURES:
                break
        code, out, err = await project.run(project.script, "status", reference, **env)
    assert (code, err) == (0, "")
    assert reference in out


async def test_a_workflow_of_the_project_runs_an_agreement(
    project: Project, client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> None:
    reference, queue = f"wheel-{uuid.uuid4().hex[:10]}", uuid.uuid4().hex
    env = {"TEMPORAL_ADDRESS": client.service_client.config.target_host}
    async with open_office(client, time_skipper, sandbox, tmp_path) as office:
        running = asyncio.create_task(
            project.run(project.python, "signing.py", queue, reference, office.task_queue, **env)
        )
        handle = office.handle(reference)
        document_id = await office.sent(handle)
        await office.sign_all(document_id)
        await office.deliver_event(handle, "completed", document_id)
        assert await running == (0, "order completed\n", "")


async def test_the_console_script_has_no_verb_that_needs_the_checkout(project: Project) -> None:
    assert await project.run(project.script, "--version") == (
        0,
        f"countersign {countersign.__version__}\n",
        "",
    )
    code, out, _ = await project.run(project.script, "--help")
    assert code == 0
    assert "Usage: countersign " in out
    assert [(await project.run(project.script, verb, "--help"))[0] for verb in ("start", "demo", "up")] == [
        0,
        2,
        2,
    ]
    code, out, err = await project.run(project.script, "up")
    assert (code, out) == (2, "")
    said = " ".join(re.sub(r"[│╭╮╰╯─]", "", err).split())
    assert "`up` needs a checkout: clone Countersign's repository, and run `make up` in it" in said


async def test_a_missing_extra_is_one_sentence(project: Project) -> None:
    codec_server = await project.run(project.python, "-m", "countersign.codec_server")
    assert codec_server[:2] == (2, "")
    assert "lacks starlette, uvicorn: install countersign-temporal[receiver]" in codec_server[2]
    telemetry = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    code, _, err = await project.run(project.script, "list", **telemetry)
    assert code == 2
    assert "install countersign-temporal[telemetry]" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("extra", ["aws", "azure", "gcp", "vault"])
async def test_a_secret_manager_names_its_extra(project: Project, extra: str) -> None:
    place = {"aws": "a", "azure": "https://a.vault.azure.net", "gcp": "a", "vault": "a/b"}[extra]
    done = await project.run(project.script, "list", COUNTERSIGN_SECRETS=f"{extra}:{place}")
    assert done[0] == 2
    assert f"install countersign-temporal[{extra}]" in done[2]


CHECKERS = {"mypy": ("mypy", "--strict", "--python-executable"), "pyright": ("pyright", "--pythonpath")}


@pytest.mark.parametrize(
    "checker",
    [pytest.param("mypy", marks=pytest.mark.heavy), "pyright"],  # `make check` runs mypy
)
async def test_type_checkers_accept_the_public_api_and_reject_its_misuse(
    project: Project, checker: str
) -> None:
    program, *options = CHECKERS[checker]
    text = (ROOT / "tests/typing/public_api.py").read_text()
    misused = {number for number, line in enumerate(text.splitlines(), 1) if "# type: ignore" in line}
    assert misused
    for name, content, wrong in (
        ("public_api.py", text, set()),
        ("misuse.py", re.sub(r"# type: ignore\S*", "", text), misused),
    ):
        (project.folder / name).write_text(content)
        command = [str(Path(sys.executable).with_name(program)), *options, str(project.python), name]
        code, out, err = await project.run(*command)
        assert {int(number) for number in re.findall(rf"{name}:(\d+)(?=:| - error)", out)} == wrong, out + err
        assert code == bool(wrong)
