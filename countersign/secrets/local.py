"""Read variables on this machine: the environment, `.env`, and files of one value."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

ENV_FILE: Final = Path(".env")
VALUE_LIMIT: Final = 65_536
"""Bytes. A file larger than that is no setting."""

_STEERING: Final = ("COUNTERSIGN_ENVIRONMENT", "COUNTERSIGN_SECRETS", "COUNTERSIGN_SECRETS_DIR")
"""Variables that name the places of the others."""

PLACES: Final = (str(ENV_FILE), "COUNTERSIGN_SECRETS", "COUNTERSIGN_SECRETS_DIR")
"""The keys of problems with a place that may hold several variables."""

Problems = dict[str, str]
"""Sentences by the variable, or the place, that they are about."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A place with values by variable name. Its label is public, its values are secret."""

    label: str
    values: Mapping[str, str] = field(repr=False)


def local_origins(wanted: Iterable[str], problems: Problems) -> Iterator[Origin]:
    """Yield the values of variables from the environment, `.env` and secret folders, the strongest first.

    Args:
        wanted: Names of variables.
        problems: Receives a sentence for every place or file that could not be read.
    """
    names = dict.fromkeys([*wanted, *_STEERING])
    environment = _with_files(os.environ, names, problems)
    yield Origin("environment", environment)
    dotenv = _with_files(env_file(problems), names, problems)
    yield Origin(str(ENV_FILE), dotenv)
    folders = environment.get("COUNTERSIGN_SECRETS_DIR") or dotenv.get("COUNTERSIGN_SECRETS_DIR") or ""
    for folder in filter(None, folders.split(os.pathsep)):
        yield Origin(folder, _read_folder(Path(folder).expanduser(), names, problems))


def env_file(problems: Problems) -> Mapping[str, str | None]:
    """Return every variable of `.env`; none in production, which does not read it.

    Args:
        problems: Receives a sentence if the file could not be read.
    """
    environment = _with_files(os.environ, ["COUNTERSIGN_ENVIRONMENT"], {}).get("COUNTERSIGN_ENVIRONMENT")
    return {} if environment == "production" else _read_env_file(ENV_FILE, problems)


def read_value(path: Path) -> str:
    """Read a file that holds one value; space and line breaks around it do not count.

    Raises:
        ValueError: It cannot be read, is too large, or is not UTF-8 text; the message has the reason.
    """
    try:
        with path.open("rb") as file:
            content = file.read(VALUE_LIMIT + 1)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    if len(content) > VALUE_LIMIT:
        raise ValueError(f"is larger than {VALUE_LIMIT} bytes")
    try:
        return content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None


def _with_files(
    variables: Mapping[str, str | None], names: Iterable[str], problems: Problems
) -> dict[str, str]:
    """Select variables and follow `NAME_FILE`. An empty variable counts as not set."""
    found = {}
    for name in names:
        value, path = variables.get(name), variables.get(f"{name}_FILE")
        if value and path:
            problems[name] = f"{name} and {name}_FILE are both set; keep one of them"
        elif path:
            try:
                found[name] = read_value(Path(path).expanduser())
            except ValueError as error:
                problems[name] = f"{name}_FILE names a file that {error}"
        elif value:
            found[name] = value
    return found


def _read_env_file(path: Path, problems: Problems) -> Mapping[str, str | None]:
    try:
        found = path.stat()
    except OSError:
        return {}
    if os.name == "posix" and found.st_mode & 0o066:
        deed = "read" if found.st_mode & 0o044 else "written"
        problems[str(path)] = f"{path} can be {deed} by other users of this machine; run: chmod 600 {path}"
        return {}
    if os.name == "posix" and found.st_uid not in {0, os.geteuid()}:
        problems[str(path)] = f"{path} belongs to another user of this machine; make it yours, or delete it"
        return {}
    try:
        values = dotenv_values(path, interpolate=False, encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        problems[str(path)] = f"{path} cannot be read as UTF-8 text"
        return {}
    if values.get("COUNTERSIGN_ENVIRONMENT") == "production":
        problems[str(path)] = (
            f"{path} says COUNTERSIGN_ENVIRONMENT=production, and production does not read {path}; "
            "use the environment, secret files or a secret manager"
        )
    return values


def _read_folder(folder: Path, names: Iterable[str], problems: Problems) -> dict[str, str]:
    """Read a folder of files named like variables, in either case, as Docker and Kubernetes mount them."""
    try:
        files = {path.name.upper(): path for path in folder.iterdir() if path.is_file()}
    except OSError as error:
        problems["COUNTERSIGN_SECRETS_DIR"] = (
            f"COUNTERSIGN_SECRETS_DIR names a folder that cannot be read ({error.strerror})"
        )
        return {}
    found = {}
    for name in files.keys() & set(names):
        try:
            found[name] = read_value(files[name])
        except ValueError as error:
            problems[name] = f"{name}: its file in COUNTERSIGN_SECRETS_DIR {error}"
    return found
