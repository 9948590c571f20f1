import numpy as np
import pandas as pd
from scipy.sparse import coo_array

from kerasfusion.data import ColumnRoles, Data, DataError, Examples
from kerasfusion.evaluation import embed_images, embed_texts
from kerasfusion.schema import Schema, Task
from kerasfusion.training import from_preset

# ColumnRoles of the table of pairs: whether they belong together, and how they were found.
LABEL, KIND = "match", "pair"
KINDS = ("near text", "near image", "any text", "any image")
# Rows compared with everything at once: 256 with 100,000 texts are 0.1 GB of float32.
ROWS = 256


def mine_hard_negatives(data, run, negatives=3, random_fraction=0.5, num_candidates=16, seed=0):
    """Make pairs of an image and a text that belong together or not, for a model that sees both at once.

    Every row of a match is a right pair. Wrong ones put another text to its image, or another image to its text,
    within its split: some that the dual encoder takes to be near (hard negatives, as in arXiv 2107.07651), some at
    random, so that the model sees easy ones too. A text with the same words as one of the image's own is never a
    wrong one. A near text may still be true of the image: no human checks it.

    Args:
        data: What `kf.data.load(..., problem_type="retrieval")` returned.
        run: The dual encoder's `Run`, its folder, or a preset (`kf.from_preset`).
        negatives: Wrong pairs for each right one. Those found twice count once, so there may be fewer.
        random_fraction: Share of them that is drawn from all wrong ones.
        num_candidates: The others are drawn from so many nearest ones.
        seed: Seed of the drawing.

    Returns:
        Data: with the features of `data` and one binary task, `"no"` or `"yes"`, to be trained on by `kf.train`. Its
        report breaks the score down by how a pair was found.

    Raises:
        DataError: A split has nothing wrong to choose from, or a column has a name that is needed.
        ValueError: The data or the run is of no match, their features differ, or a number makes no sense.

    Example:

    ```python
    data = kf.data.load("captions.csv", image="photo", text="caption", problem_type="retrieval")
    dual = kf.train(data, output_dir="runs/captions")
    pairs = kf.workflows.mine_hard_negatives(data, dual)
    fused = kf.train(pairs, model="classifier_film", output_dir="runs/pairs", init_from=dual.path)
    print(kf.evaluation.rerank(dual.model, fused.model, data.splits["validation"]))
    ```
    """
    run = from_preset(run)
    for what, schema in (("the data", data.schema), (str(run.path), run.schema)):
        if not schema.of_type("retrieval"):
            raise ValueError(f"mine_hard_negatives is for a match, and {what} has none (problem_type='retrieval').")
    if run.schema.features != data.schema.features:
        raise ValueError(
            f"{run.path} takes other features than the data has: vocabulary, text length or image size differ. Load "
            "the data as it was loaded for the run."
        )
    if negatives < 1 or num_candidates < 1 or not 0 <= random_fraction <= 1:
        raise ValueError(
            f"negatives and num_candidates must be at least 1 and random_fraction in [0, 1], not {negatives}, "
            f"{num_candidates} and {random_fraction}."
        )
    taken = {LABEL, KIND} & {column for feature in data.schema.features for column in feature.columns}
    if taken:
        raise DataError(
            f"{data.source}: mine_hard_negatives needs the column name {taken.pop()!r} for itself. Rename it."
        )
    shares = np.array([1 - random_fraction] * 2 + [random_fraction] * 2) / 2
    task = Task("label", "binary", LABEL, classes=("no", "yes"))
    schema = Schema(data.schema.features, (task,))
    splits = {}
    for number, (name, part) in enumerate(data.splits.items()):
        random = np.random.default_rng([seed, number])
        splits[name] = _pairs(run.model, part, schema, negatives, shares, num_candidates, random)
        if splits[name] is None:
            raise DataError(f"{data.source}: no wrong pairs in the {name} split, whose texts fit every image.")
    rows = " / ".join(f"{len(part):,}" for part in splits.values())
    why = f"{random_fraction:.0%} at random, the others of the {num_candidates} nearest to {run.path.name}"
    settings = [
        *(line for line in data.settings if line[0] != "rows"),
        ("wrong pairs", f"{negatives} for each right one", why, "negatives=…, random_fraction=…, num_candidates=…"),
        ("rows", rows, "train / validation / test", ""),
    ]
    note = (
        f"A dual encoder ({run.path.name}) chose the wrong pairs, without a human check: a text of another image may "
        "be true of this one."
    )
    columns = ColumnRoles(data.columns.inputs, {LABEL: "binary"}, slice_by=KIND)
    return Data(
        schema,
        splits,
        columns,
        data.skipped,
        [*data.notes, note],
        f"{data.source}, pairs",
        settings,
        data.image_sizes,
    )


def _pairs(model, part, schema, negatives, shares, num_candidates, random):
    """`Examples` of one split's right and wrong pairs; None where there is nothing wrong."""
    (image,), (text,) = schema.of_kind("image"), schema.of_kind("text")
    (weights,), index = part.weights.values(), part.arrays[image.name]
    image_places, images = embed_images(model, part)
    rows = np.flatnonzero((weights > 0) & np.isin(index, image_places))
    texts = embed_texts(model, part.take(rows))
    image_of_text = np.searchsorted(image_places, index[rows])
    # By what the model reads: texts that it cannot tell apart must not be right here and wrong there.
    codes = np.unique(part.arrays[text.name][rows], axis=0, return_inverse=True)[1].reshape(-1)
    counts = random.multinomial(negatives, shares, size=len(rows))
    anchors, places, words, kinds = wrong_pairs(images, texts, image_of_text, codes, counts, num_candidates, random)
    if not len(anchors):
        return None
    right = np.arange(len(rows))
    shown = image_places[np.append(image_of_text, places)]
    words = rows[np.append(right, words)]
    labels = np.append(np.ones(len(right), "float32"), np.zeros(len(anchors), "float32"))
    # Any row that has the image, for its cell in the table.
    numbers, first = np.unique(index, return_index=True)
    cells = part.frame[image.columns[0]].iloc[first[np.searchsorted(numbers, shown)]]
    frame = pd.DataFrame(
        {
            image.columns[0]: cells.to_numpy(object),
            text.columns[0]: part.frame[text.columns[0]].iloc[words].to_numpy(object),
            LABEL: np.where(labels == 1, "yes", "no"),
            KIND: np.append(np.full(len(right), "right", object), np.array(KINDS, object)[kinds]),
        }
    )
    return Examples(
        schema=schema,
        frame=frame,
        arrays={text.name: part.arrays[text.name][words], image.name: shown},
        present={text.name: part.present[text.name][words], image.name: shown >= 0},
        banks=part.banks,
        labels={"label": labels},
        weights={"label": weights[rows][np.append(right, anchors)]},
    )


def wrong_pairs(images, texts, image_of_text, codes, counts, num_candidates, random):
    """Choose, for each text and its image, other images and other texts.

    Args:
        images: float32 `(m, d)`, rows of length 1.
        texts: float32 `(n, d)`.
        image_of_text: int `(n,)`, the row in `images` of each text's image.
        codes: int `(n,)` from 0, equal where texts have the same words.
        counts: int `(n, 4)`: how many to draw for each text of each of `KINDS`.
        num_candidates: Near ones are drawn from so many.
        random: A `numpy.random.Generator`.

    Returns:
        Four int arrays `(pairs,)`: the text that a pair was made for, the pair's image and text, and its place in
        `KINDS`. Each image meets the same words once at most.
    """
    one = np.ones(len(codes), bool)
    right_words = coo_array((one, (image_of_text, codes)), shape=(len(images), codes.max(initial=0) + 1)).tocsr()
    right_images = right_words.T.tocsr()
    found = [np.zeros((0, 4), int)]
    for start in range(0, len(texts), ROWS):
        rows = np.arange(start, min(start + ROWS, len(texts)))
        own = image_of_text[rows]
        by_text = images[own] @ texts.T, right_words[own].toarray()[:, codes]
        by_image = texts[rows] @ images.T, right_images[codes[rows]].toarray()
        for side, (scores, right) in enumerate((by_text, by_image)):
            scores[right] = -np.inf
            last = min(num_candidates, scores.shape[1]) - 1
            near = np.argpartition(-scores, last, axis=1)[:, : last + 1]
            for i, row in enumerate(rows):
                wrong_near = near[i][~right[i, near[i]]]
                for kind, choice in ((side, wrong_near), (side + 2, np.flatnonzero(~right[i]))):
                    drawn = random.choice(choice, min(counts[row, kind], len(choice)), replace=False)
                    pair = (own[i], drawn) if side == 0 else (drawn, row)
                    found.append(np.stack(np.broadcast_arrays(row, *pair, kind), axis=1))
    anchors, places, words, kinds = np.concatenate(found).T
    kept = np.sort(np.unique(np.stack([places, codes[words]]), axis=1, return_index=True)[1])
    return anchors[kept], places[kept], words[kept], kinds[kept]
