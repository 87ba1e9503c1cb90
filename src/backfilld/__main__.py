"""The program: `backfilld` and `python -m backfilld`."""

import sys

INTERRUPTED = 130  # also before there is anything that could say so


def main() -> None:
    """Run the command and end the process. Ctrl-C may come while its parts are still being imported."""
    try:
        from backfilld.cli.main import main as command

        command()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
