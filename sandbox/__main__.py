"""Command line: `python -m sandbox [turbodocx|documenso]`; without a name it is TurboDocx."""

import sys
from importlib import import_module
from typing import Final

_PROVIDERS: Final = ("turbodocx", "documenso")


def main(words: list[str]) -> None:
    """Run the sandbox of the provider that the first word names."""
    named = words[:1] if words[:1] and words[0] in _PROVIDERS else []
    name = named[0] if named else _PROVIDERS[0]
    command = import_module(f"sandbox.{name}.command")
    command.app(args=words[len(named) :], prog_name=" ".join(["python -m sandbox", *named]))


if __name__ == "__main__":
    main(sys.argv[1:])
