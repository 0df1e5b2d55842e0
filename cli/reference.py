"""Write the command line's reference, `docs/reference/cli.md`, from the commands themselves.

Run `make reference` after changing a command; a test compares.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from .main import app

PAGE: Final = Path("docs/reference/cli.md")
PROGRAM: Final = "countersign"

_HEAD: Final = """\
# Command line

`make reference` generates this page from the commands. In a checkout, the program is
`.venv/bin/countersign`.

Every command takes `--help`. `countersign --version` prints the version, and `--install-completion` installs
completion for your shell. [Exit codes](errors.md#exit-codes) are the same for all commands.

Commands with `--json` print one JSON object; `list` prints an array, and `watch` prints one object for each
change. All times are UTC. Signers' names and the reasons that people wrote appear on a terminal only. When
stdout is redirected, the command prints initials and leaves the reasons out. A program that needs the names
[queries the workflow](../how-to/other-languages.md).
"""


def reference() -> str:
    """Return the page's text."""
    root: Any = typer.main.get_command(app)
    return _HEAD + "".join(_section(name, command) for name, command in _commands(root, PROGRAM))


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield each command that does something, with its full name."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for verb, subcommand in inner.items():
        yield from _commands(subcommand, f"{name} {verb}")


def _section(name: str, command: Any) -> str:
    parameters = [parameter for parameter in command.params if parameter.name != "help"]
    arguments = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
    usage = " ".join([name, *(_usage(argument) for argument in arguments), "[OPTIONS]"])
    rows = "".join(_row(parameter) for parameter in parameters)
    table = f"\n| option | meaning |\n| --- | --- |\n{rows}" if rows else ""
    return f"\n## {name.removeprefix(PROGRAM + ' ')}\n\n    {usage}\n\n{_help(command.help)}\n{table}"


def _help(text: str) -> str:
    """Join the lines of each paragraph; leave indented examples as they are."""
    paragraphs = text.replace("\b", "").strip().split("\n\n")
    return "\n\n".join(
        "\n".join("    " + line.strip("\n") for line in paragraph.strip("\n").splitlines())
        if paragraph.lstrip("\n").startswith("  ")
        else " ".join(paragraph.split())
        for paragraph in paragraphs
    )


def _usage(argument: Any) -> str:
    return _metavar(argument) if argument.required else f"[{_metavar(argument)}]"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        names = f"`{_metavar(parameter)}`"
    else:
        value = "" if parameter.is_flag else f" {parameter.metavar or 'TEXT'}"
        names = ", ".join(f"`{option}{value}`" for option in (*parameter.opts, *parameter.secondary_opts))
    notes = [parameter.help or ""]
    if parameter.required and parameter.param_type_name == "option":
        notes.append("Required.")
    if parameter.show_default and parameter.default not in (None, False, "", [], ()):
        notes.append(f"Default: `{parameter.default}`.")
    return f"| {names} | {' '.join(notes)} |\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
