"""Helpers for the encoders that wrap KerasHub backbones (extra `[hub]`)."""

import keras
from keras import ops


def keras_hub():
    """Import KerasHub, or raise an error that names the extra to install."""
    try:
        import keras_hub
    except ImportError as error:
        raise ImportError("A KerasHub backbone needs keras-hub: pip install 'kerasfusion[hub]'.") from error
    return keras_hub


def clip_branch(preset, branch, dtype):
    """Load one branch of a CLIP: its network, and the kernel that projects its output into the joint embedding space.

    Args:
        preset: str, name of a KerasHub preset, or a folder written by `save_to_preset`.
        branch: `"vision"` or `"text"`.
        dtype: Dtype policy of the network.

    Returns:
        tuple: `keras.Model`, and a float32 array `(hidden, d)`.

    Raises:
        ImportError: if keras-hub is not installed.
        ValueError: if the preset is not a CLIP.
    """
    clip = keras_hub().models.Backbone.from_preset(preset, dtype=dtype)
    if not isinstance(clip, keras_hub().models.CLIPBackbone):
        raise ValueError(f"{preset} is a {type(clip).__name__}, and no CLIP.")
    kernel = getattr(clip, f"{branch}_projection").kernel
    return getattr(clip, f"{branch}_encoder"), ops.convert_to_numpy(kernel)


def clip_projection(units, width, kernel, dtype):
    """Create the projection of a CLIP branch: a new dense layer, or CLIP's own projection.

    Args:
        units: Optional int, width of a new layer. `None` creates CLIP's own projection.
        width: int, width of CLIP's joint embedding space.
        kernel: Optional array, initial kernel of CLIP's own projection; `None` if its weights will be loaded.
        dtype: Dtype policy of the layer.

    Returns:
        `keras.layers.Dense`.
    """
    if units is not None:
        return keras.layers.Dense(units, name="projection", dtype=dtype)
    start = "zeros" if kernel is None else keras.initializers.Constant(kernel)
    return keras.layers.Dense(width, use_bias=False, kernel_initializer=start, name="projection", dtype=dtype)
