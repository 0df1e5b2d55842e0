"""Test that `make test` proves every verb, and that each test is in one tier."""

import importlib
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from cli.main import VERBS

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
TIERS = ("test", "test-thorough", "test-heavy")
PROOFS = {
    "start": "cli.test_cli_reuse:test_a_starter_that_died_may_start_again",
    "status": "cli.test_cli_verbs:test_status_tells_people_and_programs",
    "watch": "cli.test_cli_verbs:test_a_voided_agreement_ends_and_says_so",
    "list": "cli.test_cli_verbs:test_list_shows_the_oldest_first_and_filters",
    "orphans": "cli.test_cli_orphans:test_an_agreement_terminated_in_the_send_leaves_an_orphan",
    "recover": "cli.test_cli_recover:test_lists_asks_and_recovers",
    "archive-again": "cli.test_cli_archive_again:test_a_lost_folder_is_restored_byte_by_byte",
    "purge": "cli.test_cli_purge:test_lists_asks_and_deletes",
    "erase": "cli.test_cli_erase:test_lists_asks_erases_and_says_what_stays",
    "hold": "cli.test_cli_purge:test_lists_asks_and_deletes",
    "remind": "cli.test_cli_verbs:test_a_reminder_goes_out",
    "void": "cli.test_cli_verbs:test_a_voided_agreement_ends_and_says_so",
    "resolve": "cli.test_cli_verbs:test_many_alike_are_decided_at_once",
    "signing-link": "cli.test_cli_verbs:test_a_link_is_printed_alone_for_the_next_signer",
    "replace-signer": "cli.test_cli_superseding:test_a_signer_is_replaced_by_a_new_agreement",
    "bulk": "cli.test_cli_bulk:test_a_table_is_started_once_and_the_same_table_joins_it",
    "export": "cli.test_cli_export:test_a_folder_has_all_signed_documents_and_is_continued",
    "callbacks": "callbacks.test_callbacks_commands:test_callbacks_are_listed_and_replayed",
    "init": "cli.test_cli_init:test_what_is_given_is_not_asked_for_and_the_webhook_is_set_up",
    "webhook": "cli.test_cli_init:test_what_is_given_is_not_asked_for_and_the_webhook_is_set_up",
    "notices": "notices.test_notices_command:test_a_test_notice_goes_out_by_every_channel",
    "token": "cli.test_cli_token:test_a_token_is_made_listed_and_revoked",
    "ui": "cli.test_cli_ui:test_there_is_a_link_for_every_filter_of_the_runbook_that_needs_no_more",
    "doctor": "cli.test_cli_doctor:test_a_healthy_stack_is_healthy",
    "schemas": "cli.test_cli_docs:test_the_published_schema_is_that_of_the_code",
    "demo": "cli.test_cli_demo:test_the_demo_shows_an_agreement_from_end_to_end_and_leaves_nothing",
    "up": "devstack.test_devstack_stack:test_a_killed_part_is_restarted_while_the_stack_runs",
}
"""The test of `make test` that shows what each verb does."""


def _marks(marked: Any) -> set[str]:
    marks = getattr(marked, "pytestmark", [])
    return {mark.name for mark in (marks if isinstance(marks, list) else [marks])}


def _expression(target: str) -> str:
    """The marker expression by which a target of the Makefile selects its tests."""
    found = re.search(rf'(?m)^{target}:.*\n.* -m ("[^"]+"|\w+) -n', MAKEFILE)
    assert found, f"make {target} selects no tests by their markers"
    return found[1].strip('"')


def test_every_verb_has_a_proof() -> None:
    assert set(PROOFS) == set(VERBS)


@pytest.mark.parametrize("proof", sorted(set(PROOFS.values())))
def test_a_proof_is_a_test_of_make_test(proof: str) -> None:
    name, _, test = proof.partition(":")
    module = importlib.import_module(f"tests.{name}")
    assert not (_marks(module) | _marks(getattr(module, test))) & {"thorough", "heavy"}


@pytest.mark.parametrize("marked", [*product((False, True), repeat=2)])
def test_every_test_is_in_one_tier(marked: tuple[bool, bool]) -> None:
    markers = dict(zip(("thorough", "heavy"), marked, strict=True))
    takers = [
        target
        for target in TIERS
        if eval(_expression(target), {}, markers)  # noqa: S307 - the Makefile's own words: and, or, not
    ]
    assert len(takers) == 1, takers


def test_the_gate_runs_all_but_the_heavy_tests() -> None:
    steps = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [step for step in steps if step.startswith("step make")] == [
        "step make check",
        "step make test",
        "step make test-thorough",
    ]
    assert re.search(rf"(?m)^test-all: {' '.join(TIERS)} ", MAKEFILE)
