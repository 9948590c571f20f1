"""Two replicas with half a batch each take the step that one device takes with all of it.

TensorFlow splits a CPU in two only before it is first used, so this file runs itself in a process of its own.
"""

import json
import subprocess
import sys

import numpy as np
import pytest

LOSSES = {"info_nce": "info_nce", "triplet": {"name": "triplet", "mining": "semi_hard"}}
# Shares of 4 and 3 rows. Rows 0, 1 and 6 show one image, row 3 does not count.
IMAGES, WEIGHTS, SHARES = [0, 0, 2, 3, 4, 5, 0], [1, 1, 1, 0, 1, 1, 1], (slice(0, 4), slice(4, 7))


@pytest.fixture(scope="module")
def steps():
    answer = subprocess.run([sys.executable, "-W", "error", __file__], capture_output=True, text=True, timeout=600)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_the_step_is_that_of_the_whole_batch(steps, loss):
    one, two = steps[loss]["one device"], steps[loss]["two replicas"]
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-5) and two["recall"] == pytest.approx(one["recall"])
    np.testing.assert_allclose(two["step"], one["step"], atol=1e-5)
    assert np.abs(one["step"]).max() > 0.01
    # What each replica would find with its own negatives alone.
    assert abs(np.average(steps[loss]["alone"], weights=[4, 3]) - one["loss"]) > 0.01 * one["loss"]


def main():
    import keras
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

    from kerasfusion.models import contrastive, dual_encoder, get_heads
    from kerasfusion.schema import Feature, Schema, Task
    from kerasfusion.training.distributed_contrastive import AcrossReplicas
    from kerasfusion.training.gradient_cache import GradientCache

    one = tf.distribute.get_strategy()
    # Not by the default's collectives, which are slow on a CPU.
    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())

    text = Feature("text", "text", ("said",), length=6, vocabulary=tuple("abcdefghi"))
    image = Feature("image", "image", ("photo",), size=(8, 8))
    schema = Schema((text, image), (Task("match", "retrieval", "photo"),))
    random, rows = np.random.default_rng(0), len(IMAGES)
    batch = {
        "text": random.integers(1, text.vocabulary_size, (rows, text.length)).astype("int32"),
        "image": random.integers(0, 256, (rows, 8, 8, 3)).astype("uint8"),
        **{f"{name}_present": np.ones(rows, bool) for name in ("text", "image")},
    }
    batch = batch, {"match": np.array(IMAGES, "int32")}, {"match": np.array(WEIGHTS, "float32")}

    def compiled(make, loss, strategy):
        keras.utils.set_random_seed(0)
        with strategy.scope():
            small = {"text_encoder": "average", "image_encoder": {"name": "small_cnn", "filters": (4,)}, "units": 8}
            model = dual_encoder(schema, loss=loss, **small)
            twin, (head,) = make(model), get_heads(model).values()
            metrics = {"match": head.metrics_for()}
            # On one device a graph is traced for longer than it is run.
            settings = {"weighted_metrics": metrics, "run_eagerly": strategy is one}
            twin.compile(keras.optimizers.SGD(1.0), {"match": head.loss()}, **settings)
        return twin

    def step(make, loss, strategy):
        """What is logged of a batch, and what one step down its gradients (learning rate 1) changes."""
        twin = compiled(make, loss, strategy)
        before = twin.get_weights()
        logs = twin.fit(tf.data.Dataset.from_tensors(batch), shuffle=False, verbose=0).history
        change = [b - a for a, b in zip(before, twin.get_weights(), strict=True)]
        return {
            **{key: values[0] for key, values in logs.items()},
            "step": np.concatenate(change, axis=None).tolist(),
        }

    def alone(loss):
        twin = compiled(contrastive, loss, one)
        shares = [keras.tree.map_structure(lambda rows, share=share: rows[share], batch) for share in SHARES]
        return [float(twin.compute_loss(x, y, twin(x), weights)) for x, y, weights in shares]

    # Gradient caching gathers by the same means: the triplet's batch is taken in parts of two rows on each replica.
    several = {"info_nce": AcrossReplicas, "triplet": lambda model: GradientCache(model, rows=2)}
    found = {
        name: {
            "one device": step(contrastive, loss, one),
            "two replicas": step(several[name], loss, two),
            "alone": alone(loss),
        }
        for name, loss in LOSSES.items()
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
