"""Every run of the command line ends with its own exit code, never by an abort of the interpreter."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from cli.demo import example_agreement
from tests.cli.shell import Shell


def _started(shell: Shell) -> str:
    draft = shell.folder / "agreement.json"
    draft.write_text(example_agreement().model_dump_json())
    ran = shell("start", str(draft))
    assert ran.code == 0, ran.err
    return ran.out.split(":")[0]


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_sixty_runs_of_status_all_exit_0(shell: Shell) -> None:
    reference = _started(shell)
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: shell.run("status", reference), range(60)))
    assert [ran.code for ran in runs] == [0] * 60
    assert all(reference in ran.out for ran in runs)
