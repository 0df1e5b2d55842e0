"""Generator of `.env.example` and `docs/reference/settings.md` from the settings classes.

Run `make reference` after a change of a setting; a test compares the files.
"""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from pydantic.fields import FieldInfo

from countersign.agreements.names import DEFAULT_ACCOUNT
from countersign.configuration import Settings, is_secret
from countersign.providers.registry import account, plugins
from countersign.settings import GROUPS

ENV_EXAMPLE: Final = Path(".env.example")
DOCS: Final = Path("docs/reference/settings.md")

_ENV_HEAD = """\
# Settings of Countersign for development: copy with
#
#     install -m 600 .env.example .env
#
# and fill in what has no default. Production does not read .env; see docs/reference/settings.md.
# `make demo` and `make up` need none of this. Temporal's own settings are at the end.
"""
_ENV_TAIL = """
# --- Temporal's own settings; what neither the environment nor this file sets is Temporal's profile's ---

# TEMPORAL_ADDRESS=localhost:7233
# TEMPORAL_NAMESPACE=default
# TEMPORAL_API_KEY=
# TEMPORAL_TLS=true
# TEMPORAL_TLS_CLIENT_CERT_PATH=
# TEMPORAL_TLS_CLIENT_KEY_PATH=
"""
_DOCS_HEAD = """\
# Settings

`make reference` generates this page from the settings models.

A setting is a variable. The process reads it from the first of these places that has it:

1. The environment, as `NAME`, or as `NAME_FILE`, the path of a file that holds the value.
2. `.env` in the working folder, in development only. The process refuses the file if other users can read
   it, and ignores it if the environment sets `COUNTERSIGN_ENVIRONMENT=production`.
3. The folders of `COUNTERSIGN_SECRETS_DIR`, with one file per variable, as Docker, Kubernetes and Vault
   Agent mount them.
4. The secret manager of `COUNTERSIGN_SECRETS` ([how to set it
   up](../explanation/security.md#secret-managers)), for variables that are required or secret.

An empty variable counts as not set. At start, each process reports all settings that cannot work, by name
and never by value. `countersign doctor` shows which settings are present and where they come from.

Every process also warns about unknown settings: variables of the environment or `.env` that begin with
`COUNTERSIGN_`, or with an account's prefix where the process uses accounts, and are no setting. The warning
names the nearest setting.

Temporal's own settings, [`TEMPORAL_ADDRESS` and the
others](https://docs.temporal.io/references/client-environment-configuration), come from the environment,
then from `.env`, then from Temporal's configuration file and its profiles (`TEMPORAL_CONFIG_FILE`,
`TEMPORAL_PROFILE`). OpenTelemetry's `OTEL_...` come from the environment alone.
"""


class Entry(NamedTuple):
    """A variable. Its default is text; None if the variable is required."""

    variable: str
    description: str
    default: str | None
    secret: bool


def groups() -> Iterator[tuple[str, list[Entry]]]:
    """Yield the title and the variables of every settings class, without repetitions."""
    seen: set[str] = set()
    configured = [account(kind, kind) for kind in sorted(plugins(), key=_default_first)]
    by_account = [kind for entry in configured for kind in (entry.settings, entry.webhook_settings)]
    for kind in (GROUPS[0], *by_account, *GROUPS[1:]):
        entries = [_entry(kind, name, about) for name, about in kind.model_fields.items()]
        yield (kind.__doc__ or "").splitlines()[0], [entry for entry in entries if entry.variable not in seen]
        seen |= {entry.variable for entry in entries}


def _default_first(kind: str) -> tuple[bool, str]:
    return kind != DEFAULT_ACCOUNT, kind


def _entry(kind: type[Settings], name: str, about: FieldInfo) -> Entry:
    default = None if about.is_required() else _text(about.default)
    return Entry(kind.variable(name), about.description or "", default, is_secret(about))


def _text(value: object) -> str:
    if isinstance(value, tuple) and value:  # accounts
        return ", ".join(name if name == kind else f"{name}={kind}" for name, kind in value)
    return (
        "" if value is None or value == () else str(value).lower() if isinstance(value, bool) else str(value)
    )


def env_example() -> str:
    """Return `.env.example`: required variables are empty, the others are comments with defaults."""
    parts = [_ENV_HEAD]
    for title, entries in groups():
        parts.append(f"\n# --- {title.rstrip('.')} ---\n")
        for entry in entries:
            comment = textwrap.fill(entry.description, 108, initial_indent="# ", subsequent_indent="# ")
            line = f"{entry.variable}=" if entry.default is None else f"# {entry.variable}={entry.default}"
            parts.append(f"\n{comment}\n{line}\n")
    return "".join(parts) + _ENV_TAIL


def docs() -> str:
    """Return `docs/reference/settings.md`."""
    parts = [_DOCS_HEAD]
    for title, entries in groups():
        parts.append(f"\n## {title.rstrip('.')}\n\n| variable | default | meaning |\n| --- | --- | --- |\n")
        for entry in entries:
            default = (
                "must be set" if entry.default is None else f"`{entry.default}`" if entry.default else ""
            )
            secret = " Secret." if entry.secret else ""
            parts.append(f"| `{entry.variable}` | {default} | {entry.description}{secret} |\n")
    return "".join(parts)


if __name__ == "__main__":
    ENV_EXAMPLE.write_text(env_example(), encoding="utf-8")
    DOCS.parent.mkdir(exist_ok=True)
    DOCS.write_text(docs(), encoding="utf-8")
