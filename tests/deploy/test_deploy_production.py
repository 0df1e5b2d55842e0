"""deploy/production: its lines can be followed one by one, and its commands run against the sandbox."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from countersign.agreements import search_attributes
from countersign.agreements.messages import Outcome
from countersign.connection import connect
from devstack import sandbox as sandbox_api
from devstack.processes import Part, Supervisor, prints
from devstack.sandbox import Sandbox
from devstack.temporal import READY, dev_server_command, find_temporal
from tests.conftest import tool
from tests.deploy.agreement import run_to_its_end
from tests.deploy.compose_natively import PRODUCTION, ROOT, SERVICES, Machine
from tests.deploy.stand_in import check_api

FILE: dict[str, Any] = yaml.safe_load(PRODUCTION.read_text())
OURS = ("receiver", "worker", "countersign")
TEMPORAL = ("postgresql", "schema", "temporal-server", "namespace", "ui")
EXAMPLE = (PRODUCTION.parent / ".env.example").read_text()
GIVEN = {
    "WEBHOOK_HOST": "webhooks.example.com",
    "TURBODOCX_ORG_ID": sandbox_api.ORG_ID,
    "TURBODOCX_SENDER_EMAIL": "contracts@example.com",
    "TURBODOCX_SENDER_NAME": "Example Contracts",
}


def _instructions() -> list[str]:
    return [
        line.partition(" # ")[0].strip()
        for line in re.findall(r"^#     (.+)$", PRODUCTION.read_text(), re.MULTILINE)
    ]


def test_only_the_worker_and_the_command_line_have_the_key() -> None:
    having = [name for name, service in FILE["services"].items() if "turbodocx_api_key" in _secrets(service)]
    assert having == ["worker", "countersign"]
    for name, service in FILE["services"].items():
        has_variable = "TURBODOCX_API_KEY_FILE" in service.get("environment", {})
        assert has_variable is (name in having), name


def _secrets(service: dict[str, Any]) -> list[str]:
    return list(service.get("secrets", []))


def test_the_webhook_secret_is_written_by_the_command_line_and_read_by_the_receiver() -> None:
    services = FILE["services"]
    paths = {services[name]["environment"]["TURBODOCX_WEBHOOK_SECRET_FILE"] for name in OURS}
    assert paths == {"/data/secrets/webhook_secret"}
    assert "secrets:/data/secrets" in services["countersign"]["volumes"]
    assert services["receiver"]["volumes"] == ["secrets:/data/secrets:ro"]


def test_there_is_no_sandbox_and_what_waits_waits_for_services_that_exist() -> None:
    assert "sandbox" not in yaml.safe_dump(FILE)
    for service in FILE["services"].values():
        profiles = service.get("profiles", [])
        assert service.get("network_mode", "service:machine") == "service:machine"
        for other, condition in service.get("depends_on", {}).items():
            beside = FILE["services"][other].get("profiles", []) in ([], profiles)
            assert condition.get("required", True) is beside, other


@pytest.mark.parametrize("name", TEMPORAL)
def test_temporal_runs_as_in_the_development_file(name: str) -> None:
    ours, theirs = dict(FILE["services"][name]), dict(SERVICES[name])
    assert (ours.pop("profiles"), theirs.pop("profiles")) == (["temporal"], ["durable"])
    text = yaml.safe_dump(theirs).replace("./deploy/temporal", "../temporal")
    assert ours == yaml.safe_load(text)


def test_every_volume_and_secret_is_declared_and_every_mounted_file_exists() -> None:
    services = FILE["services"].values()
    mounted = {item.split(":")[0] for service in services for item in service.get("volumes", [])}
    assert {item for item in mounted if not item.startswith(".")} == set(FILE["volumes"])
    assert [
        item for item in mounted if item.startswith(".") and not (PRODUCTION.parent / item).exists()
    ] == []
    assert {item for service in services for item in _secrets(service)} == set(FILE["secrets"])


@pytest.mark.parametrize("name", OURS)
def test_parts_can_do_no_more_than_they_must(name: str) -> None:
    service = FILE["services"][name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert [
        key for key in service["environment"] if re.search("KEY|SECRET", key) and "_FILE" not in key
    ] == []


def test_only_the_proxy_is_published_beyond_this_machine() -> None:
    ports = [port for service in FILE["services"].values() for port in service.get("ports", [])]
    published = [re.sub(r"\$\{\w+:-(\d+)\}", r"\1", port) for port in ports]
    assert [port for port in published if not port.startswith("127.0.0.1:")] == ["80:80", "443:443"]


def test_every_variable_that_is_needed_is_in_the_example() -> None:
    named = set(re.findall(r"\$\{(\w+):\?", PRODUCTION.read_text()))
    settings = dict(re.findall(r"^(\w+)=(.*)$", EXAMPLE, re.MULTILINE))
    assert named == {name for name, value in settings.items() if not value}
    assert settings.keys() - named == {"COMPOSE_PROFILES", "TEMPORAL_ADDRESS"}


def test_secrets_that_the_instructions_write_are_private_and_no_part_of_the_checkout(tmp_path: Path) -> None:
    lines = [line for line in _instructions() if line.startswith(("install", "openssl"))]
    (tmp_path / ".env.example").write_text(EXAMPLE)
    script = "\n".join(
        f"{line} < /dev/null" if "/dev/stdin" in line and "|" not in line else line for line in lines
    )
    subprocess.run([tool("sh"), "-euc", script], cwd=tmp_path, check=True)
    written = [path for path in sorted(tmp_path.rglob("*")) if path.name != ".env.example"]
    modes = {str(path.relative_to(tmp_path)): path.stat().st_mode & 0o777 for path in written}
    assert modes == {".env": 0o600, "secrets": 0o700} | {
        secret["file"]: 0o644 for secret in FILE["secrets"].values()
    }
    assert len((tmp_path / "secrets/postgres_password").read_text().strip()) == 48
    paths = [str(PRODUCTION.parent.relative_to(ROOT) / path) for path in modes if path != "secrets"]
    ignored = subprocess.run(
        [tool("git"), "check-ignore", *paths], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ignored.stdout.split() == paths


def test_a_setting_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"TURBODOCX_ORG_ID is not set in \.env"):
        Machine(tmp_path, file=PRODUCTION).environment("worker")


@pytest.mark.heavy
async def test_the_instructions_lead_to_a_completed_agreement(tmp_path: Path) -> None:
    machine = Machine(tmp_path, GIVEN, file=PRODUCTION)
    (tmp_path / "run/secrets/turbodocx_api_key").write_text(f"{sandbox_api.API_KEY}\n")
    (tmp_path / "run/secrets/temporal").touch()
    sandbox = Sandbox(f"http://127.0.0.1:{machine.ports['8300']}")
    there = {"COUNTERSIGN_ENVIRONMENT": "development", "TURBODOCX_BASE_URL": sandbox.url}
    async with Supervisor(tmp_path / "logs") as supervisor:
        await supervisor.start(await _temporal(machine))
        await supervisor.start(_sandbox(machine, sandbox))
        (words,) = [line for line in _instructions() if "webhook setup" in line]
        arguments = words.replace(
            "https://<WEBHOOK_HOST>", f"http://127.0.0.1:{machine.ports['8080']}"
        ).split()
        made = machine.run("countersign", *arguments[arguments.index("countersign") + 1 :], **there)
        assert made.returncode == 0, made.stdout + made.stderr
        assert sandbox_api.API_KEY not in str(machine.environment("receiver"))
        (tmp_path / "run/secrets/turbodocx_api_key").rename(tmp_path / "key")
        await supervisor.start(machine.part("receiver", COUNTERSIGN_ENVIRONMENT="development"))
        (tmp_path / "key").rename(tmp_path / "run/secrets/turbodocx_api_key")
        await supervisor.start(machine.part("worker", **there))
        checked = machine.run("countersign", "doctor", **there)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        client = await connect(
            environment={"TEMPORAL_ADDRESS": machine.environment("worker")["TEMPORAL_ADDRESS"]}
        )
        result = await run_to_its_end(client, sandbox)
        await supervisor.start(machine.part("api", COUNTERSIGN_ENVIRONMENT="development"))
        scopes = ("--scope", "read", "--scope", "read:people")
        token = machine.run("countersign", "token", "create", "crm", *scopes, **there).stdout.strip()
        await check_api(f"http://127.0.0.1:{machine.ports['8090']}", token, result)
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "webhook")


async def _temporal(machine: Machine) -> Part:
    command = dev_server_command(
        await find_temporal(machine.folder),
        port=int(machine.ports["7233"]),
        ui_port=int(machine.ports["8233"]),
        metrics_port=int(machine.ports["9090"]),
        database=machine.folder / "temporal.db",
        search_attributes=search_attributes.TYPES,
    )
    return Part("temporal", command, prints(READY), dict(os.environ), machine.app)


def _sandbox(machine: Machine, sandbox: Sandbox) -> Part:
    command = [sys.executable, "-m", "sandbox", "--port", machine.ports["8300"]]
    command += ["--data-dir", str(machine.folder / "data/sandbox")]
    return Part("sandbox", command, prints(sandbox.url), dict(os.environ), machine.app)


@pytest.mark.heavy
def test_the_proxy_takes_its_configuration(tmp_path: Path) -> None:
    command = [
        tool("caddy"),
        "validate",
        "--adapter",
        "caddyfile",
        "--config",
        str(PRODUCTION.parent / "Caddyfile"),
    ]
    environment = {**os.environ, "WEBHOOK_HOST": "webhooks.example.com", "HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
