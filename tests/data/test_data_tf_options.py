import tensorflow as tf
from tables import color_table

import kerasfusion as kf
from kerasfusion.data import BatchedDataset
from kerasfusion.data.tf_options import without_autotune


def test_no_autotuner_runs_beside_it_and_what_is_made_of_it():
    assert tf.data.Dataset.range(3).options().autotune.enabled is None  # tf.data's default: it does run
    dataset = without_autotune(tf.data.Dataset.range(3)).map(lambda i: 2 * i).prefetch(1)
    assert dataset.options().autotune.enabled is False
    assert [int(i) for i in dataset] == [0, 2, 4]


def test_batches_come_without_autotuning(tmp_path):
    frame = color_table(tmp_path, rows=40)
    frame.attrs.update(folder=str(tmp_path))
    data = kf.data.load(frame, image="photo", text="description", label="fits")
    assert BatchedDataset(data.splits["train"], 8).dataset().options().autotune.enabled is False
