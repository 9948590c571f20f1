"""Examples to batches: a `tf.data.Dataset` of `(x, y, w)` that gathers whole batches at a time."""

import math

import numpy as np
import tensorflow as tf

from kerasfusion.data.feature_store import FeatureStore
from kerasfusion.data.missing import drop_modalities
from kerasfusion.data.tasks import TASKS
from kerasfusion.data.tf_options import PARALLEL_CALLS, PREFETCHED, without_autotune
from kerasfusion.preprocessing.augmentation import RANDOM_NUMBERS, augment_images

# An image with more texts than this is entered several times.
MOST_TEXTS = 32
# BatchedDataset whose images have like numbers of texts need little padding: entries are sorted by that number within
# windows of so many batches, then the batches are shuffled.
SORT_WINDOW = 32


class BatchedDataset:
    """How rows are put into batches, epoch by epoch, reproducibly.

    The order of an epoch depends on `(seed, epoch)` alone, so that training can start again at any of them: set
    `epoch` before iterating. To start again in the middle of one, set `first_step` as well, before `dataset()`.

    Args:
        examples: An `Examples`.
        batch_size: Rows per batch; image-major, about so many texts per batch.
        image_major: Keep the texts (or captions) of an image together: `x["image"]` `(B, H, W, 3)`, everything
            else `(B, K, …)`, weight 0 on padding. Of a schema without images, those of a video.
        shuffle: Another order in every epoch.
        seed: Seed of the order and of the augmentation.
        augment: An `Augmentation` of the images, for training batches alone; each entry's depends on
            `(seed, epoch)` and the entry, not on its batch. None changes nothing.
        modality_dropout: Probability that a row loses one of its modalities, for training batches alone; by
            `(seed, epoch)` and the entry as well. 0 changes nothing, nor does a schema of one modality.

    Attributes:
        steps: BatchedDataset of a whole epoch.
        epoch: The epoch that the next iteration reads.
        first_step: BatchedDataset of the epoch that `dataset()` leaves out, because they were trained on before.

    Raises:
        ValueError: image-major without exactly one image feature or, where there is none, one video; or no rows.
    """

    def __init__(
        self,
        examples,
        batch_size=64,
        image_major=False,
        shuffle=False,
        seed=0,
        augment=None,
        modality_dropout=0.0,
    ):
        if not len(examples):
            raise ValueError("There are no rows to make batches of.")
        self.examples = examples
        self.shuffle = shuffle
        self.seed = seed
        self.augment = augment
        self.modality_dropout = modality_dropout
        self.epoch = 0
        self.first_step = 0
        self.image_major = image_major
        if image_major:
            self.shared = shared_feature(examples.schema)
            if self.shared is None:
                raise ValueError("Image-major batches need exactly one image feature or, without images, one video.")
            self.entries = _group_by_image(examples.arrays[self.shared.name])
            self.counts = (self.entries >= 0).sum(axis=1)
            self.batch_size = max(1, round(batch_size / self.counts.mean()))
        else:
            self.entries = np.arange(len(examples), dtype="int32")[:, None]
            self.counts = np.ones(len(examples), int)
            self.batch_size = batch_size
        self.steps = math.ceil(len(self.entries) / self.batch_size)

    def order(self, epoch):
        """Which entries make up each batch of an epoch: int32 `(steps, batch_size)`, -1 where a batch is short."""
        order = np.arange(len(self.entries), dtype="int32")
        random = np.random.default_rng([self.seed, epoch])
        if self.shuffle:
            random.shuffle(order)
            window = np.arange(len(order)) // (SORT_WINDOW * self.batch_size)
            order = order[np.lexsort((self.counts[order], window))]
        padded = np.full(self.steps * self.batch_size, -1, "int32")
        padded[: len(order)] = order
        batches = padded.reshape(self.steps, self.batch_size)
        return random.permutation(batches) if self.shuffle else batches

    def dataset(self):
        """One epoch of batches, that of `self.epoch` at the moment when iteration starts.

        The batches before `first_step` (as it is now) are left out, whichever epoch is read. Keras asks a dataset
        for its length once per `fit`, so the rest of an epoch and the whole ones after it are two datasets and two
        calls of `fit`.

        Returns:
            tf.data.Dataset of `(x, y, w)`, or of `x` alone where the examples have no labels; its cardinality is
            `steps - first_step`. Of examples whose schema has no tasks, y are the features themselves, whole, and w
            whether they were there. Of a caption, ids `(…, L)` in the examples, x has the ids that the decoder reads
            and y those that it is to say next, both int32 `(…, L - 1)`, 0 behind the last.

        Raises:
            ValueError: `first_step` leaves nothing of the epoch.
        """
        first = self.first_step
        if not 0 <= first < self.steps:
            raise ValueError(f"first_step must be in [0, {self.steps}), the steps of an epoch, not {first}.")
        left = self.steps - first

        images = len(self.examples.schema.of_kind("image")) if self.augment else 0
        texts = self.entries.shape[1] if self.modality_dropout else 0

        def current_order(_):
            types = [tf.int32, tf.float32, tf.float32]
            order, random, chances = tf.numpy_function(lambda: self._epoch(first, images, texts), [], types)
            order = tf.ensure_shape(order, (left, self.batch_size))
            random = tf.ensure_shape(random, (left, self.batch_size, images, RANDOM_NUMBERS))
            chances = tf.ensure_shape(chances, (left, self.batch_size, 1 + texts))
            return tf.data.Dataset.from_tensor_slices((order, random, chances))

        batches = tf.data.Dataset.range(1).flat_map(current_order)
        batches = batches.map(self._gather(), num_parallel_calls=PARALLEL_CALLS).prefetch(PREFETCHED)
        return without_autotune(batches.apply(tf.data.experimental.assert_cardinality(left)))

    def _epoch(self, first, images, texts):
        """Entries of the current epoch's batches from `first` on; random numbers for images and for dropping."""
        order = self.order(self.epoch)[first:]
        # A third number: not the stream of the order.
        random, chances = (np.random.default_rng([self.seed, self.epoch, stream]) for stream in (1, 2))
        random = random.random((len(self.entries), images, RANDOM_NUMBERS), "float32")
        chances = chances.random((len(self.entries), 1 + texts), "float32")
        return order, random[order], chances[order]

    def _gather(self):
        examples, schema = self.examples, self.examples.schema
        image_names = [feature.name for feature in schema.of_kind("image")]
        # They enter a model at another place than pixels, see `EncodedModel.encode`.
        cached = {name for name, bank in examples.banks.items() if isinstance(bank, FeatureStore)}
        entries, counts = tf.constant(self.entries), tf.constant(self.counts, tf.int32)
        arrays = {
            name: {key: tf.constant(array) for key, array in getattr(examples, name).items()}
            for name in ("arrays", "present", "labels", "weights")
        }

        def gather(batch, random, chances):
            batch, random, chances = (part[batch >= 0] for part in (batch, random, chances))
            rows = tf.gather(entries, batch)
            rows = rows[:, : tf.reduce_max(tf.gather(counts, batch))] if self.image_major else rows[:, 0]
            real, rows = rows >= 0, tf.maximum(rows, 0)
            images = rows[:, 0] if self.image_major else rows
            x = {}
            for feature in schema.features:
                name = feature.name
                if name in image_names:
                    index = tf.gather(arrays["arrays"][name], images)
                    x[name], present = examples.banks[name].fetch(index)
                    if self.augment:
                        changed = augment_images(x[name], random[:, image_names.index(name)], self.augment)
                        x[name] = tf.where(present[:, None, None, None], changed, x[name])
                    x[f"{name}_present"] = present
                elif feature.traits.stored or name in cached:
                    once = self.image_major and name == self.shared.name
                    index = tf.gather(arrays["arrays"][name], images if once else rows)
                    x[name], present = examples.banks[name].fetch(index)
                    x[f"{name}_present"] = present if once else present & real
                else:
                    x[name] = tf.gather(arrays["arrays"][name], rows)
                    x[f"{name}_present"] = tf.gather(arrays["present"][name], rows) & real
            whole = x
            if self.modality_dropout:
                chances = chances[:, : 1 + (tf.shape(rows)[1] if self.image_major else 1)]
                together = self.shared.kind if self.image_major else "image"
                x = drop_modalities(x, schema, real, chances, self.modality_dropout, together)
            x = {f"{name}_features" if name in cached else name: value for name, value in x.items()}
            for name in cached:
                if examples.banks[name].tokens is not None:
                    x[name], _ = examples.banks[name].tokens.fetch(tf.gather(arrays["arrays"][name], rows))
            if not arrays["labels"]:
                return x
            if not schema.tasks:
                # What an autoencoder is to give back, of whatever is left of it.
                names = [feature.name for feature in schema.features]
                present = {name: tf.cast(whole[f"{name}_present"], tf.float32) for name in names}
                return x, {name: whole[name] for name in names}, present
            y = {task.name: tf.gather(arrays["labels"][task.name], rows) for task in schema.tasks}
            for task in schema.tasks:
                if TASKS[task.type].read_shifted:
                    x[task.name], y[task.name] = _shifted(y[task.name], real)
            w = {
                task.name: tf.gather(arrays["weights"][task.name], rows) * tf.cast(real, tf.float32)
                for task in schema.tasks
            }
            return x, y, w

        return gather


def shared_feature(schema):
    """The feature whose rows image-major batches keep together: the only image or, without images, the only video.

    Args:
        schema: A `Schema`.

    Returns:
        `Feature`, or None where there is no such feature.
    """
    found = schema.of_kind("image") or schema.of_kind("video")
    return found[0] if len(found) == 1 else None


def _shifted(ids, real):
    """What a decoder reads, and the next word that it learns at each place; both 0 where nothing is learned."""
    following = tf.where(real[..., None], ids[..., 1:], 0)
    # The end itself is never read: nothing follows it.
    return tf.where(following != 0, ids[..., :-1], 0), following


def _group_by_image(index):
    """Rows of the same image side by side: int32 `(entries, K)`, -1 as padding. Rows without one stand alone."""
    order = np.argsort(index, kind="stable")
    sorted_index = index[order]
    starts = np.flatnonzero(np.r_[True, (np.diff(sorted_index) != 0) | (sorted_index[1:] < 0)])
    lengths = np.diff(np.r_[starts, len(order)])
    within = np.arange(len(order)) - np.repeat(starts, lengths)
    parts = -(-lengths // MOST_TEXTS)  # entries per image
    entry = np.repeat(np.r_[0, np.cumsum(parts)[:-1]], lengths) + within // MOST_TEXTS
    grouped = np.full((parts.sum(), min(MOST_TEXTS, lengths.max())), -1, "int32")
    grouped[entry, within % MOST_TEXTS] = order
    return grouped
