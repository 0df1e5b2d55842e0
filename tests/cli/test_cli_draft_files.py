"""An agreement file holds what its author sees in it."""

import asyncio
import json
import os
import re
from pathlib import Path

import pytest

from cli.draft_files import SIZE_LIMIT, read_draft
from countersign.agreements.messages import JsonData, TemplateSource
from countersign.client.drafts import check_draft
from countersign.client.errors import BadInputError

WRITTEN = [
    "0010423",
    "1500.00",
    "12:30",
    "2027-01-31",
    "0x1F",
    "1e3",
    "yes",
    "NO",
    "on",
    "1_000",
    ".5",
    "true",
]


@pytest.mark.parametrize("text", WRITTEN)
def test_yaml_leaves_a_value_as_it_is_written(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"plain: {text}\nquoted: '{text}'\nlist: [{text}]\n")
    assert read_draft(path) == {"plain": text, "quoted": text, "list": [text]}


@pytest.mark.parametrize("text", ["1500.00", "10423", "1e3", "12345678901234567890"])
def test_json_leaves_a_number_as_it_is_written(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(f'{{"price": {text}}}')
    assert read_draft(path) == {"price": text}


def test_json_is_read_as_json(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{\t"name": "\\ud83d\\ude00\\u0041", "none": null}')
    assert read_draft(path) == {"name": "😀A", "none": None}


def test_null_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: null\nb: ~\nc:\nd: 'null'\n")
    assert read_draft(path) == {"a": None, "b": None, "c": None, "d": "null"}


def test_a_byte_order_mark_is_no_letter(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("title: Müller\n".encode("utf-8-sig"))
    assert read_draft(path) == {"title": "Müller"}


def test_a_path_counts_from_the_folder_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("source: {kind: file, path: contracts/a.pdf}\n")
    assert read_draft(path)["source"]["path"] == str(tmp_path / "contracts/a.pdf")


REFUSED = {
    "another encoding": ("title: Müller\n".encode("latin-1"), "not UTF-8"),
    "100,000 brackets": (b"[" * 100_000, "nested"),
    "100,000 braces": (b"{" * 100_000, "nested"),
    "a bomb of aliases": (b"a: &a [x, x]\nb: &b [*a, *a]\n", "line 2: write the value instead of an alias"),
    "a name twice": (b"title: a\ntitle: b\n", "line 2: title is there twice"),
    "too large": (b"#" * (SIZE_LIMIT + 1), "over 2 MiB"),
}


@pytest.mark.parametrize(("content", "says"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_be_meant_is_one_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=says) as raised:
        read_draft(path)
    assert "\n" not in str(raised.value)


def test_nested_json_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps("x").join(["[" * 100_000, "]" * 100_000]))
    with pytest.raises(BadInputError, match="nested"):
        read_draft(path)


def test_a_device_is_never_read() -> None:
    with pytest.raises(BadInputError, match="is not a regular file"):
        read_draft(Path(os.devnull))


def test_numbers_in_data_are_numbers_unless_quoted(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "source: {kind: template, template_id: t, variables: {Price: 0042, "
        "Items: {kind: json, value: [{a: 3, b: 19.90, c: '3', d: 0042, e: true, f: -1, g: ~, h: .5}]}}}\n"
        "title: T\nsigners: [Ada <ada@example.com>]\n"
    )
    agreement, _ = asyncio.run(check_draft(read_draft(path)))
    assert isinstance(agreement.source, TemplateSource)
    assert agreement.source.variables == {
        "Price": "0042",
        "Items": JsonData(
            value=[{"a": 3, "b": 19.9, "c": "3", "d": "0042", "e": True, "f": -1, "g": None, "h": ".5"}]
        ),
    }


@pytest.mark.parametrize(
    ("value", "mistake"),
    [
        ("{kind: tabel}", "source.variables.X: write a text, or a mapping with a kind: text, html"),
        ("{text: a}", "source.variables.X: write a text, or a mapping with a kind: text, html"),
        ("[a]", "source.variables.X: write a text, or a mapping with a kind: text, html"),
        ("{kind: html}", "source.variables.X.text is missing"),
        ("{kind: html, text: a, vars: {}}", "source.variables.X.vars: no such field"),
        ("{kind: table, columns: [a]}", "source.variables.X.rows is missing"),
        ("{kind: list, items: [a, {kind: html}]}", "source.variables.X.items.2.text is missing"),
        ("{kind: list, items: []}", "source.variables.X.items: list at least one"),
        ("{kind: image}", "source.variables.X.path is missing"),
        ("{kind: image, path: none.png}", "No such file"),
        ("{kind: image, path: a.png}", "is not the image that its name says: use .png"),
    ],
)
def test_mistakes_in_variables_name_their_place(tmp_path: Path, value: str, mistake: str) -> None:
    path = tmp_path / "a.yaml"
    (tmp_path / "a.png").write_bytes(b"GIF89a")
    path.write_text(
        f"source: {{kind: template, template_id: t, variables: {{X: {value}}}}}\n"
        "title: T\nsigners: [Ada <ada@example.com>]\n"
    )
    with pytest.raises(BadInputError, match=re.escape(mistake)) as error:
        asyncio.run(check_draft(read_draft(path)))
    assert ";" not in str(error.value)


@pytest.mark.parametrize(
    ("identity", "mistake"),
    [
        ("{kind: sms}", "signer 1: identity.sms.phone is missing"),
        ("{kind: sms, phone: 030 123456}", "signer 1: identity.sms.phone: write it with the country code"),
        ("{kind: fax}", "signer 1: identity: write a mapping with a kind: email, sms, external"),
        ("{phone: '+493012345678'}", "signer 1: identity: write a mapping with a kind: email, sms, external"),
        (
            "{kind: external, provider: IDP, max_age_minutes: 2}",
            "external.max_age_minutes: must be at",
        ),
    ],
)
def test_mistakes_in_an_identity_check_name_their_place(tmp_path: Path, identity: str, mistake: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "title: T\nsource: {kind: link, url: https://example.com/a.pdf}\n"
        f"signers: [{{name: Ada, email: ada@example.com, identity: {identity}}}]\n"
    )
    with pytest.raises(BadInputError, match=re.escape(mistake)):
        asyncio.run(check_draft(read_draft(path)))
