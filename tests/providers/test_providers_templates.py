"""A worker knows what a template needs: asked at most once a minute, and asked again before it says no."""

import pytest

from countersign.agreements.messages import TemplateSource
from countersign.providers.errors import RejectedError
from countersign.providers.turbodocx.templates import TemplateVariables
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
