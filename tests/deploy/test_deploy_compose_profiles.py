"""The profiles of docker-compose.yml: checked as far as no engine is needed, and `durable` run natively.

What stands in for an image is what that image would bring: `temporal-sql-tool` as a script that does to a
real PostgreSQL what the tool does, and the dev server behind the entry point of `temporalio/server`.
"""

import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

from countersign.agreements import search_attributes
from countersign.connection import connect
from devstack.processes import Part, Supervisor
from tests.conftest import tool
from tests.deploy.compose_natively import ROOT, SERVICES, Machine

PASSWORD = "correct horse"
SQL_TOOL = """#!/bin/sh -eu
[ "$SQL_PLUGIN $1" = "postgres12 --db" ]
sql() { PGPASSWORD=$SQL_PASSWORD psql -qtA -h "$SQL_HOST" -p "$SQL_PORT" -U "$SQL_USER" -d "$1" -c "$2"; }
case "$3 ${4:-}" in
  "create ") sql postgres "SELECT datname FROM pg_database" | grep -qx "$2" ||
    sql postgres "CREATE DATABASE $2" ;;
  "setup-schema -v") sql "$2" "CREATE TABLE IF NOT EXISTS versions (version text UNIQUE)" ;;
  "update-schema -d") sql "$2" "INSERT INTO versions VALUES ('$5') ON CONFLICT DO NOTHING" ;;
esac
"""
SERVER = """#!/bin/sh -eu
for db in temporal temporal_visibility; do
  PGPASSWORD=$POSTGRES_PWD psql -qtA -h "$POSTGRES_SEEDS" -p "$DB_PORT" -U "$POSTGRES_USER" -d $db \
    -c "SELECT version FROM versions" >> seen
done
[ "$DB" = postgres12 ] && [ -r "$DYNAMIC_CONFIG_FILE_PATH" ]
exec temporal server start-dev --headless --log-level error --port "$PORT" --ip "$TEMPORAL_BROADCAST_ADDRESS"
"""


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_others_only_where_they_are(name: str) -> None:
    """Compose refuses a file in which a service needs one that its profiles do not start."""
    mine = SERVICES[name].get("profiles", [])
    for other, how in SERVICES[name].get("depends_on", {}).items():
        beside = SERVICES[other].get("profiles", []) in ([], mine)
        assert how.get("required", True) is beside, other
    assert SERVICES[name].get("network_mode", "service:machine") == "service:machine"
    if "network_mode" in SERVICES[name]:
        assert "ports" not in SERVICES[name], "the engine refuses ports of a service without a network"


@pytest.mark.parametrize("page", ["docker-compose.yml", "docs/how-to/go-live.md", "README.md"])
def test_what_people_are_reported_to_type_names_what_there_is(page: str) -> None:
    for command in re.findall(r"docker compose .*", (ROOT / page).read_text()):
        profiles = set(re.findall(r"--profile (\w+)", command))
        assert profiles <= {"durable", "observability"}
        scaled = re.findall(r"--scale (\w+)=0", command)
        assert scaled == (["temporal"] if "durable" in profiles and " up " in command else [])


def test_images_are_pinned_and_can_be_changed() -> None:
    for name, service in SERVICES.items():
        if "build" not in service:
            assert re.fullmatch(
                r"[a-z/-]+:\$\{[A-Z_]+:-v?\d[\d.]*(@sha256:[0-9a-f]{64})?\}", service["image"]
            ), name


def test_passwords_are_in_files_and_in_no_checkout() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert re.findall(r"(?:PASSWORD|PWD): (?!/run/secrets)", text) == []
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "deploy/secrets/postgres_password" in ignored


@pytest.fixture
def durable(tmp_path: Path) -> Machine:
    """A machine with the profile's programs, and a password as the file's head says."""
    machine = Machine(tmp_path)
    (tmp_path / "run/secrets/postgres_password").write_text(f"{PASSWORD}\n")
    for path, text in (("bin/temporal-sql-tool", SQL_TOOL), ("etc/temporal/entrypoint.sh", SERVER)):
        script = tmp_path / path
        script.parent.mkdir(exist_ok=True)
        script.write_text(text)
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    machine.mount("temporal-server")
    return machine


@pytest.fixture
def postgresql(durable: Machine) -> Iterator[Part]:
    """PostgreSQL, as its image sets it up from the service's variables; it refuses to be run by root."""
    tool("pg_ctlcluster", "postgresql")
    bins = max(Path("/usr/lib/postgresql").glob("*/bin"))
    given = durable.environment("postgresql")
    with tempfile.TemporaryDirectory(prefix="countersign-") as folder:
        password = Path(folder) / "password"
        shutil.copy(given["POSTGRES_PASSWORD_FILE"], password)
        stranger: list[str] = []
        if os.geteuid() == 0:
            stranger = [tool("setpriv"), "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(folder, "postgres")
            shutil.chown(password, "postgres")
        data = f"--pgdata={folder}/data"
        init = [f"{bins}/initdb", data, f"--username={given['POSTGRES_USER']}", f"--pwfile={password}"]
        subprocess.run(
            [*stranger, *init, "--auth-host=scram-sha-256", "--no-sync"],
            check=True,
            capture_output=True,
            cwd="/",
        )
        port = durable.ports["5432"]
        serve = [f"{bins}/postgres", "-D", f"{folder}/data", "-p", port, "-k", folder, "-F"]
        yield Part(
            "postgresql", [*stranger, *serve], lambda _: durable.is_healthy("postgresql"), given, Path("/")
        )


def prepare(machine: Machine) -> None:
    """Run the job `schema` as a stranger, who is refused, and twice as `up` does."""
    assert machine.run("schema", SQL_USER="stranger").returncode != 0
    for _ in range(2):
        prepared = machine.run("schema")
        assert prepared.returncode == 0, prepared.stderr


async def serve(machine: Machine, supervisor: Supervisor) -> None:
    """Start the server; it finds both databases, and stays away where somebody listens already."""
    server = machine.part("temporal-server")
    await supervisor.start(replace(server, env={**server.env, "PORT": machine.ports["7233"]}))
    schemas = f"{machine.folder}/etc/temporal/schema/postgresql/v12"
    seen = (machine.app / "seen").read_text().split()
    assert seen == [f"{schemas}/{item}/versioned" for item in ("temporal", "visibility")]
    beside = machine.run("temporal-server")
    assert (beside.returncode, beside.stderr) == (1, "The dev server runs as well: use --scale temporal=0.\n")


@pytest.mark.heavy
async def test_the_durable_profile_prepares_database_server_and_namespace(
    durable: Machine, postgresql: Part
) -> None:
    tool("nc", "netcat-openbsd")
    async with Supervisor(durable.folder / "logs") as supervisor:
        await supervisor.start(postgresql)
        prepare(durable)
        await serve(durable, supervisor)
        for _ in range(2):
            made = durable.run("namespace", TEMPORAL_NAMESPACE="fresh")
            assert made.returncode == 0, made.stderr
        address = f"127.0.0.1:{durable.ports['7233']}"
        client = await connect(environment={"TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": "fresh"})
        asked = DescribeNamespaceRequest(namespace="fresh")
        kept = (await client.workflow_service.describe_namespace(asked)).config
        assert kept.workflow_execution_retention_ttl.ToTimedelta() == timedelta(days=30)
        known = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace="fresh")
        )
        assert set(search_attributes.TYPES) <= set(known.custom_attributes)
