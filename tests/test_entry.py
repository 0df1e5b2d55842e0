"""`entry.main`: however a program ends, it is one exit code, and what is known is one sentence."""

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.thorough

PROGRAM = """
    from countersign import entry
    from countersign.client import UnknownAgreementError
    from countersign.configuration import SettingsError
    from countersign.connection import ConnectionFailedError


    async def program() -> int:
        {body}


    entry.main(program())
"""


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("return 3", 3, ""),
        ('raise SettingsError("POST_API_KEY is not set")', 2, "POST_API_KEY is not set\n"),
        ('raise ConnectionFailedError("Temporal does not respond")', 5, "Temporal does not respond\n"),
        ('raise UnknownAgreementError("order-1: no such agreement")', 3, "order-1: no such agreement\n"),
    ],
)
def test_what_is_known_is_one_sentence(body: str, code: int, said: str) -> None:
    assert run(body) == (code, said)


def test_what_is_not_known_is_a_traceback() -> None:
    code, said = run("raise KeyError('order')")
    assert code == 1
    assert said.startswith("Traceback")
    assert said.endswith("KeyError: 'order'\n")


def run(body: str) -> tuple[int, str]:
    program = textwrap.dedent(PROGRAM).format(body=body)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return ended.returncode, ended.stderr
