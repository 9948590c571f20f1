import keras
from keras import ops

from kerasfusion.layers import RegionPooling


@keras.saving.register_keras_serializable("kerasfusion")
class BoxEncoder(keras.layers.Layer):
    """Encode boxes as region tokens: where a box is, what it holds, and of which category it is.

        t_i = W_c [x, y, w, h, w·h]_i + W_v v_i + E[k_i] + b
        pooled = max_i relu(t_i) + 1/N Σ_i relu(t_i)

    `(x, y)` is the center of box `i` and `v_i` the mean of the image encoder's grid over it (`RegionPooling`), as in
    ViLBERT (arXiv 1908.02265). `N` is the most boxes that a row may have, so that the sum tells how many there are.
    Without a grid, or where the image is missing, a token says only where its box is and its category. An unknown
    category (id 1) adds nothing.

    Args:
        units: int, width `d` of the output.
        categories: int, number of category ids, those of missing and unknown included; 0 where boxes have none.
        grid_of: Optional str, name of the image feature in whose grid the boxes lie. A model gives that grid to the
            encoder, if the image comes before the boxes in its `encoders`.
        samples: int, sample points per side of a box. Defaults to 4.

    Call arguments:
        boxes: float32 `(B, N, 4)`: left, top, right and bottom as fractions of the image; or `(B, N, 5)` with the id
            of the category. A box without an area is padding, and its place among the others means nothing.
        grid: Optional float `(B, h, w, c)`, of an image encoder.
        grid_present: Optional bool `(B,)`, whether a row has the image. Defaults to all.

    Returns:
        dict: `pooled` float `(B, d)`; `sequence` float `(B, N, d)`, one token per box, zeros for padding; `mask` bool
        `(B, N)`, False for padding; `positions` float32 `(B, N, 2)`, row and column of the centers from -1 to 1.

    Raises:
        ValueError: if the width of a box does not suit `categories`, or a layer that was built with a grid is called
            without one.

    Example:

    ```python
    boxes = keras.ops.array([[[0.0, 0.0, 0.5, 0.5], [0.2, 0.2, 1.0, 1.0]], [[0.1, 0.1, 0.9, 0.9], [0, 0, 0, 0]]])
    tokens = BoxEncoder(units=16)(boxes, grid=keras.random.normal((2, 8, 8, 32)))["sequence"]  # (2, 2, 16)
    ```
    """

    def __init__(self, units, categories=0, grid_of=None, samples=4, **kwargs):
        # Coordinates stay float32 whatever the precision.
        super().__init__(**{"autocast": False, **kwargs})
        self.units = units
        self.categories = categories
        self.grid_of = grid_of
        self.samples = samples
        policy = self.dtype_policy
        self.places = keras.layers.Dense(units, name="places", dtype=policy)
        self.regions = self.pool = self.embedding = None
        if categories:
            self.embedding = keras.layers.Embedding(categories, units, name="embedding", dtype=policy)

    def build(self, boxes_shape, grid_shape=None, grid_present_shape=None):
        if boxes_shape[-1] != (5 if self.categories else 4):
            raise ValueError(f"{self.name}: boxes of {boxes_shape[-1]} numbers for {self.categories} categories.")
        self.places.build((*boxes_shape[:2], 5))
        if self.embedding is not None:
            self.embedding.build(boxes_shape[:2])
        if grid_shape is not None:
            self.pool = RegionPooling(self.samples, name="pool", dtype=self.dtype_policy)
            self.regions = keras.layers.Dense(self.units, use_bias=False, name="regions", dtype=self.dtype_policy)
            self.regions.build((*boxes_shape[:2], grid_shape[-1]))

    def call(self, boxes, grid=None, grid_present=None):
        if (grid is None) != (self.regions is None):
            raise ValueError(f"{self.name} was built {'without' if self.regions is None else 'with'} a grid.")
        boxes = ops.cast(boxes, "float32")
        size = boxes[..., 2:4] - boxes[..., :2]
        mask = ops.all(size > 0, axis=-1)
        places = [boxes[..., :2] + size / 2, size, size[..., :1] * size[..., 1:]]
        tokens = self.places(ops.cast(ops.concatenate(places, axis=-1), self.compute_dtype))
        if grid is not None:
            regions = self.regions(self.pool(grid, boxes))
            if grid_present is not None:
                regions = ops.where(ops.cast(grid_present, "bool")[:, None, None], regions, 0)
            tokens = tokens + regions
        if self.embedding is not None:
            ids = ops.cast(boxes[..., 4], "int32")
            tokens = tokens + self.embedding(ids) * ops.cast(ids != 1, tokens.dtype)[..., None]
        tokens = tokens * ops.cast(mask, tokens.dtype)[..., None]
        active = ops.relu(tokens)
        pooled = ops.max(active, axis=1) + ops.sum(active, axis=1) / boxes.shape[1]
        # As `MACFusion` counts the cells of a grid.
        positions = 2.0 * ops.flip(boxes[..., :2] + size / 2, axis=-1) - 1.0
        positions = ops.where(mask[..., None], positions, 0.0)
        return {"pooled": pooled, "sequence": tokens, "mask": mask, "positions": positions}

    def get_config(self):
        own = {name: getattr(self, name) for name in ("units", "categories", "grid_of", "samples")}
        return {**super().get_config(), **own}
