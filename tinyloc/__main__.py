"""`python -m tinyloc`."""

from tinyloc.main import run

run()
