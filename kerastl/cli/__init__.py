"""The command line."""

from kerastl.cli.main import main

__all__ = ["main"]
