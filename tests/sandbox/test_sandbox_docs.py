"""The page about the sandbox names what there is: options, templates, calls, switches and faults."""

from pathlib import Path
from typing import get_args

import pytest

from countersign.local import sandbox as local
from countersign.sandbox.behaviour import Behaviour
from countersign.sandbox.fault_rules import API_ACTIONS, WEBHOOK_ACTIONS, ApiFault, WebhookFault
from countersign.sandbox.routes import control, signers
from countersign.sandbox.sandbox import DEFAULT_API_KEY, DEFAULT_MEMBER_KEY, DEFAULT_ORG_ID
from countersign.sandbox.seeds import DESCRIPTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
UNNAMED = {"hits", "seen", "/_sandbox/health"}


@pytest.mark.parametrize(
    "names",
    [
        [DEFAULT_API_KEY, DEFAULT_MEMBER_KEY, DEFAULT_ORG_ID],
        DESCRIPTIONS,
        Behaviour.model_fields,
        get_args(API_ACTIONS),
        get_args(WEBHOOK_ACTIONS),
        ApiFault.model_fields,
        WebhookFault.model_fields,
    ],
)
def test_every_name_is_on_the_page(names: list[str]) -> None:
    assert [each for each in names if f"`{each}`" not in PAGE and each not in UNNAMED] == []


def test_the_local_stack_has_the_keys_of_the_page() -> None:
    ours = (local.API_KEY, local.MEMBER_KEY, local.ORG_ID)
    assert ours == (DEFAULT_API_KEY, DEFAULT_MEMBER_KEY, DEFAULT_ORG_ID)


def test_every_call_of_the_control_api_is_on_the_page() -> None:
    paths = {route.path for route in (*control.ROUTES, *signers.ROUTES)} - UNNAMED
    assert [each for each in paths if each.rpartition("/")[2] not in PAGE] == []
