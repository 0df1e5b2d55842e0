"""The command line as a script, and the Python API as a module.

In a shell: `python starter.py --help`, the same as `countersign --help`. In a service: `from starter import
start_agreement`, the same as `from countersign.client import start_agreement`.
"""

if __name__ == "__main__":
    from countersign.installation import require_installed

    require_installed()

    from cli.main import main

    main()
else:
    from countersign.client import *  # noqa: F403  # `__all__` of the Python API lists the names
