"""Disks that are full and folders that may not be written, for real."""

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.conftest import cannot_run

_NO_ONE: Final = 65534


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """As a full disk would: no file of this process may grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """Put a disk of so many bytes on a folder; where nobody may mount, the test cannot run."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        cannot_run("mounting a small disk takes root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607  # where it lies differs


def fill(folder: Path) -> Path:
    """Fill the disk of a folder to the last byte, and return the file that does it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    return filler


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that everybody may enter: pytest's own are closed to others altogether."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """Let nobody write into a store's folder, but for its drafts; root becomes nobody meanwhile."""
    user = os.geteuid()
    (folder / ".drafts").chmod(0o777)
    folder.chmod(0o555)
    if user == 0:
        os.seteuid(_NO_ONE)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o755)


def files_in(folder: Path) -> set[str]:
    """Name the files below a folder."""
    return {path.name for path in folder.rglob("*") if path.is_file()}
