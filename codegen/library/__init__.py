"""A model as a library of C that a stranger's firmware links. `write_library` in layout.py makes the directory."""
