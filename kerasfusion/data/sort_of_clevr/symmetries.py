"""More training images from the same: what a mirror does to a scene, it does to the answers about sides."""

import dataclasses

import numpy as np
import tensorflow as tf

# Bit of a copy's number -> the axis of the images that it mirrors, and the questions whose answer that swaps.
_MIRRORS = {1: (2, "left"), 2: (1, "top")}


class MirroredStore:
    """The images of an `ImageStore` four times over: as they are, left to right, top to bottom, and both.

    Args:
        bank: The `ImageStore`; copy `c` of its image `i` has the place `4 i + c` here.
    """

    def __init__(self, bank):
        self.bank = bank
        self.size = bank.size

    def fetch(self, index):
        """As `ImageStore.fetch`."""
        images, present = self.bank.fetch(index // 4)  # -1, for none, stays -1
        for bit, (axis, _) in _MIRRORS.items():
            wanted = tf.bitwise.bitwise_and(index, bit) > 0
            images = tf.where(wanted[:, None, None, None], tf.reverse(images, [axis]), images)
        return images, present


def mirrored(examples):
    """Training examples of Sort-of-CLEVR four times over: as they are, and in three mirrors.

    Distances, shapes and numbers stay. What is on the left is not any more in a mirror, and what is at the top in
    another: those answers are swapped.

    Args:
        examples: `Examples` loaded with the column `subtype`.

    Returns:
        Examples, four times as many.

    Example:
    ```python
    data = kf.data.load("sort_of_clevr", slice_by="questions/subtype")
    train = mirrored(data.splits["train"])
    ```
    """
    (task,) = examples.schema.tasks
    copies = examples.take(np.tile(np.arange(len(examples)), 4))
    number = np.repeat(np.arange(4, dtype="int32"), len(examples))
    subtype, labels = copies.frame["subtype"].to_numpy(), copies.labels[task.name]
    sides = task.classes.index("yes") + task.classes.index("no")
    for bit, (_, asked) in _MIRRORS.items():
        labels = np.where((number & bit > 0) & (subtype == asked), sides - labels, labels)
    return dataclasses.replace(
        copies,
        arrays={**copies.arrays, "image": 4 * copies.arrays["image"] + number},
        banks={"image": MirroredStore(copies.banks["image"])},
        labels={task.name: labels.astype("int32")},
    )
