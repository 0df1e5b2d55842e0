"""The way in: start, follow and end agreements, from Python or from the command line.

from starter import start_agreement      # in a service
python starter.py --help                 # in a shell
"""

from commands.agreements import (
    StartedAgreement,
    agreement_result,
    agreement_status,
    resolve_agreement,
    start_agreement,
    void_agreement,
)
from commands.cli import main

__all__ = [
    "StartedAgreement",
    "agreement_result",
    "agreement_status",
    "resolve_agreement",
    "start_agreement",
    "void_agreement",
]

if __name__ == "__main__":
    main()
