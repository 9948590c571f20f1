"""`report.html`: all that is known of a run, in one file that opens anywhere and loads nothing."""

from kerasfusion.evaluation.page.comparison import write_comparison_page
from kerasfusion.evaluation.page.robustness import write_robustness_page
from kerasfusion.evaluation.page.write import save_page, write_evaluation_page, write_page

__all__ = [
    "save_page",
    "write_comparison_page",
    "write_evaluation_page",
    "write_page",
    "write_robustness_page",
]
