"""Each dialect has a page with the same sections, and the pages say what the code does."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from countersign.events import EventKind
from countersign.providers import turbodocx
from countersign.providers.standard_webhooks.wording import Wording
from countersign.providers.turbodocx.webhook import KINDS, SIGNATURE_HEADER, TIMESTAMP_HEADER

PROVIDERS = Path(turbodocx.__file__).parents[1]
PAGES = sorted(each.with_name("README.md") for each in PROVIDERS.glob("*/webhook.py"))
SECTIONS = ["Headers", "Signature", "Secrets", "Event id", "Events", "Quirks"]
TURBODOCX, STANDARD = PROVIDERS / "turbodocx/README.md", PROVIDERS / "standard_webhooks/README.md"


def test_both_dialects_are_looked_at() -> None:
    assert sorted([TURBODOCX, STANDARD]) == PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_a_dialects_page_has_the_fixed_sections_and_says_something_in_each(page: Path) -> None:
    parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)

    assert parts[1::2] == SECTIONS
    assert all(len(text.strip()) > 50 for text in parts[2::2])


def test_turbodocxs_page_lists_the_events_and_headers_that_are_read() -> None:
    page = TURBODOCX.read_text(encoding="utf-8")

    rows = dict(re.findall(r"^\| `(signature\.document\.\w+)` \| `(\w+)` \|$", page, flags=re.MULTILINE))
    assert rows == {name: kind.value for name, kind in KINDS.items()}
    for header in (SIGNATURE_HEADER, TIMESTAMP_HEADER):
        assert header.decode() in page.lower()


def test_the_example_of_a_providers_file_works() -> None:
    page = STANDARD.read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)

    wordings = TypeAdapter(dict[str, Wording]).validate_python(tomllib.loads(example))

    assert wordings["acme"].kinds["document.declined"] is EventKind.DECLINED
    for kind in EventKind:
        assert f"`{kind}`" in page
