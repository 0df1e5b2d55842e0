"""The command line, which imports a verb only when it runs."""

import errno
import sys
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from io import TextIOWrapper
from logging import getLogger
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

import countersign

PROGRAM: Final = "countersign"
"""The name in usage texts and shell completion, also for `python starter.py`."""
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
_UNWRITABLE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""How a full or broken disk refuses the output."""
_SETTINGS: Final = {"help_option_names": ["-h", "--help"]}

VERBS: Final = {
    "start": "Start an agreement: generate a document, send it, collect signatures, archive it.",
    "status": "Show where an agreement is, who has signed, and what it waits for.",
    "watch": "Follow an agreement until it ends.",
    "list": "List agreements, the longest waiting first.",
    "orphans": "List documents that no agreement knows, and events that came after an end.",
    "recover": "Let agreements go on that the store knows and Temporal has lost.",
    "archive-again": "Fetch archives that the store has lost from the provider.",
    "purge": "Delete the archives and claims of agreements that ended before a date.",
    "erase": "Delete what the store holds about the people of one agreement.",
    "hold": "Keep agreements from being purged or erased: legal hold.",
    "remind": "Remind the signers of an agreement, or of all that match --where.",
    "void": "Void an agreement, or all that match --where: signing stops.",
    "resolve": "Decide for agreements that need attention or are in review.",
    "signing-link": "Print a link at which a signer signs, for your own page or e-mail.",
    "replace-signer": "Replace a signer: void the agreement and start one that supersedes it.",
    "bulk": "Start many agreements from a table, and follow them.",
    "export": "Write the signed documents of completed agreements into a folder or a zip file.",
    "callbacks": "List callbacks, and deliver them again.",
    "init": "Set up Countersign: ask for what is missing, check it, write it.",
    "webhook": "Set up and test webhooks.",
    "notices": "Test the notices of problems that operators are sent.",
    "token": "Make, list and revoke the bearer tokens of the HTTP API.",
    "ui": "Print links to Temporal's UI, one for each filter that an operator needs.",
    "doctor": "Check settings, secrets, Temporal, the provider, its webhooks and the store.",
    "schemas": "Write the JSON Schemas of input, status, result, updates, callbacks and notices.",
    "demo": "Run one agreement from end to end: generated, sent, signed by two people, archived.",
    "up": "Run Temporal with its UI, the sandbox, the receiver, the HTTP API and a worker until Ctrl-C.",
}
"""Help of every verb in one sentence, so that `--help` imports no verb. The wheel lacks `demo` and `up`."""
_CHECKOUT_ONLY: Final = frozenset({"demo", "up"})


class _Verbs(MutableMapping[str, Any]):
    """The commands by verb, imported on access."""

    def __init__(self) -> None:
        in_checkout = __package__ == "cli"
        self._names = [name for name in VERBS if in_checkout or name not in _CHECKOUT_ONLY]
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._loaded:
            self._loaded[name] = _load(name)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        self._names.remove(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _load(name: str) -> Any:
    module = import_module(f".{name.replace('-', '_')}", __package__)
    if isinstance(group := getattr(module, "app", None), typer.Typer):
        group.info.name = name
        return typer.main.get_command(group)
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, context_settings=_SETTINGS)
    single.command(name)(getattr(module, "list_" if name == "list" else name.replace("-", "_")))
    return typer.main.get_command(single)


class _Group(TyperGroup):
    """A group that lists verbs from `VERBS`, and imports only the verb that runs."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = _Verbs()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  # Typer's interface
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  # Typer's interface
        if cmd_name not in self.commands:
            return None
        return TyperCommand(cmd_name, help=VERBS[cmd_name])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in _CHECKOUT_ONLY and args[0] not in self.commands:
            ctx.fail(
                f"`{args[0]}` needs a checkout: clone Countersign's repository, and run "
                f"`make {args[0]}` in it"
            )
        name, command, rest = super().resolve_command(ctx, args)
        return name, self.commands[name] if command and name else None, rest


app = typer.Typer(
    name=PROGRAM,
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001  # Typer's interface
    if wanted:
        typer.echo(f"{PROGRAM} {countersign.__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", metavar="", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Start, follow and end agreements: documents that people must sign."""
    del version


def main() -> None:
    """Run the command line and end the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # the locale's encoding may lack characters of a name
    if not {"-h", "--help", "--version"} & set(sys.argv[1:]):
        configure_logs()
    try:
        app(prog_name=PROGRAM)
    except SystemExit as done:
        if "temporalio" not in sys.modules:
            raise
        code = done.code if isinstance(done.code, int) else 1
    except OSError as error:
        if error.errno not in _UNWRITABLE or error.filename is not None:
            raise
        reason = f"cannot write the output or a file: {error.strerror}"
        print(reason, file=sys.stderr)  # noqa: T201  # without a console, as for `--help`
        from countersign.client.errors import ExitCode  # noqa: PLC0415  # as below

        code = ExitCode.UNREACHABLE
    from countersign.entry import leave  # noqa: PLC0415  # imports Temporal's client, not for `--help`

    leave(code)


def configure_logs() -> None:
    """Log warnings and errors only, unless `COUNTERSIGN_LOG_LEVEL` is set."""
    from countersign.configuration import read  # noqa: PLC0415  # as above
    from countersign.observability import logging  # noqa: PLC0415  # as above
    from countersign.settings import CountersignSettings  # noqa: PLC0415  # as above

    level = read(CountersignSettings).value(CountersignSettings.variable("log_level"))
    logging.configure(level=level if level in _LEVELS else "WARNING", service="starter")
    if level not in _LEVELS:
        getLogger("temporalio.core").setLevel("ERROR")  # the commands report lost connections
