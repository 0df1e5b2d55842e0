"""The compose files that go on top: durable Temporal, and what watches it; checked without an engine."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.compose_natively import DOCKERFILE, ROOT, SERVICES
from workflows import attributes

DURABLE, OBSERVABILITY = ROOT / "deploy/compose.durable.yml", ROOT / "deploy/compose.observability.yml"
FILES = pytest.mark.parametrize("path", [DURABLE, OBSERVABILITY], ids=lambda path: path.stem)


def services(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())["services"]
    return found


@FILES
def test_the_file_is_what_compose_takes(path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@FILES
def test_it_fits_the_first_file(path: Path) -> None:
    known = set(SERVICES) | set(services(path))
    for name, service in services(path).items():
        assert set(service.get("depends_on", {})) <= known, name
        assert service.get("network_mode", "service:temporal") == "service:temporal"
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (ROOT / source).exists(), volume
        if name not in SERVICES:
            assert re.search(r":-v?\d[\d.]*\}$", service["image"]), f"{name}: a version that can be set"


def test_no_image_is_deprecated() -> None:
    images = [service.get("image", "") for service in services(DURABLE).values()]
    assert any(image.startswith("temporalio/server:") for image in images)
    assert not any("auto-setup" in image for image in images)


def test_the_namespace_gets_every_search_attribute() -> None:
    (script,) = services(DURABLE)["namespace"]["command"]
    assert dict(re.findall(r"(\w+)=(Keyword|Bool|Datetime)", script)) == attributes.TYPES


@pytest.mark.parametrize("job", ["schema", "namespace"])
def test_the_jobs_are_shell(job: str) -> None:
    (script,) = services(DURABLE)[job]["command"]
    assert "$$" in script or job == "namespace"
    subprocess.run(["/bin/sh", "-n", "-c", script.replace("$$", "$")], check=True)


def test_the_server_ends_the_polls_of_stopping_workers() -> None:
    settings = yaml.safe_load((ROOT / "deploy/temporal/dynamicconfig.yml").read_text())
    assert settings["frontend.enableCancelWorkerPollsOnShutdown"] == [{"value": True}]


def test_prometheus_scrapes_where_the_processes_offer_metrics() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    targets = config["scrape_configs"][0]["static_configs"][0]["targets"]
    worker, door = (services(OBSERVABILITY)[name]["environment"] for name in ("worker", "door"))
    assert targets == [
        f"127.0.0.1:{worker['COUNTERSIGN_WORKER_METRICS_PORT']}",
        f"127.0.0.1:{door['COUNTERSIGN_WEBHOOKS_METRICS_PORT']}",
    ]


def test_the_image_can_trace() -> None:
    assert "-r requirements-telemetry.lock" in DOCKERFILE
    lock, development = (
        set(re.findall(r"^[a-z0-9][^\n]*==\S+", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements-telemetry.lock", "requirements-dev.lock")
    )
    assert lock
    assert lock <= development
