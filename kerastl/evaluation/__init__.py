"""How good a model is, how sure that is, and where it errs: values, and what makes them.

The layer knows tasks and answers, and no model: whatever answers examples can be measured.
"""

from kerastl.evaluation.answered import Answered, Responds, answer, answer_loaded
from kerastl.evaluation.baselines import Baselines, fit_baselines, out_of_fold
from kerastl.evaluation.comparing import Comparison, compare_answers
from kerastl.evaluation.evidence import Evidence
from kerastl.evaluation.measuring import Other, measure_answers
from kerastl.evaluation.seen import Seen
from kerastl.evaluation.value import Evaluation, Measured, Row, Section

__all__ = [
    "Answered",
    "Baselines",
    "Comparison",
    "Evaluation",
    "Evidence",
    "Measured",
    "Other",
    "Responds",
    "Row",
    "Section",
    "Seen",
    "answer",
    "answer_loaded",
    "compare_answers",
    "fit_baselines",
    "measure_answers",
    "out_of_fold",
]
