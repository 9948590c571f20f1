# %% [markdown]
"""# Missing modalities

- Article: 000, sections 1.2 and 2.1
- What you will learn: append predicted tags to a text, or impute the embedding of a missing image
- Time: some minutes on one core (`--quick`: a minute)
- Data: images of parts with notes, drawn by the script

```shell
python experiments/16_modal_augmentation.py            # some minutes on one core
python experiments/16_modal_augmentation.py --quick    # a small run, to see it work
```

The article names modal augmentation in one sentence, without code: the output of one modality becomes an input of
another. This tutorial does it in both directions. Both are learned from unlabelled pairs of image and note, and
evaluated where they should help most: on rows whose image or note is missing. The baseline is what each fusion of
this library does by default: a learned vector in place of the missing embedding (modality dropout).

| the article                   | here                                                               |
|-------------------------------|--------------------------------------------------------------------|
| the image's output as a text  | predicted tags are appended to the note: `kf.transfer.append_tags` |
| the text's output as an image | the missing embedding is predicted: `kf.transfer.impute_modality`  |
"""

# %%
import _common
import keras
import numpy as np
import pandas as pd
from _datasets import PARTS, draw_parts
from _figures import save_bars, save_captioned
from PIL import Image
from sklearn.metrics import f1_score, r2_score

import kerasfusion as kf
from kerasfusion.evaluation import calibrate, decode_predictions, postprocess, predict_classes, predict_logits
from kerasfusion.serving import CApiSession

parser = _common.tutorial_parser(__doc__, "16_modal_augmentation", drawn=True, seeds=3)
parser.add_argument("--labels", type=int, default=120, help="number of labelled rows")
arguments = _common.parse(parser)
results = _common.Results(arguments, "16_modal_augmentation", ["seeds", "labels", "on"], "modal_augmentation.csv")
full = {"train": 2000, "validation": 460, "test": 1000}
sizes = {"train": 160, "validation": 80, "test": 40} if arguments.quick else full

# %% [markdown]
# ## 1. The data
#
# A catalogue lists twelve parts, each with its own color and shape. A row is an image in poor light and a careless
# note in which words are missing or wrong. Only 120 of the training rows have a label, the part number.
#
# The table is loaded three times: with labels, as unlabelled pairs, and with the words of the note as tags of the
# image.

# %%
table = draw_parts(arguments.output_dir, sizes, silent=0.2, right=0.85)
print(table.head(4).to_string(index=False), "\n")
roles = {"image": "image", "split": "split", "image_size": 32}
data = kf.data.load(table, text="note", label="part", **roles)
pairs = kf.data.load(table, text="note", problem_type="retrieval", **roles)
tagged = kf.data.load(table, text=[], label="named", problem_type="multilabel", **roles)
(part,), (tags,) = data.schema.tasks, tagged.schema.tasks
pool, validation = data.splits["train"], data.splits["validation"]
held_out = validation.take(np.arange(60))
test = data.splits["test"] if arguments.on == "test" else validation.take(np.arange(60, len(validation)))
CONDITIONS = {
    "whole": test,
    "without the note": test.without("text"),
    "without the image": test.without("image"),
}
results.n = len(test)

# %% [markdown]
# ## 2. Pretraining on unlabelled pairs
#
# - The *tagger* predicts the words of the note from the image alone. Single notes are careless, but what many notes
#   have in common is what the images show.
# - The *dual encoder* learns which note belongs to which image (see tutorial 15). Anyone who has pairs can pretrain
#   encoders this way instead, so each method below is trained from scratch and from these encoders.

# %%
ENCODERS = {"text_encoder": "average", "image_encoder": {"name": "small_cnn", "filters": (16, 32, 64)}}


def classifier(schema):
    return kf.models.fusion_model(schema, **ENCODERS, units=64)


def train(model, splits, seed, epochs, modality_dropout=0.0):
    config = kf.training.TrainingConfig(
        epochs=1 if arguments.quick else epochs,
        batch_size=32,
        patience=None,
        seed=seed,
        modality_dropout=modality_dropout,
    )
    kf.training.fit(model, *splits, config, arguments.output_dir / "fit", verbose=0)
    return model


def pretrain(seed):
    """Return the dual encoder and the tagger."""
    keras.utils.set_random_seed(seed)
    dual_encoder = kf.models.dual_encoder(pairs.schema, **ENCODERS, units=64)
    train(dual_encoder, (pairs.splits["train"], pairs.splits["validation"]), seed, epochs=24)
    keras.utils.set_random_seed(seed)
    tagger = classifier(tagged.schema)
    train(tagger, (tagged.splits["train"], tagged.splits["validation"]), seed, epochs=24)
    return dual_encoder, tagger


# %% [markdown]
# ## 3. Six models for the same 120 labels
#
# All but the last two are trained with modality dropout: a third of the rows loses its image and a third its note.
#
# - *Learned vector*: the fusion replaces a missing embedding by a trained vector. This is the baseline.
# - *Tags appended*: the text encoder reads the predicted tags after the note, or alone if the note is missing. The
#   tagger is a frozen part of the model.
# - *Vectors predicted*: the baseline model, unchanged, but ridge regression on the pairs predicts a missing embedding
#   from the other modality's embedding, in both directions.
# - *Tags and vectors*: tags replace missing notes, predicted embeddings replace missing images.
# - *Whole rows alone*: trained without modality dropout, so the vector for a missing modality is never trained. Many
#   models in use are of this kind.
# - *Whole rows alone, then vectors predicted*: the same model with predicted embeddings; it needs no new training.

# %%
TOKEN, TAGS, VECTORS, BOTH = "learned vector", "tags appended", "vectors predicted", "tags and vectors"
WHOLE, FROM_PAIRS = "whole rows alone", ", branches from pairs"


def impute_image(model):
    return kf.transfer.impute_modality(model, pool.without_labels(), missing="image", given="text")


def impute_both(model):
    return kf.transfer.impute_modality(impute_image(model), pool.without_labels(), missing="text", given="image")


def train_models(seed, tagger, dual_encoder=None):
    """Return dict name -> model; the encoders start from the dual encoder, if there is one."""
    # Labelled rows are repeated, so that an epoch has enough steps.
    rows = np.random.default_rng(seed).permutation(len(pool))[: arguments.labels]
    labelled = pool.take(np.resize(rows, 64 if arguments.quick else 480))
    models = {}
    for name, modality_dropout in ((TOKEN, 2 / 3), (TAGS, 2 / 3), (WHOLE, 0.0)):
        keras.utils.set_random_seed(seed)
        model = classifier(data.schema)
        if name == TAGS:
            model = kf.transfer.append_tags(tagger, tags, data.schema, classifier)
        if dual_encoder is not None:
            kf.transfer.transfer_weights(model, dual_encoder)
        models[name] = train(model, (labelled, held_out), seed, 20, modality_dropout)
    models[VECTORS] = impute_both(models[TOKEN])
    models[BOTH] = impute_image(models[TAGS])
    models[f"{WHOLE}, then {VECTORS}"] = impute_both(models[WHOLE])
    return models


# %% [markdown]
# ## 4. Evaluation
#
# Besides the accuracy under each condition we measure what is passed between the modalities: F1 of the predicted tags
# against what the images show, and R² of the predicted embeddings, both on test rows.


# %%
def add_accuracies(name, model, seed):
    for condition, examples in CONDITIONS.items():
        outputs = postprocess(model, predict_logits(model, examples))[part.name]
        accuracy = np.mean(predict_classes(part, outputs) == test.labels[part.name])
        results.add(name, f"accuracy, {condition}", accuracy, seed=seed)


def add_quality(model, predicted_tags, seed):
    """Add the quality of the tags, and of the embeddings that the imputers of `model` predict."""
    true_tags = np.array([[word in PARTS[label] for word in tags.classes] for label in test.labels[part.name]])
    score = f1_score(true_tags, predicted_tags, average="micro", zero_division=0)
    results.add("what is passed on", "F1 of the tags", score, seed=seed)
    embeddings = {name: kf.transfer.extract_features(model, f"encode_{name}", test) for name in ("text", "image")}
    imputers = {missing: layer for missing, _, layer in model.imputers}
    for name, other, what in (("image", "text", "images"), ("text", "image", "notes")):
        score = r2_score(embeddings[name], imputers[name].dense(embeddings[other]), multioutput="variance_weighted")
        results.add("what is passed on", f"R² of the {what}' vectors", score, seed=seed)


for seed in results.seeds:
    # A seed that an interrupted run has recorded already is not trained again.
    experiment, path = f"16_modal_augmentation, seed {seed}", arguments.output_dir / f"model_{seed}.keras"
    if path.exists() and results.restore(experiment, seed):
        continue
    dual_encoder, tagger = pretrain(seed)
    models = train_models(seed, tagger)
    last, vectors = models[BOTH], models[VECTORS]
    if not arguments.quick:
        pretrained = train_models(seed, tagger, dual_encoder)
        last = pretrained[BOTH]
        models |= {name + FROM_PAIRS: model for name, model in pretrained.items()}
    for name, model in models.items():
        add_accuracies(name, model, seed)
    predicted_tags = predict_classes(tags, postprocess(tagger, predict_logits(tagger, test))[tags.name])
    add_quality(vectors, predicted_tags, seed)
    calibrate(last, held_out)
    last.save(path)
    if seed == 0:
        pd.Series(decode_predictions(tags, predicted_tags), name="said").to_csv(arguments.output_dir / "said.csv")
    results.record(experiment, seed)

# %% [markdown]
# ## 5. Results
#
# Gains are relative to the learned vector with the same initial encoders (for *whole rows alone, then vectors
# predicted*: to *whole rows alone*), paired by seed, with 95 % intervals.

# %%
panels = {c: results.by_seed().xs(f"accuracy, {c}", level="metric") for c in CONDITIONS}


def reference(name):
    return (WHOLE if name.startswith(WHOLE) else TOKEN) + FROM_PAIRS * name.endswith(FROM_PAIRS)


for condition, panel in panels.items():
    print(f"\n{condition.capitalize()}, accuracy on {len(test):,} rows")
    _common.print_gains(panel, reference)
save_bars(arguments.output_dir / "modal_augmentation.png", panels, (TAGS, VECTORS, BOTH))

# %% [markdown]
# `tags.png` shows test images with their notes and, in brackets, the predicted tags.

# %%
predicted = pd.read_csv(arguments.output_dir / "said.csv", keep_default_na=False)["said"]
few = test.take(np.arange(8))
images = [Image.open(arguments.output_dir / name) for name in few.frame["image"]]
captions = [f"{note}\n[{said}]" for note, said in zip(few.frame["note"], predicted, strict=False)]
save_captioned(arguments.output_dir / "tags.png", images, captions)

# %% [markdown]
# ## 6. Serve it
#
# Tagger and imputers are part of the SavedModel. A client sends an image, a note or both.

# %%
model = keras.saving.load_model(arguments.output_dir / "model_0.keras")
raw = test.take(np.arange(4)).raw_inputs()
version = kf.serving.export_model(model, data.schema, arguments.output_dir / "saved_model", raw)
report = kf.verify(version)
print(report)
with CApiSession(version) as session:
    inputs = {"image_bytes": [raw["image_bytes"][0], b""], "text": [b"", raw["text"][0]]}
    from_image, from_note = (label.decode() for label in session.run("serving_default", inputs)["label"])
print(f"From the image: {from_image}; from the note: {from_note}; label: {test.frame['part'].iloc[0]}")

# %% [markdown]
# ## Try it yourself
#
# How many pairs does the tagger need before it helps? Draw notes without mistakes (`right=1.0`): how much is left to
# gain? Train the tagger on another table with tags made by hand, which know more than the notes.

# %%
_common.finish(report.ok)
