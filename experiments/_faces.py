"""Faces: tables of drawn and of photographed faces, pairs of them, metric learning by person, and what texts add."""

import io

import keras
import numpy as np
import pandas as pd
from keras import ops
from matplotlib.figure import Figure
from PIL import Image
from sklearn.decomposition import PCA

import kerasfusion as kf
from kerasfusion.data.faces_world import describe, draw_face, hide_half, sample_look, sample_person
from kerasfusion.data.shapes_world import encode_png

# Losses of the library on the cosines of all pairs of a batch, and what the cosines are multiplied by.
LOSSES = {
    "triplet": (lambda: kf.losses.TripletLoss(0.2, mining="semi_hard"), 1.0),
    "margin": (lambda: kf.losses.MarginContrastiveLoss(0.3), 1.0),
    "info_nce": (lambda: kf.losses.InfoNCELoss(), 10.0),
}
WHOLE, HIDDEN = "whole", "half hidden"


def draw_people(sizes, images=6, seed=0):
    """Draw faces: of each person, every second image hides half of the face.

    Args:
        sizes: dict split -> number of people.
        images: Images of each person.
        seed: Seed of the people; each has chance of their own.

    Returns:
        pandas.DataFrame: `image` (PNG bytes), `text`, `shuffled` (the text of a row of someone else, of the same
        split), `hair`, `person` (int), `shown` (`"whole"` or `"half hidden"`) and `split`.
    """
    rows = []
    for stream, (split, size) in enumerate(sizes.items()):
        for number in range(size):
            rng = np.random.default_rng([seed, stream, number])
            person = sample_person(rng)
            for place in range(images):
                look = sample_look(rng)
                image, shown = draw_face(person, look, rng), WHOLE
                if place % 2:
                    image, shown = hide_half(image, rng), HIDDEN
                name = stream * 100_000 + number
                cells = (encode_png(image), describe(person, look), person.hair, name, shown, split)
                rows.append(dict(zip(("image", "text", "hair", "person", "shown", "split"), cells, strict=True)))
    table = pd.DataFrame(rows)
    table["shuffled"] = ""
    for _, own in table.groupby("split"):
        # Every row moves by at least one person, and no two rows of a person move alike.
        count = own["person"].nunique()
        moves = np.random.default_rng([seed, 1000]).integers(1, count, len(own)) * images
        table.loc[own.index, "shuffled"] = own["text"].to_numpy()[(np.arange(len(own)) + moves) % len(own)]
    table.attrs.update(source="faces world")
    return table


def draw_pairs(people, rng):
    """Make pairs of rows: all pairs of one person, and as many of two people.

    Args:
        people: int `(n,)`, the person of each row.
        rng: `np.random.Generator`.

    Returns:
        int `(pairs, 2)`: positions of rows; bool `(pairs,)`: whether they are of the same person.
    """
    first, second = np.triu_indices(len(people), 1)
    same = people[first] == people[second]
    chosen = np.concatenate([np.flatnonzero(same), rng.choice(np.flatnonzero(~same), same.sum(), replace=False)])
    return np.stack([first, second], axis=1)[chosen], same[chosen]


def read_lfw(folder):
    """Read lfw_faces.

    Args:
        folder: pathlib.Path of the data set.

    Returns:
        pandas.DataFrame of images, with `image`, `person`, `emotion` (`"other"` where it is rare or not known) and
        `split`; and one of pairs, with the positions `first` and `second` of its images, `same` and `split`.
    """
    table, pairs = (pd.read_json(folder / f"{name}.jsonl", lines=True) for name in ("data", "pairs"))
    table["split"], pairs["split"] = (part["split"].replace("dev", "validation") for part in (table, pairs))
    table["emotion"] = table["emotion"].where(table["emotion"].isin(["neutral", "happiness"]), "other")
    places = pd.Series(np.arange(len(table)), table["image"])
    pairs["first"], pairs["second"] = (places[pairs[side]].to_numpy() for side in ("image_a", "image_b"))
    return table, pairs


def draw_like_lfw(seed=1):
    """Draw a small table and its pairs with the columns of `read_lfw`, for a quick run."""
    table = draw_people({"train": 30, "validation": 10, "test": 12}, images=4, seed=seed)
    rng, pairs = np.random.default_rng(seed), []
    table["emotion"] = np.where(table["text"].str.contains("smiling"), "happiness", "neutral")
    for split in ("validation", "test"):
        rows = np.flatnonzero(table["split"] == split)
        found, same = draw_pairs(table["person"].to_numpy()[rows], rng)
        first, second = rows[found].T
        pairs.append(pd.DataFrame({"first": first, "second": second, "same": same, "split": split}))
    return table, pd.concat(pairs, ignore_index=True)


def embedding_model(schema, units=64):
    """A model whose fused vector, of length 1, is a face's embedding; the head names the label.

    Args:
        schema: A `kf.Schema` with an image, a text, or both.
        units: Width of the embedding.

    Returns:
        kf.models.FusionModel
    """
    kinds = {feature.name: feature.kind for feature in schema.features}
    make = {
        "image": lambda name: kf.encoders.SmallCNN(units, (8, 16, 32), flatten=True, name=f"encoder_{name}"),
        "text": lambda name: kf.encoders.AverageEmbeddingEncoder(
            schema[name].vocabulary_size, units, name=f"encoder_{name}"
        ),
    }
    return kf.models.FusionModel(
        kf.models.make_inputs(schema),
        {name: make[kind](name) for name, kind in kinds.items()},
        kf.fusion.ConcatFusion(2 * units, name="fusion") if len(kinds) > 1 else None,
        {task.name: kf.heads.build_head(task) for task in schema.tasks},
        hidden=[keras.layers.Dense(units, name="project"), keras.layers.UnitNormalization(name="unit")],
        name="faces",
    )


class FaceTrainer(kf.models.TrainingWrapper):
    """Train embeddings by the cosines of all pairs of a batch, beside the head's own label.

    Args:
        model: An `embedding_model`.
        scale: float, what the cosines are multiplied by.
    """

    takes_batches = True

    def __init__(self, model, scale):
        super().__init__(model, name="face_trainer")
        self.scale = scale

    def forward(self, trainer, inputs):
        embedding = self.plain.fuse(self.plain.encode(inputs), self.plain.presence(inputs))
        cosines = ops.matmul(embedding, ops.transpose(embedding))
        return {**self.plain.predict_heads(embedding), "person": self.scale * cosines}

    def arrange(self, y, y_pred, sample_weight):
        people = ops.cast(y["person"], "int32")
        same = ops.cast(ops.equal(people[:, None], people[None, :]), "int32")
        # A row with itself is no pair.
        itself = ops.eye(ops.shape(people)[0], dtype="int32")
        return {**y, "person": ops.where(itself > 0, -1, same)}, y_pred, None


class PeopleBatches(keras.utils.PyDataset):
    """Batches of several images each of several people, mirrored and shifted by chance.

    Args:
        examples: Training `Examples`.
        people: int `(n,)`, the person of each row.
        seed: Seed of the batches.
        people_per_batch: Number of people in a batch.
        images: Images of each of them.
        without: dict feature -> share of the rows that lose it.
    """

    def __init__(self, examples, people, seed, people_per_batch=20, images=3, without=None):
        super().__init__()
        self.examples, self.without = examples, without or {}
        self.rows = [np.flatnonzero(people == person) for person in np.unique(people)]
        self.codes = np.unique(people, return_inverse=True)[1]
        self.count, self.images, self.seed, self.epoch = min(people_per_batch, len(self.rows)), images, seed, 0
        self.task = examples.schema.tasks[0].name
        self.steps = max(1, round(len(people) / (self.count * images)))
        self.pixels = {name: pixels_of(examples, name) for name in examples.banks}

    def __len__(self):
        return self.steps

    def __getitem__(self, step):
        rng = np.random.default_rng([self.seed, self.epoch, step])
        chosen = rng.choice(len(self.rows), self.count, replace=False)
        rows = [rng.choice(self.rows[i], self.images, replace=len(self.rows[i]) < self.images) for i in chosen]
        rows = np.concatenate(rows)
        x = {}
        for feature in self.examples.schema.features:
            name = feature.name
            values = _moved(self.pixels[name][rows], rng) if name in self.pixels else self.examples.arrays[name][rows]
            present = rng.random(len(rows)) >= self.without.get(name, 0.0)
            there = present.reshape(-1, *[1] * (values.ndim - 1))
            x |= {name: values * there.astype(values.dtype), f"{name}_present": present}
        return x, {self.task: self.examples.labels[self.task][rows], "person": self.codes[rows]}

    def on_epoch_end(self):
        self.epoch += 1


def _moved(pixels, rng, most=3):
    """Mirror half of the images, and shift each by up to `most` pixels; the border is repeated."""
    side = pixels.shape[1]
    padded = np.pad(pixels, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    found = np.empty_like(pixels)
    for i, (down, right) in enumerate(rng.integers(0, 2 * most + 1, (len(pixels), 2))):
        found[i] = padded[i, down : down + side, right : right + side]
    mirrored = rng.random(len(pixels)) < 0.5
    found[mirrored] = found[mirrored, :, ::-1]
    return found


def train_embedding(model, examples, people, loss, epochs, path, seed=0, without=None):
    """Train an `embedding_model` on the people of some rows, or read the weights that an earlier call left.

    Args:
        model: An `embedding_model`.
        examples: Training `Examples`.
        people: int `(n,)`, the person of each row.
        loss: A name in `LOSSES`.
        epochs: Number of epochs.
        path: pathlib.Path of the weights, `*.weights.h5`.
        seed: Seed of the batches.
        without: dict feature -> share of the rows that lose it.
    """
    if path.exists():
        model.load_weights(path)
        return
    make_loss, scale = LOSSES[loss]
    (task,) = examples.schema.tasks
    batches = PeopleBatches(examples, people, seed, without=without)
    trainer = FaceTrainer(model, scale)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * len(batches))
    trainer.compile(
        keras.optimizers.AdamW(rate, weight_decay=1e-3),
        loss={task.name: model.heads[task.name].loss(), "person": make_loss()},
        loss_weights={task.name: 0.2, "person": 1.0},
    )
    trainer.fit(batches, epochs=epochs, verbose=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save_weights(path)


def pixels_of(examples, name="image"):
    """The pixels of all rows, uint8 `(n, height, width, 3)`."""
    return np.asarray(examples.banks[name].fetch(examples.arrays[name])[0])


def embedder(model):
    """Return a function from `Examples` to the embeddings of their rows, float32 `(n, units)` of length 1."""
    inputs = model.input
    vectors = model.fuse(model.encode(inputs), model.presence(inputs))
    network = keras.Model(inputs, {"embedding": vectors})
    return lambda examples: kf.evaluation.predict_logits(network, examples)["embedding"]


def cosines(vectors, pairs):
    """The cosine of the two vectors of each pair."""
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(axis=1)


def eigenfaces(train, others, components):
    """Whitened principal components of gray images, learned on `train`: a list of vectors of the `others`."""
    gray = [part.mean(axis=3).reshape(len(part), -1) / 255 for part in (train, *others)]
    pca = PCA(min(components, *gray[0].shape), whiten=True, svd_solver="randomized", random_state=0).fit(gray[0])
    return [pca.transform(part) for part in gray[1:]]


def rate_with_filter(curve, share):
    """Equal error rate if all same pairs and this share of the different ones passed a filter that is independent.

    Args:
        curve: `kf.evaluation.VerificationScores` of the scores without the filter.
        share: float, share of the different pairs that pass.

    Returns:
        float
    """
    gap = share * curve.false_accepts - (1 - curve.true_accepts)
    after = int(np.argmax(gap >= 0)) if (gap >= 0).any() else len(gap) - 1
    part = -gap[after - 1] / (gap[after] - gap[after - 1])
    rates = share * curve.false_accepts[[after - 1, after]]
    return float(rates[0] + part * (rates[1] - rates[0]))


def save_roc(path, panels):
    """Save ROC curves on logarithmic axes of both errors.

    Args:
        path: The PNG file.
        panels: dict title -> dict name -> `kf.evaluation.VerificationScores`.
    """
    figure = Figure(figsize=(4.6 * len(panels), 4.2), layout="constrained")
    for axes, (title, curves) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels.items(), strict=True):
        for name, found in curves.items():
            axes.plot(found.false_accepts, 1 - found.true_accepts, label=f"{name} ({found.eer:.1%})", lw=1.3)
        axes.plot([0, 1], [0, 1], color="#9aa4b2", ls=":", lw=1)
        axes.set(xlim=(0.002, 1), ylim=(0.002, 1), xscale="log", yscale="log", xlabel="different pairs accepted")
        axes.set_ylabel("same pairs rejected")
        axes.set_title(title, fontsize=9)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=7, title="equal error rate at the dotted line", title_fontsize=7)
    figure.savefig(path, dpi=120)


def save_faces(path, table, people=6):
    """Save a figure of drawn faces, a row per person of the table: images side by side, and their first text."""
    figure = Figure(figsize=(8, 1.25 * people), layout="constrained")
    for axes, (_, rows) in zip(figure.subplots(people, 1), table.groupby("person"), strict=False):
        images = [np.asarray(Image.open(io.BytesIO(image))) for image in rows["image"]]
        axes.imshow(np.concatenate(images, axis=1))
        axes.set_title(rows["text"].iloc[0], fontsize=8, loc="left", pad=2)
        axes.axis("off")
    figure.savefig(path, dpi=120)
