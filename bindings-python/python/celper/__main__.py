"""``python -m celper``: the command ``celper``."""

from celper._cli.main import entry

if __name__ == "__main__":
    entry()
