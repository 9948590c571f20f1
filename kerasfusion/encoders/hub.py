"""What encoders take from KerasHub, which is an extra."""

import keras
from keras import ops


def keras_hub():
    """The package, or an error that names the extra."""
    try:
        import keras_hub
    except ImportError as error:
        raise ImportError("A KerasHub backbone needs keras-hub: pip install 'kerasfusion[hub]'.") from error
    return keras_hub


def clip_branch(preset, branch, dtype):
    """One branch of a CLIP: its network, and the kernel that takes what it gives into the space of both.

    Args:
        preset: Name of a KerasHub preset, or a folder that `save_to_preset` wrote.
        branch: `"vision"` or `"text"`.
        dtype: The dtype policy.

    Returns:
        tuple: `keras.Model` and float32 `(hidden, d)`.

    Raises:
        ImportError: keras-hub is not installed.
        ValueError: the preset is no CLIP.
    """
    clip = keras_hub().models.Backbone.from_preset(preset, dtype=dtype)
    if not isinstance(clip, keras_hub().models.CLIPBackbone):
        raise ValueError(f"{preset} is a {type(clip).__name__}, and no CLIP.")
    kernel = getattr(clip, f"{branch}_projection").kernel
    return getattr(clip, f"{branch}_encoder"), ops.convert_to_numpy(kernel)


def clip_projection(units, width, kernel, dtype):
    """The dense layer behind a branch of CLIP: a new one of `units`, or CLIP's own of `width`.

    Args:
        units: Width of a new layer; None takes CLIP's own.
        width: Width of the space of CLIP.
        kernel: What CLIP's own begins with; None where its weights are about to be loaded.
        dtype: The dtype policy.
    """
    if units is not None:
        return keras.layers.Dense(units, name="projection", dtype=dtype)
    start = "zeros" if kernel is None else keras.initializers.Constant(kernel)
    return keras.layers.Dense(width, use_bias=False, kernel_initializer=start, name="projection", dtype=dtype)
