"""`webhook route test`: what a delivery to a configured route would do, without one."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app

ROUTES = """
[payments]
workflow = "order-{data.order}"
signal = "payment"
only = ["invoice.paid"]
data.amount = "data.amount"

[signups]
workflow = "onboarding-{data.user}"
signal = "signed_up"
event_id = "id"
start = { workflow = "Onboarding", task_queue = "onboarding" }

[acme]
document_id = "data.order"
title = "title"
kinds = { "invoice.paid" = "completed" }
"""
PAID = {"id": "evt_1", "type": "invoice.paid", "data": {"order": 1042, "amount": 3.5}}


def run(folder: Path, sample: Any, *options: str, routes: str = ROUTES) -> tuple[int, str]:
    (folder / "routes.toml").write_text(routes)
    (folder / "sample.json").write_text(sample if isinstance(sample, str) else json.dumps(sample))
    files = [str(folder / "routes.toml"), str(folder / "sample.json")]
    ran = CliRunner().invoke(app, ["webhook", "route", "test", *files, *options])
    return ran.exit_code, ran.output


def test_every_route_of_the_file_is_shown(tmp_path: Path) -> None:
    assert run(tmp_path, PAID) == (
        0,
        """\
payments: signals payment to order-1042
  id: <webhook-id>
  kind: invoice.paid
  data.amount: 3.5
signups: not ours (200): a path of onboarding-{data.user} is missing, or cannot be part of an id
acme: completed of document 1042, to no agreement: the title has no marker
""",
    )


@pytest.mark.parametrize(
    ("sample", "shown"),
    [
        (PAID | {"type": "invoice.sent"}, "payments: ignored (200): the route does not take this type\n"),
        (
            {"type": "a", "data": {"user": "a b"}},
            "signups: unreadable (422): the event id or a required field",
        ),
        (
            {"id": 7, "data": {"user": "u1"}},
            "signups: signals signed_up to onboarding-u1, after starting Onboarding",
        ),
        ({"id": 7, "data": {"user": "u1"}}, "  id: 7\n  kind: (none)\n"),
        (PAID | {"title": "Contract [order-1042~k3x9qa12]"}, "of document 1042, to agreement order-1042\n"),
    ],
)
def test_what_a_delivery_would_do(tmp_path: Path, sample: Any, shown: str) -> None:
    code, out = run(tmp_path, sample)
    assert code == 0
    assert shown in out


def test_one_route_may_be_named(tmp_path: Path) -> None:
    code, out = run(tmp_path, PAID, "--route", "acme")
    assert code == 0
    assert out.startswith("acme: ")
    code, out = run(tmp_path, PAID, "--route", "nobody")
    assert code == 2
    assert out.endswith("has payments, signups, acme\n")


@pytest.mark.parametrize(
    ("sample", "routes", "sentence"),
    [
        ("[]", ROUTES, "is not one strict JSON object: the receiver would answer 400"),
        ('{"a": 1, "a": 2}', ROUTES, "is not one strict JSON object"),
        (PAID, "[payments]\nsignal = 'a'", "payments.workflow: Field required"),
    ],
)
def test_files_that_cannot_be_used_are_a_sentence(
    tmp_path: Path, sample: Any, routes: str, sentence: str
) -> None:
    code, out = run(tmp_path, sample, routes=routes)
    assert code == 2
    assert sentence in out
    (tmp_path / "sample.json").unlink()
    ran = CliRunner().invoke(
        app, ["webhook", "route", "test", str(tmp_path / "routes.toml"), str(tmp_path / "sample.json")]
    )
    assert ran.exit_code == 2
