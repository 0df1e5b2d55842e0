# ruff: noqa: E501  # the page has its own line length
"""Generator of `docs/reference/providers.md`, the capability matrix, and of the pages that copy a README.

Run `make reference` after a change of a provider's capabilities or README; a test compares the pages.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, get_args

from countersign.agreements.names import DEFAULT_ACCOUNT
from countersign.agreements.validation import Needs
from countersign.providers.lacks import lacks
from countersign.providers.port import Capabilities, SourceKind
from countersign.providers.registry import Plugin, account, plugins

DOCS: Final = Path("docs/reference/providers.md")

_OTHER_COPIES: Final = {
    "webhook-routes.md": "countersign/webhooks/configured/README.md",
    "faults.md": "tests/FAULTS.md",
}
_HEAD: Final = """\
# Providers

`make reference` generates this page from the providers' packages.

Every provider stands behind one port: activities, workflows, commands and the webhook receiver know the port and no
provider. What a provider lacks is refused before an agreement's first step, in one sentence that names what works.
[Accounts](../how-to/use-several-accounts.md) say which provider an agreement uses; [Add a
provider](../how-to/add-a-provider.md) shows how to bring your own.

"""
_TAIL: Final = """
## What the rows mean

- **Lost response to a send.** A *conclusive* search proves that nothing was sent, so Countersign sends again by itself
  after the settle window of ten minutes. After five lost responses a person decides, because what fails for ever looks
  the same. Any other search can prove only that something was sent: if it finds nothing, a person decides.
- **Correlation** is where the provider echoes the marker `[<reference>~<tag>]`, by which webhooks find the workflow.
- **Webhook protection.** A signature with a time also refuses old deliveries. A shared secret does not; a repeated
  delivery is harmless, because workflows ignore an event that they have seen and believe the provider's API alone.

The receiver also accepts any sender that signs its webhooks, by [configuration](webhook-routes.md). The
[sandboxes](sandbox.md) stand in for the providers; one conformance suite, `tests/conformance/`, runs over each of them
and prints what a provider's capabilities exclude.
"""
_REFUSED_HEAD: Final = """
## What is refused

These sentences name what a provider lacks and another one has. They end an agreement before its first step.
"""
_SOURCES: Final[tuple[SourceKind, ...]] = get_args(SourceKind)


def _yes(is_so: bool) -> str:  # noqa: FBT001  # a cell
    return "yes" if is_so else "no"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(words)) or "none"


_ROWS: Final[tuple[tuple[str, Callable[[Capabilities], str]], ...]] = (
    ("sources", lambda can: _listed(can.sources)),
    ("file types", lambda can: _listed(can.file_types)),
    ("largest file", lambda can: f"{can.upload_bytes // 1024**2} MB"),
    ("longest title", lambda can: f"{can.title_limit} characters"),
    ("sender of your choice", lambda can: _yes(can.custom_sender)),
    ("copies (`cc`)", lambda can: _yes(can.copies)),
    ("fields at a text", lambda can: _yes(can.anchors)),
    ("field types", lambda can: "any" if can.field_types is None else _listed(can.field_types)),
    ("identity verification", lambda can: _listed(can.identity_verification)),
    ("review before sending", lambda can: _yes(can.review)),
    ("declines, with the reason", lambda can: _yes(can.declines)),
    ("links to sign", lambda can: _yes(can.signing_links)),
    ("return to your page from a link", lambda can: _yes(can.return_url)),
    ("no e-mails (`send_emails`)", lambda can: _yes(can.optional_emails)),
    (
        "lost response to a send",
        lambda can: "the search is conclusive" if can.conclusive_search else "a person may have to decide",
    ),
    ("correlation", lambda can: can.correlation),
    ("webhook protection", lambda can: can.signed_webhooks),
    ("webhook setup", lambda can: "`webhook setup`" if can.webhook_api else "by hand, in its web app"),
)


def docs() -> str:
    """Return `docs/reference/providers.md`."""
    found: list[Plugin] = sorted(
        plugins().values(), key=lambda plugin: (plugin.kind != DEFAULT_ACCOUNT, plugin.kind)
    )
    lines = [
        "| | " + " | ".join(plugin.name for plugin in found) + " |",
        "| --- " * (len(found) + 1) + "|",
        "| kind in `COUNTERSIGN_ACCOUNTS` | " + " | ".join(f"`{plugin.kind}`" for plugin in found) + " |",
    ]
    for name, cell in _ROWS:
        lines.append(f"| {name} | " + " | ".join(cell(plugin.capabilities) for plugin in found) + " |")
    return _HEAD + "\n".join(lines) + "\n" + _TAIL + _REFUSED_HEAD + "".join(map(_refused, found))


def _refused(plugin: Plugin) -> str:
    """List what is refused; link the page about the provider's webhooks where there is one."""
    own = account(plugin.kind, plugin.kind)
    sentences = [sentence for needs in _needs(plugin.capabilities) for sentence in lacks(needs, own, {})]
    listed = "".join(f"- {sentence}\n" for sentence in sentences) or "Nothing.\n"
    pages = {"webhooks": f"{plugin.kind}.md", "sandbox": f"{plugin.kind}-sandbox.md"}
    links = [
        f"[{plugin.name} {about}]({page})" for about, page in pages.items() if DOCS.with_name(page).is_file()
    ]
    return f"\n### {plugin.name}\n\n{listed}\nSee also: {_listed(links)}.\n"


def _needs(can: Capabilities) -> Iterator[Needs]:
    """Yield everything that an agreement can ask of some provider, one need at a time."""
    others = [plugin.capabilities for plugin in plugins().values()]
    source = next(kind for kind in _SOURCES if kind in can.sources)
    yield from (Needs(source=kind) for kind in _SOURCES)
    for file_type in sorted({name for other in others for name in other.file_types}):
        yield Needs(source=source, file_type=file_type)
    yield Needs(source=source, sender=True)
    yield Needs(source=source, copies=True)
    yield Needs(source=source, anchors=True)
    yield Needs(source=source, review=True)
    yield Needs(source=source, no_emails=True)
    for kind in sorted({kind for other in others for kind in other.identity_verification}):
        yield Needs(source=source, identity=(kind,))


def copies() -> dict[Path, str]:
    """Return the pages that copy a file beside the code, by path: a code host shows no included files."""
    sources = {f"{kind}.md": Path(f"countersign/providers/{kind}/README.md") for kind in plugins()}
    sources |= {name: Path(source) for name, source in _OTHER_COPIES.items()}
    head = "<!-- `make reference` copies this page from {}. -->\n"
    return {
        DOCS.with_name(name): head.format(source) + source.read_text()
        for name, source in sources.items()
        if source.is_file()
    }


if __name__ == "__main__":
    for page, text in {DOCS: docs(), **copies()}.items():
        page.write_text(text, encoding="utf-8")
