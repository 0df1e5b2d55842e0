"""`status`, `watch`, `list`, `remind`, `void` and `resolve` on agreements that really run."""

import asyncio
import json
import re
import uuid
from typing import Any

import pytest

from cli.watch import UNKNOWN_TIME
from countersign.agreements.reference import workflow_id
from countersign.agreements.times import format_time
from countersign.client.agreements import agreement_result
from countersign.client.errors import ExitCode
from countersign.client.follow import follow_agreement
from countersign.connection import connect
from countersign.free_ports import free_port
from devstack.stack import Stack
from tests.cli.shell import Shell, start_waiting
from tests.polling import poll


def _complete(stack: Stack, reference: str, shell: Shell) -> None:
    document_id = json.loads(shell("status", reference, "--json").out)["document_id"]
    asyncio.run(stack.sandbox.complete(document_id))


def _objects(text: str) -> list[Any]:
    decoder, objects, rest = json.JSONDecoder(), [], text.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        objects.append(value)
        rest = rest[end:].strip()
    return objects


def test_status_tells_people_and_programs(shell: Shell, reference: str) -> None:
    ran = shell("status", reference)
    assert ran.code == 0
    assert ran.out.startswith(f"{reference}\n")
    assert "awaiting_signatures" in ran.out
    *_, heading, first, second, last = ran.out.splitlines()
    signers = [line.split() for line in (heading, first, second)]
    assert last == "names and reasons are shortened in a file or a pipe: --names prints them"
    assert [signer[:2] for signer in signers] == [["signer", "name"], ["1", "A."], ["2", "G."]]
    status = json.loads(shell("status", reference, "--json").out)
    assert (status["stage"], status["waiting_for"]) == ("awaiting_signatures", "signatures")


def test_an_unknown_agreement_is_reported(shell: Shell) -> None:
    for verb in (
        ["status"],
        ["watch"],
        ["remind"],
        ["signing-link", "--signer", "1"],
        ["void", "--reason", "x"],
        ["resolve", "--abandon"],
    ):
        ran = shell(verb[0], "nobody-knows", *verb[1:])
        assert (ran.code, ran.out) == (3, "")
        assert ran.err.startswith("nobody-knows: no such agreement; ")
        assert "(asked 127.0.0.1:" in ran.err


@pytest.mark.thorough
def test_watch_follows_to_the_end(shell: Shell, stack: Stack, reference: str) -> None:
    with shell.process("watch", reference) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline().endswith("document ready to be sent\n")
        _complete(stack, reference, shell)
        rest = watch.stdout.read()
        assert watch.wait(30) == 0
    assert "signed by A. L. (1 of 2)" in rest
    assert "signed by G. H. (2 of 2)" in rest
    assert "archived" in rest
    assert "SHA-256" in rest
    _check_watched_later(shell, reference)
    ended = _objects(shell("watch", reference, "--json").out)
    assert [agreement["result"]["outcome"] for agreement in ended] == ["completed"]


def _check_watched_later(shell: Shell, reference: str) -> None:
    """Whoever looks only now is told when things happened, in the time zone of all outputs."""
    status = json.loads(shell("status", reference, "--json").out)
    lines = shell("watch", reference).out.splitlines()
    shown = {line[25:]: line[:23] for line in lines if line[20:23] == "UTC"}
    ends = ("ready_at", "sent_at", "ended_at")
    reported = [status[name] for name in ends] + [signer["signed_at"] for signer in status["signers"]]
    assert [shown[line] for line in shown if not line.startswith("viewed")] == [
        format_time(at) for at in (*reported[:2], *reported[3:], reported[2])
    ]
    assert len(set(reported[:4])) == 4  # the last signer may have signed in the same millisecond
    assert (status["next_check_at"], status["next_reminder_at"]) == (None, None)


def test_watch_makes_up_no_time_that_no_one_reported(shell: Shell, stack: Stack, reference: str) -> None:
    asyncio.run(_report_a_view_without_its_time(stack, reference))
    assert shell("void", reference, "--reason", "Only a test").code == 0
    assert f"{UNKNOWN_TIME}  viewed by A. L.\n" in shell("watch", reference).out


async def _report_a_view_without_its_time(stack: Stack, reference: str) -> None:
    async for status in follow_agreement(reference):
        document_id = str(status.document_id)
        break
    recipient_id = (await stack.sandbox.recipient_ids(document_id))[0]
    event = {"event_id": uuid.uuid4().hex, "kind": "viewed", "document_id": document_id}
    handle = (await connect()).get_workflow_handle(workflow_id(reference))
    await handle.signal("signature_event", event | {"recipient_id": recipient_id})


@pytest.mark.heavy
def test_watch_survives_a_lost_connection(shell: Shell, stack: Stack, reference: str) -> None:
    with shell.process("watch", reference) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline().endswith("document ready to be sent\n")
        stack.supervisor.kill("temporal")
        assert watch.stderr is not None
        assert watch.stderr.readline().endswith("trying again\n")
        asyncio.run(stack.supervisor.restart("temporal"))
        _complete(stack, reference, shell)
        assert watch.wait(60) == 0
        assert "archived" in watch.stdout.read()


def test_a_voided_agreement_ends_and_says_so(shell: Shell, reference: str) -> None:
    ran = shell("void", reference, "--reason", "The order was cancelled")
    assert (ran.code, ran.out) == (0, f"{reference}: will be voided\n")
    watched = shell("watch", reference)
    assert watched.code == 6
    assert asyncio.run(agreement_result(reference)).reason == "The order was cancelled"
    again = shell("void", reference, "--reason", "Again")
    assert (again.code, again.err) == (4, f"{reference} has already ended: see `status {reference}`\n")


@pytest.mark.parametrize("reason", ["", "x" * 501])
def test_a_reason_must_be_readable(shell: Shell, reference: str, reason: str) -> None:
    ran = shell("void", reference, "--reason", reason)
    assert (ran.code, ran.err) == (2, "reason: write 1 to 500 characters; the signers read them\n")


def test_a_link_is_printed_alone_for_the_next_signer(shell: Shell, reference: str) -> None:
    ran = shell("signing-link", reference, "--signer", "1")
    assert (ran.code, ran.err) == (0, "")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/_sandbox/sign/\S+\n", ran.out)
    link = json.loads(shell("signing-link", reference, "--signer", "1", "--json").out)
    assert link["url"] == link["embed_url"] == ran.out.strip()
    early = shell("signing-link", reference, "--signer", "2", "--return-url", "https://shop.example/thanks")
    assert (early.code, early.out) == (11, "")
    assert early.err == f"{reference}: it is not the turn of signer 2: signer 1 signs first\n"


@pytest.mark.parametrize(
    ("options", "sentence"),
    {
        ("--signer", "3"): "has no signer 3; its signers are 1 to 2",
        ("--signer", "1", "--return-url", "http://shop.example"): "return URL: must begin with https://",
        ("--signer", "1", "--verification-id", "v"): "--verification-id and --verified-at: give both or none",
        ("--signer", "1", "--verification-id", "v", "--verified-at", "2027-01-31T12:00:00Z"): (
            "signer 1 has no external identity check: leave the verification out"
        ),
        ("--signer", "1", "--verification-id", "v", "--verified-at", "now"): "write an ISO 8601 time",
    }.items(),
)
def test_a_link_needs_fitting_options(
    shell: Shell, reference: str, options: tuple[str, ...], sentence: str
) -> None:
    ran = shell("signing-link", reference, *options)
    assert (ran.code, ran.out) == (2, "")
    assert sentence in " ".join(ran.err.split())


def test_an_agreement_without_e_mails_is_not_reminded(shell: Shell) -> None:
    name = f"silent-{uuid.uuid4().hex[:10]}"
    asyncio.run(start_waiting(name, send_emails=False))
    ran = shell("remind", name)
    assert (ran.code, ran.out) == (4, "")
    assert ran.err == f"{name}: it sends no e-mails: pass on a signing link instead\n"


def test_a_reminder_goes_out(shell: Shell, stack: Stack, reference: str) -> None:
    ran = shell("remind", reference)
    assert (ran.code, ran.out) == (0, f"{reference}: will be reminded\n")
    document_id = json.loads(shell("status", reference, "--json").out)["document_id"]
    path = f"/_sandbox/ledger?kind=reminder_sent&subject={document_id}"
    assert poll(lambda: asyncio.run(stack.sandbox.call("GET", path))["entries"])


def test_an_agreement_that_needs_no_decision_takes_none(shell: Shell, reference: str) -> None:
    ran = shell("resolve", reference, "--abandon")
    assert (ran.code, ran.err) == (4, f"{reference}: the agreement needs no decision\n")
    assert shell("resolve", reference).code == 2
    assert shell("resolve", reference, "--keep", "--abandon").code == 2


def test_many_alike_are_decided_at_once(shell: Shell, reference: str) -> None:
    others = [reference, f"verb-{uuid.uuid4().hex[:10]}"]
    asyncio.run(start_waiting(others[1]))
    for other in others:
        asyncio.run(_report_a_twin(other))
        assert "Another document carries" in shell("status", other).out
    where = "NeedsAttention = true AND AgreementStage = 'awaiting_signatures'"
    ran = shell("resolve", "--where", where, "--keep", "--yes")
    assert ran.code == 0
    for other in others:
        assert other in ran.out
        status = json.loads(shell("status", other, "--json").out)
        assert (status["needs_attention"], status["waiting_for"]) == (None, "signatures")


async def _report_a_twin(reference: str) -> None:
    """Signal what the receiver would if a second document carried the agreement's marker."""
    handle = (await connect()).get_workflow_handle(workflow_id(reference))
    twin = {"event_id": uuid.uuid4().hex, "kind": "sent", "document_id": f"twin-of-{reference}"}
    await handle.signal("signature_event", twin)
    async for status in follow_agreement(reference):
        if status.needs_attention:
            return


def test_what_failed_is_listed_and_shown_as_such(shell: Shell, reference: str) -> None:
    asyncio.run(_terminate(reference))
    where = f'WorkflowId = "agreement-{reference}"'
    assert _listed(shell, reference, "--all", "--where", f"{where} AND ExecutionStatus != 'Running'")
    assert " failed  nobody " in " ".join(shell("list", "--all", "--where", where).out.split("\n")[1:])
    (found,) = json.loads(shell("list", "--all", "--where", where, "--json").out)
    assert (found["failed"], found["stage"]) == (True, "awaiting_signatures")
    view = shell("status", reference)
    assert view.code == 0
    assert "stage     failed while awaiting_signatures\nwhy       terminated by " in view.out


async def _terminate(reference: str) -> None:
    await (await connect()).get_workflow_handle(workflow_id(reference)).terminate()


def test_list_shows_the_oldest_first_and_filters(shell: Shell, reference: str) -> None:
    younger = f"{reference}.2"
    asyncio.run(start_waiting(younger))
    for stage in ("awaiting_signatures", "awaiting signatures", "Awaiting-Signatures"):
        listed = _listed(shell, younger, "--stage", stage)
        assert listed.index(reference) < listed.index(younger)
    assert reference not in _listed(shell, None, "--stage", "archiving")
    assert reference not in _listed(shell, None, "--needs-attention")
    where = f'WorkflowId = "agreement-{reference}"'
    assert _listed(shell, reference, "--where", where) == [reference]
    assert reference in shell("list", "--where", where).out


def _listed(shell: Shell, awaited: str | None, *filters: str) -> list[str]:
    """List; wait for one that must be there, since Temporal's index comes a moment later."""

    def listed() -> list[str]:
        ran = shell("list", "--json", *filters)
        assert ran.code == 0, ran.err
        return [load["reference"] for load in json.loads(ran.out)]

    return listed() if awaited is None else poll(lambda: found if awaited in (found := listed()) else None)


def test_a_stage_that_there_is_not_is_reported_with_those_there_are(shell: Shell) -> None:
    ran = shell("list", "--stage", "signing")
    assert (ran.code, ran.out) == (2, "")
    reported = " ".join(ran.err.replace("│", "").split())
    assert "'--stage': 'signing' does not exist: choose one of generating, sending, in_review, " in reported
    assert "Value error" not in reported


def test_those_at_a_stage_that_is_an_end_have_ended(shell: Shell, stack: Stack, reference: str) -> None:
    assert reference not in _listed(shell, None, "--stage", "completed")
    _complete(stack, reference, shell)
    asyncio.run(agreement_result(reference))
    assert reference in _listed(shell, reference, "--stage", "completed")


def test_what_people_wrote_is_shown_as_it_is(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "foo:abc:7233")
    assert "does not respond at foo:abc:7233: start it" in shell("list").err
    assert shell("start", "[/no] :abc:.yaml").err == "[/no] :abc:.yaml: No such file or directory\n"


def test_a_filter_that_cannot_be_read_is_reported(shell: Shell) -> None:
    ran = shell("list", "--where", "Colour = 'red'")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Temporal rejects the request: ")
    assert ran.err.count("\n") == 1
    assert shell("list", "--where", "a b c").err == (
        "Temporal rejects the request: invalid query: malformed SQL query: syntax error near 'b'\n"
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["list", "--limit", "x"], "Invalid value for '--limit': write a whole number, at least 1."),
        (["list", "--limit", "0"], "Invalid value for '--limit': write a whole number, at least 1."),
        (
            ["up", "--ui-port", "70000"],
            "Invalid value for '--ui-port': write a whole number, from 1 to 65535.",
        ),
    ],
)
def test_a_number_that_is_none_is_reported(shell: Shell, words: list[str], says: str) -> None:
    ran = shell(*words)
    assert (ran.code, ran.out) == (2, "")
    assert says in " ".join(ran.err.replace("│", "").split())


def test_two_parts_cannot_have_one_port(shell: Shell) -> None:
    port = str(free_port())
    ran = shell("up", "--ui-port", port, "--receiver-port", port)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"port {port} is wanted for ui and for receiver: name another\n"


def test_many_are_voided_after_a_preview_and_a_yes(shell: Shell, reference: str) -> None:
    other = f"{reference}.2"
    asyncio.run(start_waiting(other))
    where = f'WorkflowId STARTS_WITH "agreement-{reference}"'
    _listed(shell, other, "--where", where)
    bulk = ("void", "--where", where, "--reason", "Season's over")

    assert shell(*bulk, answer="").code == ExitCode.NOT_CONFIRMED  # nobody answers
    refused = shell(*bulk, answer="n\n")
    assert refused.code == ExitCode.NOT_CONFIRMED
    assert reference in refused.out
    assert refused.out.endswith("nothing was done (--yes says yes)\n")
    assert refused.err.strip() == "void 2 agreements? [y/N]:"
    assert json.loads(shell("status", reference, "--json").out)["stage"] == "awaiting_signatures"

    voided = shell(*bulk, answer="y\n")
    assert voided.code == 0
    assert f"{reference}: will be voided" in voided.out
    assert f"{other}: will be voided" in voided.out
    assert [shell("watch", item).code for item in (reference, other)] == [6, 6]
    assert "no agreements" in shell(*bulk, "--yes").out


def test_one_or_many_but_not_both(shell: Shell) -> None:
    for references in ([], ["some-order", "--where", "x = 1"]):
        ran = shell("remind", *references)
        assert (ran.code, ran.err) == (2, "name one reference, or --where CONDITION\n")
