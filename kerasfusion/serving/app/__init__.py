"""A web page to try exported models."""

from kerasfusion.serving.app.page import build_page

__all__ = ["build_page"]
