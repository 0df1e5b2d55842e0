"""Run what a Compose file says without containers: the same commands, variables, files and checks.

Paths of the containers become folders of the test, ports become free ones, and the image's files are copied
as the Dockerfile copies them. What is not shown is what only an engine does: images, networks, limits.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from countersign.free_ports import free_port
from devstack.processes import Part

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
PRODUCTION = ROOT / "deploy/production/docker-compose.yml"
_PORTS = ("7233", "8233", "8300", "8080", "8090", "9464", "9465", "9466", "9090", "5432")
_VOLUMES = ("/data/store", "/data/sandbox", "/data/secrets", "/home/temporal", "/prometheus")
_FOLDERS = "data|home/temporal|prometheus|run/secrets|etc/prometheus|etc/temporal"
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+):?([-?])([^}]*)\}")
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def of_profile(profile: str | None) -> dict[str, Any]:
    """The services that a profile adds; without one, those that always run."""
    wanted = [profile] if profile else []
    return {name: service for name, service in SERVICES.items() if service.get("profiles", []) == wanted}


def copied() -> list[str]:
    """What the Dockerfile copies from the checkout into the image's folder, by name."""
    final = DOCKERFILE.rsplit("FROM ", 1)[1]
    lines = re.findall(r"^COPY (?!--from)(.+)$", final, re.MULTILINE)
    return [name for line in lines for name in line.split()[:-1]]


@dataclass
class Machine:
    """A folder that stands for the containers' file systems, and ports that stand for theirs.

    Args:
        folder: The folder.
        given: The variables of the shell that Compose is started from.
        file: The Compose file.
    """

    folder: Path
    given: Mapping[str, str] = field(default_factory=dict)
    file: Path = ROOT / "docker-compose.yml"

    def __post_init__(self) -> None:
        compose = yaml.safe_load(self.file.read_text())
        self.services: dict[str, Any] = compose["services"]
        self.ports = {port: str(free_port()) for port in _PORTS}
        self.app = self.folder / "app"
        self.app.mkdir()
        for name in copied():
            source = ROOT / name
            shutil.copytree(source, self.app / name) if source.is_dir() else shutil.copy(source, self.app)
        for folder in (*_VOLUMES, "/etc/temporal"):
            (self.folder / folder[1:]).mkdir(parents=True)
        (self.folder / "run/secrets").mkdir(parents=True)
        for name, secret in compose["secrets"].items():
            if (source := self.file.parent / secret["file"]).exists():
                shutil.copy(source, self.folder / "run/secrets" / name)

    def here(self, text: object) -> str:
        """Write a container's paths, ports and neighbours as this machine's, and put in its variables."""
        known = _VARIABLE.sub(self._value, str(text))
        moved = re.sub(rf"(?<![\w/])/({_FOLDERS})\b", rf"{self.folder}/\1", known.replace("$$", "$"))
        ports = rf"\b(machine:|)({'|'.join(_PORTS)})\b"
        return re.sub(ports, lambda found: f"{found[1] and '127.0.0.1:'}{self.ports[found[2]]}", moved)

    def _value(self, found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        assert kind == "-" or self.given.get(name), f"{name} {rest}"
        return self.given.get(name) or rest

    def mount(self, service: str) -> None:
        """Lay the checkout's files where a service mounts them, written as this machine's."""
        for volume in self.services[service]["volumes"]:
            source, target = volume.split(":")[:2]
            if source.startswith("."):
                here = self.file.parent / source
                for path in here.rglob("*") if here.is_dir() else [here]:
                    laid = self.folder / target[1:] / path.relative_to(here)
                    laid.parent.mkdir(parents=True, exist_ok=True)
                    laid.write_text(self.here(path.read_text()))

    def environment(self, service: str) -> dict[str, str]:
        """A service's variables, and nothing else but what a program needs to be found."""
        given = self.services[service].get("environment", {})
        bins = (
            f"{self.folder / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        )
        return {"PATH": bins} | {name: self.here(value) for name, value in given.items()}

    def command(self, service: str, *arguments: str) -> list[str]:
        """A service's command line, or the one with these arguments; an entry point of the image is named
        like the service.
        """
        words = [
            *self.services[service].get("entrypoint", []),
            *(arguments or self.services[service]["command"]),
        ]
        program = [service] if service in ("temporal", "prometheus") else []
        return program + [self.here(word) for word in words]

    def part(self, service: str, **changed: str) -> Part:
        """A service as a process, with some of its variables changed.

        It is ready when its health check passes, or at once if it has none.
        """
        return Part(
            service,
            self.command(service),
            lambda _output: "healthcheck" not in self.services[service] or self.is_healthy(service),
            self.environment(service) | changed,
            self.app,
        )

    def is_healthy(self, service: str) -> bool:
        """Run a service's health check."""
        kind, *words = self.services[service]["healthcheck"]["test"]
        assert kind == "CMD"
        check = [self.here(word) for word in words]
        done = subprocess.run(
            check, env=self.environment(service), cwd=self.app, capture_output=True, check=False, timeout=20
        )
        return done.returncode == 0

    def run(self, service: str, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        """Run a service that ends by itself, with other arguments and some of its variables changed."""
        return subprocess.run(
            self.command(service, *arguments),
            env=self.environment(service) | changed,
            cwd=self.app,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
