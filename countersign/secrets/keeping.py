"""Where a secret that we are given goes: the place that the settings will read it from.

A file named by `<NAME>_FILE`, the first folder of `COUNTERSIGN_SECRETS_DIR`, or, in development, `.env`.
Whatever a program should not change (the environment, a secret manager) is said to be so before the secret is
made, for it is shown only once.
"""

import errno
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from countersign.secrets.local import ENV_FILE, local_origins

_OWNER_ONLY: Final = 0o600
_PLACES: Final = ("COUNTERSIGN_ENVIRONMENT", "COUNTERSIGN_SECRETS", "COUNTERSIGN_SECRETS_DIR")


class NowhereToKeepError(Exception):
    """There is no place for a secret, or none that a program should write to; the message says what to do."""


def rescue(variable: str, value: str) -> Path:
    """Write a value that could not be kept to a new file that only its owner can read.

    Args:
        variable: The value's name, part of the file's.
        value: What to write.

    Returns:
        The file.
    """
    descriptor, path = tempfile.mkstemp(prefix=f"{variable}-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(value)
    return Path(path)


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere to keep variables.

    Args:
        label: What people call it.
        folder: Where files are written.
        files: Those that are written, as far as they are known.
        keep: Keeps variables there, all or none of each file.
    """

    label: str
    folder: Path
    files: tuple[Path, ...]
    keep: Callable[[Mapping[str, str]], None]

    def check(self) -> None:
        """Make sure that it can be written to.

        Raises:
            NowhereToKeepError: It cannot.
        """
        try:
            with tempfile.TemporaryFile(dir=self.folder):
                pass
            for file in self.files:
                if file.exists():
                    with file.open("r+b"):
                        pass
        except OSError as error:
            raise NowhereToKeepError(f"{self.label} cannot be written: {error.strerror}") from None


def place_for(variable: str) -> Place:
    """Find where a variable's new value goes.

    Raises:
        NowhereToKeepError: Nowhere, or not by a program.
    """
    local = list(local_origins([variable, f"{variable}_FILE", *_PLACES], {}))
    found = {name: value for source in reversed(local) for name, value in source.values.items()}
    if file := found.get(f"{variable}_FILE"):
        return _file(Path(file).expanduser(), variable)
    if os.environ.get(variable):
        raise NowhereToKeepError(
            f"{variable} is set in the environment, which no program can change for another: "
            f"unset it, or set {variable}_FILE to the file that shall hold it"
        )
    if folders := found.get("COUNTERSIGN_SECRETS_DIR"):
        return _folder(Path(folders.split(os.pathsep)[0]).expanduser(), variable)
    if found.get("COUNTERSIGN_SECRETS") or found.get("COUNTERSIGN_ENVIRONMENT") == "production":
        raise NowhereToKeepError(
            f"{variable} is read from where we do not write: set {variable}_FILE to a file, "
            "run this again, and move the file's content to where your secrets are kept"
        )
    return Place(str(ENV_FILE), ENV_FILE.resolve().parent, (ENV_FILE,), _keep_in_env_file)


def _file(path: Path, variable: str) -> Place:
    return Place(str(path), path.resolve().parent, (path,), lambda values: _write(path, values[variable]))


def _folder(folder: Path, variable: str) -> Place:
    def keep(values: Mapping[str, str]) -> None:
        for name, value in values.items():
            _write(folder / name, value)

    return Place(str(folder), folder, (folder / variable,), keep)


def _keep_in_env_file(values: Mapping[str, str]) -> None:
    lines = ENV_FILE.read_text(encoding="utf-8").splitlines() if ENV_FILE.exists() else []
    kept = [line for line in lines if line.partition("=")[0].strip() not in values]
    _write(ENV_FILE, "\n".join([*kept, *(f"{name}={value}" for name, value in values.items()), ""]))


def _write(path: Path, content: str) -> None:
    """Write a file that only its owner can read: whole, or not at all.

    A symbolic link is followed. A bind-mounted file cannot be replaced: it is written in place.
    """
    path = path.resolve()
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(draft).chmod(_OWNER_ONLY)
        try:
            Path(draft).replace(path)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            _write_in_place(path, content)
    finally:
        Path(draft).unlink(missing_ok=True)


def _write_in_place(path: Path, content: str) -> None:
    with path.open("r+", encoding="utf-8") as file:
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
