"""The way in: start, follow and end agreements, from Python or from the command line.

In a service: `from starter import start_agreement`, the same as from `countersign.client`. In a shell:
`countersign --help`, or `python starter.py --help`.
"""

if __name__ == "__main__":
    from countersign.installation import require_installed

    require_installed()

    from cli.main import main

    main()
else:
    from countersign.client import *  # noqa: F403  # `__all__` of the Python API is the list
