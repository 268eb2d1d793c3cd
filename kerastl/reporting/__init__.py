"""The report: one page that says how good a model is, where it errs, and what came of what.

It is called ``reporting``, since ``kerastl.report`` is the function that writes it.
"""

from kerastl.reporting.writing import report

__all__ = ["report"]
