"""A worker knows what a template needs: asked at most once a minute, and asked again before it says no."""

import pytest

from countersign.agreements.messages import JsonData, Repeated, RichText, TemplateSource, Variable
from countersign.providers.errors import RejectedError
from countersign.providers.turbodocx.templates import TemplateVariables, misfits
from countersign.secrets.rotation import Rotating
from devstack.sandbox import Sandbox
from tests.providers.provider_desk import client_of, settings_of
from tests.workflows.office import TEMPLATE, VARIABLES

FITS = TemplateSource(template_id=TEMPLATE, variables=VARIABLES)
GAPS = TemplateSource(template_id=TEMPLATE, variables=VARIABLES | {"Prize": "1"})


async def test_what_a_template_needs_is_asked_once_a_minute(sandbox: Sandbox) -> None:
    now = 0.0
    async with client_of(Rotating(settings_of(sandbox))) as client:
        variables = TemplateVariables(client, clock=lambda: now)
        assert await variables.misfits(GAPS) == ["it has no variable Prize (did you mean Price?)"]
        assert await variables.misfits(FITS) == []
        gone = {"path": "/template/*", "do": "status", "status": 404, "body": {}, "times": None}
        await sandbox.call("PUT", "/_sandbox/faults", {"api": [gone]})
        try:
            assert await variables.misfits(FITS) == []
            with pytest.raises(RejectedError):
                await variables.misfits(GAPS)
            now = 60.0
            with pytest.raises(RejectedError):
                await variables.misfits(FITS)
        finally:
            await sandbox.call("DELETE", "/_sandbox/faults")


@pytest.mark.parametrize(
    ("given", "needed", "wrong"),
    [
        ({"Items": JsonData(value=[])}, {"#Items", "Items.length", "Items[0].name"}, []),
        ({"Items": JsonData(value=[{"name": "a", "price": 1}])}, {"Items", "name", "price"}, []),
        ({"Items": JsonData(value=[{"name": "a", "price": 1}])}, {"price * 2", "(price + 1)"}, []),
        ({"Items": JsonData(value=[])}, {"Items", "Price"}, ["it needs the variable Price"]),
        ({"Item": JsonData(value=[])}, {"Items"}, ["it needs the variable Items"]),
        (
            {"Item": "a"},
            {"Items"},
            ["it has no variable Item (did you mean Items?)", "it needs the variable Items"],
        ),
        ({"Team": RichText(kind="text", text="A", variables={"Team.Lead": "B"})}, {"Team", "Team.Lead"}, []),
        (
            {"Team": Repeated(items=(RichText(kind="text", text="A", variables={"Lead": "B"}),))},
            {"Team", "Lead"},
            [],
        ),
        ({"Team": "A"}, {"Team", "Team.Lead"}, ["it needs the variable Team.Lead"]),
    ],
)
def test_names_within_values_may_be_the_templates(
    given: dict[str, Variable], needed: set[str], wrong: list[str]
) -> None:
    assert misfits(given, frozenset(needed)) == wrong
