"""`starter` and Tab: the script that a shell is taught with, and what it is answered."""

import asyncio
import subprocess
import uuid

import pytest

from commands.demo import example_agreement
from commands.starting import start_agreement
from tests.commands.shell import Shell
from tests.conftest import tool

_TAB = """
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_starter; printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def _bash(script: str) -> str:
    command = [tool("bash"), "-eu", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def _offered(shell: Shell, words: str) -> list[str]:
    """What a real bash offers after these words and Tab."""
    return _bash(shell("completion", "bash").out + _TAB.format(words=words)).split()


def test_bash_completes_verbs_and_options(shell: Shell) -> None:
    assert _offered(shell, "starter re") == ["remind", "resolve", "replace-signer"]
    assert _offered(shell, "starter start --de") == ["--deliverable", "--description", "--deadline"]


def test_bash_completes_references_of_running_agreements(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = f"tab-{uuid.uuid4().hex[:10]}"
    asyncio.run(_listed(reference))
    assert _offered(shell, f"starter status {reference[:-3]}") == [reference]
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    assert _offered(shell, "starter status tab-") == []


async def _listed(reference: str) -> None:
    """Start an agreement and wait until Temporal's index has it."""
    await start_agreement(example_agreement().model_copy(update={"reference": reference}))
    async with asyncio.timeout(20):
        await asyncio.sleep(0.05)


def test_bash_completes_stages(shell: Shell) -> None:
    assert _offered(shell, "starter list --stage a") == ["awaiting-signatures", "archiving", "abandoned"]


def test_a_shell_that_cannot_be_taught_is_told(shell: Shell) -> None:
    ran = shell("completion", "fish")
    assert ran.code == 2
    told = " ".join(ran.err.replace("│", "").split())
    assert "'SHELL': there is no 'fish': choose one of bash, zsh." in told


def test_the_command_that_bash_learns_is_ours(shell: Shell) -> None:
    script = shell("completion", "bash").out
    assert _bash(f"{script}starter status --help").strip().startswith("Usage: starter.py status")


def test_zsh_is_answered_in_its_own_words(shell: Shell) -> None:
    script = shell("completion", "zsh").out
    assert "compdef _starter starter\n" in script
    asking = script[script.index("env ") : script.index(" 2>/dev/null)")]
    answer = _bash(asking.replace("${words[1,$CURRENT]}", "starter re"))
    assert answer.startswith('_arguments \'*: :(("remind":"Remind whoever has not signed')
