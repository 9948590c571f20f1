from keras import ops

from kerasfusion.fusion.base import Fusion


class GridFusion(Fusion):
    """Base class of fusions in which the other modalities condition the processing of one image grid.

    Args:
        units: int, width of the fused representation.
        image: Optional str, name of the modality whose grid is used. Defaults to the only one that has a grid.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Raises:
        ValueError: at build time, if the image modality is ambiguous or the only one.
    """

    def __init__(self, units, image=None, **kwargs):
        super().__init__(units, **kwargs)
        self.image = image

    def parts(self, inputs):
        grids = [name for name, value in inputs.items() if isinstance(value, dict) and "grid" in value]
        steered = self.image or (grids[0] if len(grids) == 1 else None)
        if steered not in grids:
            raise ValueError(
                f"{self.name} steers one image grid: {steered or 'none'} was asked for and {grids} have one. "
                "Pass the image encoder's whole output, and `image=` its name when there are several."
            )
        if len(inputs) < 2:
            raise ValueError(f"{self.name} needs another modality beside {steered!r} to steer it.")
        return {name: "grid" if name == steered else "pooled" for name in inputs}

    def grid_and_condition_shapes(self, shapes):
        """Shape `(B, h, w, c)` of the grid, and the total width of all other modalities' pooled vectors."""
        (grid,) = (shapes[name] for name, part in self.read.items() if part == "grid")
        return grid, sum(shapes[name][-1] for name, part in self.read.items() if part == "pooled")

    def grid_and_condition(self, values):
        """The grid, and the concatenated pooled vectors of all other modalities."""
        (grid,) = (values[name] for name, part in self.read.items() if part == "grid")
        condition = [values[name] for name, part in self.read.items() if part == "pooled"]
        return grid, ops.concatenate(condition, axis=-1)

    def get_config(self):
        return {**super().get_config(), "image": self.image}
