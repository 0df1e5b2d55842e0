"""`completion`: teach a shell the command `starter`, with completion of verbs, options and references."""

import asyncio
import shlex
import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from typer.completion import completion_init  # type: ignore[attr-defined]  # there is no public way

from commands.choices import one_of
from commands.errors import CommandError
from commands.listing import list_agreements
from countersign.reference import WORKFLOW_ID_PREFIX

_STARTER: Final = Path(__file__).parents[1] / "starter.py"
_ASKED_BY: Final = f"_{_STARTER.name}_COMPLETE".upper()
"""The variable by which a shell asks a program of this name, as typer and click have it."""

_PATIENCE: Final = 2.0
"""Seconds after which Tab offers nothing rather than make somebody wait."""

_BASH: Final = """\
starter() {{ {command} "$@"; }}
_starter() {{
    local IFS=$'\\n'
    COMPREPLY=($(env COMP_WORDS="${{COMP_WORDS[*]}}" COMP_CWORD="$COMP_CWORD" \\
        {asked_by}=complete_bash {command} 2>/dev/null))
}}
complete -o default -F _starter starter
"""
_ZSH: Final = """\
starter() {{ {command} "$@" }}
_starter() {{
    eval "$(env _TYPER_COMPLETE_ARGS="${{words[1,$CURRENT]}}" {asked_by}=complete_zsh {command} 2>/dev/null)"
}}
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}
compdef _starter starter
"""


class Shell(StrEnum):
    """The shells that can be taught."""

    BASH = "bash"
    ZSH = "zsh"


def completion(
    shell: Annotated[
        Shell,
        typer.Argument(
            parser=one_of(Shell),
            autocompletion=lambda: list(Shell),
            help="Which shell to teach: bash or zsh.",
            metavar="SHELL",
            show_default=False,
        ),
    ],
) -> None:
    """Print what defines the command `starter` in a shell, and completes it with Tab.

    Once and for all, from this folder:

      .venv/bin/python starter.py completion bash >> ~/.bashrc
      .venv/bin/python starter.py completion zsh >> ~/.zshrc

    Shells that are started from then on know it, in every folder.
    """
    command = shlex.join([sys.executable, str(_STARTER)])
    script = _BASH if shell is Shell.BASH else _ZSH
    typer.echo(script.format(command=command, asked_by=_ASKED_BY), nl=False)


def answer_shells() -> None:
    """Let the command line answer a shell that asks what may come next."""
    completion_init()


def running_references(incomplete: str) -> list[str]:
    """Find references of running agreements, as far as they can be had quickly."""
    with suppress(CommandError, TimeoutError):
        return asyncio.run(_running_references(incomplete.lower()))
    return []


async def _running_references(beginning: str) -> list[str]:
    if not set(beginning) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-"):
        return []
    where = f'WorkflowId STARTS_WITH "{WORKFLOW_ID_PREFIX}{beginning}"'
    async with asyncio.timeout(_PATIENCE):
        return [each.reference for each in await list_agreements(where=where, limit=50)]
