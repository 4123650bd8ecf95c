"""Start of `tinyloc` and of `python -m tinyloc`: refuse what cannot work in one line, then run the command line."""

import sys

from tinyloc.environment import pin_arithmetic, start_problem


def run() -> None:
    """Run the command line and exit with its code."""
    problem = start_problem()
    if problem is not None:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)
    pin_arithmetic()
    from tinyloc.main import run as run_command

    run_command()


if __name__ == "__main__":
    run()
