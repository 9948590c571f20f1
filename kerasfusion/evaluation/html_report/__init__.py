"""`report.html`: all that is known of a run, in one file that opens anywhere and loads nothing."""

from kerasfusion.evaluation.html_report.comparison import write_comparison_page
from kerasfusion.evaluation.html_report.robustness import write_robustness_page
from kerasfusion.evaluation.html_report.write import save_report, write_evaluation_page, write_run_report

__all__ = [
    "save_report",
    "write_comparison_page",
    "write_evaluation_page",
    "write_robustness_page",
    "write_run_report",
]
