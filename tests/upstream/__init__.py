"""Watches the faults of other libraries that kerastl works around: see ``__main__``."""
