"""The fit recipe and what it leaves behind."""

from kerasfusion.training.fit import fit, shares_pictures
from kerasfusion.training.recipe import Recipe
from kerasfusion.training.run import Run, load

__all__ = ["Recipe", "Run", "fit", "load", "shares_pictures"]
