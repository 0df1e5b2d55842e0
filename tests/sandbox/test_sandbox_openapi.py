"""The API's description is sound, names every route, and holds under generated requests."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from tests.sandbox.sandbox_kit import ADMIN_KEY, ORG_ID, SERVICES_AGREEMENT, Api

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_the_description_is_valid_and_names_every_call(api: Api) -> None:
    description = api.get("/_sandbox/openapi.json").json()
    validate(description)
    calls = {(method, path) for path, item in description["paths"].items() for method in item}
    assert len(calls) == 38
    assert ("post", "/turbosign/single/prepare-for-signing") in calls
    assert not [path for _, path in calls if path.startswith("/_sandbox")]
    assert all(item["summary"] for each in description["paths"].values() for item in each.values())


def name_what_is_there(api: Api, description: dict[str, Any]) -> None:
    """Let generated requests reach what there is, instead of a 404."""
    document, deliverable = api.dispatch(), api.deliverable()
    api.subscribe("http://127.0.0.1:9/")
    there = {"deliverable": deliverable, "template": SERVICES_AGREEMENT, "turbosign": document["documentId"]}
    for path, item in description["paths"].items():
        known = next((there[each] for each in there if each in path), "signature")
        for operation in item.values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    recipient = document["recipients"][0]["id"]
                    value = recipient if parameter["name"] == "recipient" else known
                    parameter["schema"] = {"type": "string", "enum": [value]}


@pytest.mark.heavy
@pytest.mark.timeout(500)
def test_generated_requests_never_cause_a_5xx(api: Api, tmp_path: Path) -> None:
    description = api.get("/_sandbox/openapi.json").json()
    name_what_is_there(api, description)
    schema = tmp_path / "openapi.json"
    schema.write_text(json.dumps(description))
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        str(schema),
        f"--url={api.base_url}",
        f"--checks={CHECKS}",
        "--phases=examples,coverage,fuzzing",
        "--max-examples=10",
        "--seed=20",
        "--no-color",
        "--workers=1",
        f"--header=Authorization: Bearer {ADMIN_KEY}",
        f"--header=x-rapiddocx-org-id: {ORG_ID}",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=dict(os.environ), cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout
    assert "38 selected / 38 total" in done.stdout
