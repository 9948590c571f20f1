"""`report.html`: all that is known of a run, in one file that opens anywhere and loads nothing."""

from kerasfusion.evaluation.page.write import save_page, write_evaluation_page, write_page

__all__ = ["save_page", "write_evaluation_page", "write_page"]
