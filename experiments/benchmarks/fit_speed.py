"""Training through `fit` against PyTorch and against the bare step, on the same batches.

    pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu
    python experiments/benchmarks/fit_speed.py

(The index has the build without CUDA, which is much smaller. It is in no extra, because an extra names no index.)

*classifier_lstm*: an epoch through `kf.training.fit` with all that belongs to it (input pipeline, metrics,
validation, checkpoint, best model, history) against the training loop of the same network in PyTorch, contiguous and
channels_last. That one gets its batches from memory, as tensors of its own layout, and does nothing else: no
validation, no files. Both have the same weights at first, and their outputs are compared; both clip the gradients,
decay the weights and follow the same schedule. Texts are padded behind, so PyTorch runs its LSTM over whole rows and
takes the state after the last word, which is faster than packing them.

*vqa_film*: the same for image-major batches against the bare step: forward, backward and update, in a `tf.function`
on batches in memory, without metrics or anything between the steps.

All sides take turns after every epoch of `fit`, in one process with `--threads` threads each; medians of `--rounds`
epochs, the first, in which graphs are made, not counted.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
import torch
from torch import nn

import kerasfusion as kf
from kerasfusion.data import BatchedDataset
from kerasfusion.evaluation.results import append_results
from kerasfusion.models import get_heads, image_major
from kerasfusion.training.compile import compile_model

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--rows", type=int, default=4000, help="rows of each table, 8 in 10 of them for training")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--results", type=Path, default=Path("experiments/results/fit_speed.csv"))
arguments = parser.parse_args()
tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
torch.set_num_threads(arguments.threads)


class TorchClassifier(nn.Module):
    """`classifier_lstm` in PyTorch, with the weights of a Keras model."""

    def __init__(self, model, memory_format):
        super().__init__()
        text, image, fusion = model.encoders["text"], model.encoders["image"], model.fusion
        self.embedding = nn.Embedding.from_pretrained(tensor(text.embedding.embeddings), freeze=False)
        self.lstm = nn.LSTM(text.units, text.units, batch_first=True)
        kernel, recurrent_kernel, bias = (tensor(weight) for weight in text.recurrent.cell.weights)
        self.lstm.weight_ih_l0.data = kernel.T.contiguous()
        self.lstm.weight_hh_l0.data = recurrent_kernel.T.contiguous()
        self.lstm.bias_ih_l0.data = bias
        # Keras has one bias.
        self.lstm.bias_hh_l0.data.zero_()
        self.lstm.bias_hh_l0.requires_grad_(False)
        self.convolutions = nn.ModuleList()
        for layer in image.stages[::2]:
            kernel = tensor(layer.kernel).permute(3, 2, 0, 1).contiguous()
            made = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
            made.weight.data, made.bias.data = kernel, tensor(layer.bias)
            self.convolutions.append(made)
        self.projection = linear(image.projection)
        self.fusion = linear(fusion.projection)
        self.dropout = nn.Dropout(fusion.dropout)
        self.head = linear(model.heads["label"].dense)
        self.to(memory_format=memory_format)

    def forward(self, ids, pixels, last):
        states, _ = self.lstm(self.embedding(ids))
        text = states[torch.arange(len(ids)), last]
        grid = pixels.float() * (1 / 255)
        for convolution in self.convolutions:
            grid = torch.max_pool2d(torch.relu(convolution(grid)), 2)
        image = torch.relu(self.projection(grid.permute(0, 2, 3, 1))).mean((1, 2))
        return self.head(self.dropout(torch.relu(self.fusion(torch.cat([image, text], dim=1)))))


def tensor(variable):
    return torch.from_numpy(variable.numpy().copy())


def linear(dense):
    made = nn.Linear(*dense.kernel.shape)
    made.weight.data, made.bias.data = tensor(dense.kernel).T.contiguous(), tensor(dense.bias)
    return made


class TorchLoop:
    """Epochs of a PyTorch training with the same settings."""

    def __init__(self, model, batches, config, schedule, memory_format):
        self.network = TorchClassifier(model, memory_format)
        self.batches = [
            (
                torch.from_numpy(x["text"].numpy().astype("int64")),
                torch.from_numpy(x["image"].numpy()).permute(0, 3, 1, 2).contiguous(memory_format=memory_format),
                torch.from_numpy((x["text"].numpy() != 0).sum(axis=1) - 1),
                torch.from_numpy(y["label"].numpy().astype("int64")),
            )
            for x, y, _ in batches
        ]
        learned = [weight for weight in self.network.parameters() if weight.requires_grad]
        groups = [
            {"params": [weight for weight in learned if weight.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [weight for weight in learned if weight.ndim == 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=1.0, eps=1e-7, fused=True)
        rates = [float(schedule(step)) for step in range((arguments.rounds + 1) * len(batches) + 1)]
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, rates.__getitem__)
        self.clip = config.global_clipnorm

    def outputs(self):
        self.network.eval()
        with torch.no_grad():
            return self.network(*self.batches[0][:3]).numpy()

    def epoch(self):
        self.network.train()
        total, right, count = torch.zeros(()), torch.zeros((), dtype=torch.int64), 0
        for *inputs, labels in self.batches:
            self.optimizer.zero_grad(set_to_none=True)
            logits = self.network(*inputs)
            loss = nn.functional.cross_entropy(logits, labels)
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
            self.optimizer.step()
            self.schedule.step()
            total += loss.detach() * len(labels)
            right += (logits.argmax(dim=1) == labels).sum()
            count += len(labels)
        return total.item() / count, right.item() / count


def bare_epoch(model, batches):
    """An epoch of forward, backward and update alone, of a compiled model."""
    variables = model.trainable_variables
    model.optimizer.build(variables)

    @tf.function
    def step(x, y, w):
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x, y, model(x, training=True), w)
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        model.optimizer.apply(gradients, variables)
        return loss

    def epoch():
        for batch in batches:
            loss = step(*batch)
        return float(loss)

    return epoch


def table(folder, rows, texts_per_image):
    """A table of images with `texts_per_image` sentences each, and one of ten labels that a word gives away."""
    random = np.random.default_rng(0)
    for i in range(rows // texts_per_image):
        pixels = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        (folder / f"{i}.png").write_bytes(tf.io.encode_png(pixels).numpy())
    labels = random.integers(0, 10, rows)
    frame = pd.DataFrame({"photo": [f"{i // texts_per_image}.png" for i in range(rows)]})
    words = [" ".join(f"w{n}" for n in random.integers(0, 500, random.integers(5, 16))) for _ in range(rows)]
    frame["text"] = [f"{some} kind{label}" for some, label in zip(words, labels, strict=True)]
    frame["label"] = [f"class {label}" for label in labels]
    frame.attrs["folder"] = str(folder)
    return kf.data.load(frame, image="photo", text="text", label="label")


def made(name, schema, batches, config):
    """A model of fixed first weights, and what is trained of it, compiled."""
    keras.utils.set_random_seed(0)
    model = kf.create_model(name, schema)
    trained = image_major(model, "image") if batches.image_major else model
    compile_model(trained, get_heads(model), schema, config, batches.steps * config.epochs)
    return model, trained


def compare(name, texts_per_image, batch_size, with_torch):
    """Median milliseconds of a step by side: `fit`, which calls the others after each of its epochs."""
    with tempfile.TemporaryDirectory() as folder:
        data = table(Path(folder), arguments.rows, texts_per_image)
        train = data.splits["train"]
        config = kf.training.TrainingConfig(epochs=arguments.rounds + 1, batch_size=batch_size, patience=None)
        ordered = BatchedDataset(train, batch_size, image_major=texts_per_image > 1, shuffle=True)
        batches = list(ordered.dataset())
        model, bare = made(name, data.schema, ordered, config)
        others = {"bare step": bare_epoch(bare, batches)}
        if with_torch:
            expected = model(batches[0][0])["label"]
            for layout in ("contiguous_format", "channels_last"):
                loop = TorchLoop(model, batches, config, bare.optimizer._learning_rate, getattr(torch, layout))
                np.testing.assert_allclose(loop.outputs(), expected, rtol=1e-4, atol=1e-4)
                others[f"PyTorch, {layout}"] = loop.epoch
        seconds = {"fit": [], **{side: [] for side in others}}
        started = time.perf_counter()

        def take_turns(epoch, logs):
            nonlocal started
            seconds["fit"].append(time.perf_counter() - started)
            for side, others_epoch in others.items():
                started = time.perf_counter()
                found = others_epoch()
                seconds[side].append(time.perf_counter() - started)
                print(f"    {side}: {seconds[side][-1] * 1000 / len(batches):.1f} ms a step, {found}", flush=True)
            started = time.perf_counter()

        turns = keras.callbacks.LambdaCallback(on_epoch_end=take_turns)
        model, _ = made(name, data.schema, ordered, config)
        kf.training.fit(model, train, data.splits["validation"], config, folder, callbacks=[turns])
    return {side: statistics.median(some[1:]) * 1000 / len(batches) for side, some in seconds.items()}


rows = []
settings = (("classifier_lstm", 1, 64, True), ("vqa_film", 10, 128, False))
for name, texts_per_image, batch_size, with_torch in settings:
    print(name)
    times = compare(name, texts_per_image, batch_size, with_torch)
    rows += [{"model": f"{name}: {side}", "metric": "ms a step", "value": ms} for side, ms in times.items()]
    ratios = {"bare step": times["fit"] / times["bare step"]}
    if with_torch:
        faster = min(ms for side, ms in times.items() if side.startswith("PyTorch"))
        ratios["PyTorch's faster layout"] = times["fit"] / faster
        metric = "time / PyTorch's faster layout"
        rows.append({"model": f"{name}: bare step", "metric": metric, "value": times["bare step"] / faster})
    rows += [{"model": f"{name}: fit", "metric": f"time / {side}", "value": ratio} for side, ratio in ratios.items()]
for row in rows:
    print(f"{row['model']:40} {row['metric']:50} {row['value']:.3f}")
command = f"python experiments/benchmarks/fit_speed.py --rounds {arguments.rounds}"
append_results(
    arguments.results, rows, "fit_speed", f"{command} --rows {arguments.rows} --threads {arguments.threads}"
)
