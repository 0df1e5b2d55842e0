"""Run what docker-compose.yml says without containers: the same commands, variables, files and checks.

Paths of the containers become folders of the test, ports become free ones, and the image's files are copied
as the Dockerfile copies them. What is not shown is what only an engine does: images, networks, limits.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from countersign.local.ports import free_port
from countersign.local.processes import Part

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
_PORTS = ("7233", "8233", "8300", "8080", "9464")
_FOLDERS = ("/data/store", "/data/sandbox", "/data/secrets", "/home/temporal")
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def copied() -> list[str]:
    """What the Dockerfile copies from the checkout into the image's folder, by name."""
    final = DOCKERFILE.rsplit("FROM ", 1)[1]
    lines = re.findall(r"^COPY (?!--from)(.+)$", final, re.MULTILINE)
    return [name for line in lines for name in line.split()[:-1]]


@dataclass
class Machine:
    """A folder that stands for the containers' file systems, and ports that stand for theirs."""

    folder: Path

    def __post_init__(self) -> None:
        self.ports = {port: str(free_port()) for port in _PORTS}
        self.app = self.folder / "app"
        self.app.mkdir()
        for name in copied():
            source = ROOT / name
            shutil.copytree(source, self.app / name) if source.is_dir() else shutil.copy(source, self.app)
        for folder in _FOLDERS:
            (self.folder / folder[1:]).mkdir(parents=True)

    def here(self, text: object) -> str:
        """Write a container's paths and ports as this machine's."""
        moved = re.sub(r"(?<![\w/])/(data|home/temporal)\b", rf"{self.folder}/\1", str(text))
        moved = moved.replace("/run/secrets/", f"{ROOT}/deploy/secrets/")
        return re.sub(rf"\b({'|'.join(_PORTS)})\b", lambda found: self.ports[found[1]], moved)

    def environment(self, service: str) -> dict[str, str]:
        """A service's variables, and nothing else but what a program needs to be found."""
        given = SERVICES[service].get("environment", {})
        bins = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": bins} | {name: self.here(value) for name, value in given.items()}

    def command(self, service: str) -> list[str]:
        """A service's command line; the dev server's image begins with `temporal`."""
        words = [self.here(word) for word in SERVICES[service]["command"]]
        return ["temporal", *words] if service == "temporal" else words

    def part(self, service: str) -> Part:
        """A service as a process that is ready when its health check says so."""
        return Part(
            service,
            self.command(service),
            lambda _output: self.is_healthy(service),
            self.environment(service),
            self.app,
        )

    def is_healthy(self, service: str) -> bool:
        """Run a service's health check."""
        kind, *words = SERVICES[service]["healthcheck"]["test"]
        assert kind == "CMD"
        check = [self.here(word) for word in words]
        done = subprocess.run(
            check, env=self.environment(service), cwd=self.app, capture_output=True, check=False, timeout=20
        )
        return done.returncode == 0

    def run(self, service: str) -> subprocess.CompletedProcess[str]:
        """Run a service that ends by itself."""
        return subprocess.run(
            self.command(service),
            env=self.environment(service),
            cwd=self.app,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
