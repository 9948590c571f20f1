import matplotlib
import numpy as np

# How much of the map's color lies over the image.
STRENGTH = 0.6


def overlay_heatmap(pixels, heat):
    """An image in grey with a map laid over it: bright where the map is strong, dark where it is weak.

    Args:
        pixels: uint8 `(H, W, 3)`.
        heat: float `(H, W)`, 0 to 1, as from `grad_cam`.

    Returns:
        uint8 `(H, W, 3)`.
    """
    grey = pixels.mean(axis=-1, keepdims=True)
    color = 255.0 * matplotlib.colormaps["inferno"](heat)[..., :3]
    return np.rint((1.0 - STRENGTH) * grey + STRENGTH * color).astype(np.uint8)
