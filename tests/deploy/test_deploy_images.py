"""`make pin-images` finds every image, writes its digest, and writes nothing if one is missing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.deploy.compose_natively import PRODUCTION, ROOT

_FILES = ("Dockerfile", "docker-compose.yml", "deploy/production/docker-compose.yml")
_DOCKER = """#!/bin/sh -eu
[ "$1 $2 $3 $5" = "buildx imagetools inspect --format" ] && [ "$6" = "{{.Manifest.Digest}}" ]
echo "$4" >> "$ASKED"
[ "$4" != "${MISSING:-}" ] || { echo "not found" >&2; exit 1; }
echo "sha256:$(printf %s "$4" | sha256sum | cut -d " " -f 1)"
"""


def _pin(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Pin a copy of the files, with a `docker` that makes digests of names."""
    for name in (*_FILES, "deploy/pin_images.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if not (folder / name).exists():
            shutil.copy(ROOT / name, folder / name)
    docker = folder / "bin/docker"
    docker.parent.mkdir(exist_ok=True)
    docker.write_text(_DOCKER)
    docker.chmod(0o755)
    path = f"{docker.parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, str(folder / "deploy/pin_images.py")]
    given = {**os.environ, "PATH": path, "ASKED": str(folder / "asked"), **environment}
    return subprocess.run(command, env=given, capture_output=True, text=True, check=False)


def _images(folder: Path) -> set[str]:
    """Return every image that an engine would pull, with defaults for variables."""
    images = set(re.findall(r"^FROM (\S+)", (folder / "Dockerfile").read_text(), re.MULTILINE))
    for name in _FILES[1:]:
        services = yaml.safe_load((folder / name).read_text())["services"].values()
        images |= {service["image"] for service in services if "build" not in service}
    return {re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", image) for image in images}


def _untagged(images: set[str]) -> set[str]:
    return {image.partition("@")[0] for image in images}


def test_every_image_gets_its_digest_and_gets_it_again(tmp_path: Path) -> None:
    for _ in range(2):
        done = _pin(tmp_path)
        assert done.returncode == 0, done.stderr
        images = _images(tmp_path)
        assert _untagged(images) == _untagged(_images(ROOT))
        assert [image for image in images if not re.search(r"@sha256:[0-9a-f]{64}$", image)] == []
    asked = (tmp_path / "asked").read_text().split()
    assert sorted(asked) == sorted(2 * list(_untagged(images)))
    text = (tmp_path / PRODUCTION.relative_to(ROOT)).read_text()
    assert "image: countersign:local\n" in text
    assert text.count("@sha256:") == 5


def test_nothing_is_written_if_a_digest_is_missing(tmp_path: Path) -> None:
    (missing,) = (image for image in _untagged(_images(ROOT)) if image.startswith("caddy:"))
    done = _pin(tmp_path, MISSING=missing)
    assert (done.returncode, done.stderr) == (1, f"{missing}: no digest: not found\n")
    assert [name for name in _FILES if (tmp_path / name).read_text() != (ROOT / name).read_text()] == []


@pytest.mark.parametrize("name", _FILES)
def test_every_image_of_others_is_pinned_by_digest(name: str) -> None:
    lines = [line for line in (ROOT / name).read_text().splitlines() if re.match(r"FROM |\s*image: ", line)]
    others = [line for line in lines if "countersign:local" not in line]
    assert others
    assert [line for line in others if not re.search(r"@sha256:[0-9a-f]{64}", line)] == []
