"""The entry point of the console script `countersign`, in the wheel and in a checkout.

In a checkout the command line is the folder `cli` beside this package; in the wheel, whose only top-level
package is `countersign`, it is `countersign.cli`.
"""

from importlib import import_module
from importlib.util import find_spec

from countersign.installation import require_installed


def main() -> None:
    """Run the command line and end the process."""
    require_installed()
    package = "countersign.cli" if find_spec("countersign.cli") else "cli"
    import_module(f"{package}.main").main()
