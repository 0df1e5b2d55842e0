"""Identifiers use the field's words: ten words of a private dialect stay out of them."""

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BANNED = {"each", "whose", "whom", "whoever", "somebody", "nobody", "tell", "told", "telling", "door"}
LIBRARIES = {"tell"}  # a file's position, in Python's own io
SOURCES = sorted(
    path
    for top in ("activities", "benchmarks", "cli", "countersign", "devstack", "sandbox", "tests", "workflows")
    for path in (ROOT / top).rglob("*.py")
) + sorted(ROOT.glob("*.py"))


def identifiers(source: str) -> set[str]:
    """Find the names that a file's code uses, in lower case."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME} - LIBRARIES


def words(identifier: str) -> set[str]:
    """Take an identifier apart: `HTTPServer_isDown` is http, server, is, down."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)}


def test_identifiers_keep_to_plain_words() -> None:
    names = {path: {path.stem, *identifiers(path.read_text("utf-8"))} for path in SOURCES}
    banned = {path: {name for name in found if words(name) & BANNED} for path, found in names.items()}
    assert {str(path): found for path, found in banned.items() if found} == {}


@pytest.mark.parametrize("name", ["for_each", "toldIt", "DoorSettings", "NOBODY"])
def test_a_banned_word_is_found_in_every_spelling(name: str) -> None:
    assert words(name) & BANNED
    assert name in identifiers(f"{name} = 1")
