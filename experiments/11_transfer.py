# %% [markdown]
"""# Transfer learning

- Article: 003, sections 3 and 4
- What you will learn: features, distillation, pretrained decoders, weight transfer, LoRA and adapters, each with its
  baselines
- Time: hours (`--quick`: a minute)
- Data: DATA/cifar10, DATA/noto_emoji, DATA/flickr8k_128; drawn images with --quick

```shell
python experiments/11_transfer.py --data-dir DATA    # 40 minutes of one core; DATA/cifar10, noto_emoji,
                                                     # flickr8k_128 and mobilenet_v2_035
python experiments/11_transfer.py --quick            # to see it run, on images drawn on the spot
```

The article names three kinds of transfer. Its code for the first trains on the outputs of a softmax and calls them
features, and that for the second lets a model for classifying sentences write captions, which it cannot. Each of them
meant seriously, with what it must beat:

| the article                           | here                                         | must beat             |
|---------------------------------------|----------------------------------------------|-----------------------|
| feature transfer, `f(x) = W φ(x) + b` | a network cut at a layer, a new head: alone  | the same network from |
|                                       | (a probe) or with all below (fine-tuning)    | scratch               |
| image features for a "text classifier"| features of the image beside the words     | the words alone       |
| knowledge transfer,                   | a teacher of images and words, a student   | the student alone;    |
| `K = f(X) · g(Y) + h(X, Y)`           | of images, also of those without labels;   | K without `h`         |
|                                       | similarities learned by pairs                |                       |
| a language model that writes captions | a captioner's decoder that learned sentences | the captioner without |
| structure transfer, `M = T(S)`        | the structure for other classes, and widened | both from scratch     |
| (not in the article)                  | a transformer by low-rank changes (LoRA) or  | its head alone;       |
|                                       | bottleneck adapters, by a rank that is       | an equal rank for all |
|                                       | shared out (AdaLoRA)                         |                       |

The captions are scored by the extra [caption]: pip install "kerasfusion[caption]".
"""

# %%
from pathlib import Path

import _common
import keras
import numpy as np
import pandas as pd
from _datasets import cifar10, mobilenet_weights
from keras import ops
from matplotlib.figure import Figure
from PIL import Image

import kerasfusion as kf
from kerasfusion.data.shapes_world import COLORS, SHAPES, SIZES, Object, Scene, draw_scene
from kerasfusion.evaluation import compare_predictions, postprocess, predict_classes, predict_logits, score_captions
from kerasfusion.evaluation.caption_report import caption_rows
from kerasfusion.evaluation.caption_scores import require_scorers
from kerasfusion.evaluation.captions import generate_captions
from kerasfusion.layers import BilinearKnowledge
from kerasfusion.serving.exporting import export_model

parser = _common.tutorial_parser(__doc__, "11_transfer")
parser.add_argument("--seeds", type=int, default=3, help="of the weights, the order and the choice of labels")
parser.add_argument("--on", choices=["test", "validation"], default="test", help="the split that is scored")
arguments = _common.parse(parser)
if not (arguments.quick or arguments.data_dir):
    parser.error("say in which folder cifar10 and noto_emoji are: --data-dir or KERASFUSION_DATA (or try --quick)")
require_scorers()
seeds = range(1 if arguments.quick else arguments.seeds)

# %% [markdown]
# ## 1. The data
#
# Two tasks on images: six animals of CIFAR-10, which are well known here, and its four kinds of vehicles, of which
# only few are labelled. No image is in both. The third is emoji: an image, its name, a coarse class.

# %%
ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")


def cifar(folder):
    """Animals and vehicles, each as a table."""
    table = cifar10(folder)
    animal = table["y"].isin(ANIMALS)
    return table[animal].reset_index(drop=True), table[~animal].reset_index(drop=True)


def drawn(folder, label, rows=60, seed=0, careful=False):
    """Images of one thing with a note, often wrong if not careful; the label is its shape, its color or both."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    table = []
    for i in range(rows):
        shape, color = random.choice(SHAPES), random.choice(COLORS[:4])
        pixels = draw_scene(Scene((Object(shape, color, SIZES[i % 2], *random.uniform(0.4, 0.6, 2)),)), random)
        Image.fromarray(pixels[16:48, 16:48]).save(folder / f"{i}.png")
        said = [color, shape] if careful else [random.choice([color, *COLORS[:4]]), random.choice([shape, *SHAPES])]
        truth = {"shape": shape, "color": color, "both": f"{color} {shape}"}[label]
        split = ("train", "train", "validation", "test")[i % 4]
        table.append({"x": f"{i}.png", "note": " ".join(said), "y": truth, "split": split})
    table = pd.DataFrame(table)
    table.attrs.update(folder=str(folder))
    return table


if arguments.quick:
    tables = [
        drawn(arguments.output_dir / name, label, seed=seed)
        for seed, (name, label) in enumerate({"a": "shape", "b": "color", "c": "color"}.items())
    ]
    animals, vehicles = (
        kf.data.load(t.drop(columns="note"), image="x", label="y", split="split") for t in tables[:2]
    )
    emoji = kf.data.load(tables[2], image="x", text="note", label="y", split="split")
else:
    tables = cifar(Path(arguments.data_dir) / "cifar10")
    animals, vehicles = (kf.data.load(table, image="x", label="y", split="split") for table in tables)
    emoji = kf.data.load(Path(arguments.data_dir) / "noto_emoji" / "data.jsonl", image_size=32)
for data in (animals, vehicles, emoji):
    print(", ".join(f"{len(split):,} {name}" for name, split in data.splits.items()), data.schema.tasks[0].classes)

rows = []


def config(seed, epochs, batch_size=64, rate=2e-3):
    epochs = 1 if arguments.quick else epochs
    return kf.training.TrainingConfig(
        epochs=epochs, batch_size=batch_size, learning_rate=rate, patience=None, seed=seed
    )


def learn(model, data, config):
    """Train a model on two `Examples`; it keeps its best epoch."""
    kf.training.fit(model, *data, config, arguments.output_dir / "fit", verbose=0)
    return model


def probed(model, data, config):
    """A new head alone, on what the layer `encode_image` gives."""
    keras.utils.set_random_seed(config.seed)
    return kf.transfer.linear_probe(model, "encode_image", *data, config, arguments.output_dir / "fit", verbose=0)


def decided(model, data):
    """What it says of the split that is scored."""
    task, examples = data.schema.tasks[0], data.splits[arguments.on]
    return predict_classes(task, postprocess(model, predict_logits(model, examples))[task.name])


def show(title, found, data):
    """Accuracies over the seeds, with intervals, the best first."""
    task = data.schema.tasks[0]
    found = compare_predictions(task, data.splits[arguments.on].labels[task.name], found)
    print(f"\n{title}: {found.verdict}")
    for name, score in found.scores.items():
        print(f"  {name:40} {score.mean:6.1%} [{score.low:.1%}, {score.high:.1%}]")
        figures = {"value": score.mean, "low": score.low, "high": score.high, "n": found.rows}
        rows.append({"model": f"{title}: {name}", "metric": "accuracy", **figures})
    return {name: score.mean for name, score in found.scores.items()}


def splits(data):
    return [data.splits["train"], data.splits["validation"]]


def some(data, share, seed):
    """A share of the rows with labels; of those to validate on as well, twenty at least."""
    random = np.random.default_rng(seed)
    return [
        split.take(random.permutation(len(split))[: max(20, round(share * len(split)))]) for split in splits(data)
    ]


CNN = {"name": "small_cnn", "filters": (16, 32) if arguments.quick else (16, 32, 64)}


def images(data, seed, encoder=CNN, units=64):
    keras.utils.set_random_seed(seed)
    return kf.models.fusion_model(data.schema.only("image"), image_encoder=encoder, units=units)


# %% [markdown]
# ## 2. Feature transfer
#
# A network learns animals. What its layer `encode_image` makes of an image is φ(x). A linear probe learns W and b
# alone, so the images go through the network once; fine-tuning starts from φ and changes it as well. From scratch
# is the same network, as many steps, on the same labelled vehicles.

# %%
parent = learn(images(animals, seed=0), splits(animals), config(0, epochs=12))
try:
    kf.transfer.feature_extractor(parent, "encode_image")
except ValueError as error:
    print(f"\n{error}")

curves = {}
for share, epochs, batch_size in (
    ((0.5, 1, 16),) if arguments.quick else ((0.01, 30, 16), (0.1, 15, 32), (1.0, 12, 64))
):
    found = {}
    # All of the labels: nothing to choose, one seed.
    for seed in seeds if share < 1 else [0]:
        labelled, steps = some(vehicles, share, seed), (seed, epochs, batch_size)
        probe = probed(parent, labelled, config(*steps, rate=1e-2))
        found.setdefault("linear probe", []).append(decided(probe, vehicles))
        # On from the probe: a head that knows nothing yet would spoil what is below it.
        tuned = learn(probe, labelled, config(*steps, rate=5e-4))
        found.setdefault("fine-tuned", []).append(decided(tuned, vehicles))
        scratch = learn(images(vehicles, seed), labelled, config(*steps))
        found.setdefault("from scratch", []).append(decided(scratch, vehicles))
    means = show(f"feature transfer, {share:.0%} of the labels ({len(labelled[0])} rows)", found, vehicles)
    for name, mean in means.items():
        curves.setdefault(name, []).append((len(labelled[0]), mean))

# %% [markdown]
# The features of images as an input of a model that reads: they become a column of numbers. The network has never
# seen an emoji.

# %%
keras.utils.set_random_seed(0)
three = [*splits(emoji), emoji.splits[arguments.on]]
seen = kf.transfer.add_features(parent, "encode_image", three)
with_seen = kf.Schema(seen[0].schema.of_kind("text") + seen[0].schema.of_kind("numeric"), seen[0].schema.tasks)
(task,) = with_seen.tasks
found = {"words": [], "words and features of the image": []}
for seed in seeds:
    for name, schema in (("words", with_seen.only("text")), ("words and features of the image", with_seen)):
        keras.utils.set_random_seed(seed)
        reader = kf.models.fusion_model(schema, text_encoder="average", units=64, dropout=0.3)
        learn(reader, [split.with_features(schema) for split in seen[:2]], config(seed, epochs=12))
        logits = predict_logits(reader, seen[2].with_features(schema))
        found[name].append(predict_classes(task, postprocess(reader, logits)[task.name]))
show("features across modalities", found, emoji)

# %% [markdown]
# ## 3. Knowledge transfer
#
# The teacher sees the image and reads the name; the student will have the image alone. `distill` asks the teacher
# once what it says of each row, and wraps the student, with a second output for the teacher's answer. Half of
# the loss comes from the labels. What the teacher takes for nearly right is what a label does not say. The third
# student is also asked to find the teacher's fused representation, by a dense layer that is thrown away after.

# %%
found = {"teacher, image and name": [], "student alone": []}
for seed in seeds:
    keras.utils.set_random_seed(seed)
    teacher = kf.models.fusion_model(emoji.schema, text_encoder="average", image_encoder=CNN, units=64, dropout=0.3)
    learn(teacher, splits(emoji), config(seed, epochs=12))
    found["teacher, image and name"].append(decided(teacher, emoji))
    alone = learn(images(emoji, seed), splits(emoji), config(seed, epochs=12))
    found["student alone"].append(decided(alone, emoji))
    for name, features in (("student taught by answers", None), ("and by features", ("encode_image", "fusion"))):
        student = images(emoji, seed)
        wrapper, taught = kf.transfer.distill(student, teacher, splits(emoji), temperature=3.0, features=features)
        learn(wrapper, taught, config(seed, epochs=12))
        found.setdefault(name, []).append(decided(student, emoji))
show("knowledge transfer", found, emoji)

# %% [markdown]
# A teacher that knows hardly more than its student has little to give. It is another matter where few rows are
# labelled, notes make it easy to learn from these, and there are many more images with notes than labels: whoever
# has learned from few to read can name all of the others (arXiv 1507.00448). Drawn things of four colors and four
# shapes, 64 of them labelled; the student hears the teacher alone (`alpha=1.0`), and all take about as many steps.

# %%
things = drawn(arguments.output_dir / "things", "both", 200 if arguments.quick else 4000, seed=9, careful=True)
things = kf.data.load(things, image="x", text="note", label="y", split="split", image_size=32)
found = {"teacher, image and note": [], "student alone": [], "taught, the same rows": [], "taught, all pairs": []}
for seed in seeds:
    random = np.random.default_rng(seed)
    labelled, held_out = (split.take(random.permutation(len(split))[:64]) for split in splits(things))
    keras.utils.set_random_seed(seed)
    teacher_of_things = kf.models.fusion_model(things.schema, text_encoder="average", image_encoder=CNN, units=64)
    learn(teacher_of_things, [labelled, held_out], config(seed, 600, 16))
    found["teacher, image and note"].append(decided(teacher_of_things, things))
    alone = learn(images(things, seed), [labelled, held_out], config(seed, 600, 16))
    found["student alone"].append(decided(alone, things))
    for name, rows_seen, epochs, batch_size in (
        ("taught, the same rows", labelled, 600, 16),
        ("taught, all pairs", things.splits["train"], 80, 64),
    ):
        student = images(things, seed)
        asked = [rows_seen, held_out]
        wrapper, taught = kf.transfer.distill(student, teacher_of_things, asked, temperature=3.0, alpha=1.0)
        learn(wrapper, taught, config(seed, epochs, batch_size))
        found[name].append(decided(student, things))
show("knowledge transfer, 64 labels", found, things)

# %% [markdown]
# The formula as it stands: K says how much an image and a name have to do with each other. To the teacher, two emoji
# are alike as far as it expects the same class of both. f, g and h are fitted to that on the training rows, where x
# are features of the images by a network of animals, y those of the names by the teacher; on new rows they are
# asked about pairs that nobody has judged.

# %%
emoji_splits = {"train": emoji.splits["train"], "scored": emoji.splits[arguments.on]}
known = {
    name: [
        kf.transfer.extract_features(parent, "encode_image", split),
        kf.transfer.extract_features(teacher, "encode_text", split),
        postprocess(teacher, predict_logits(teacher, split))[task.name]["probabilities"],
    ]
    for name, split in emoji_splits.items()
}


def similarity_error(said, knowledge):
    """Squared difference from the teacher's similarities; a batch is all of its pairs."""
    return ops.mean((ops.matmul(said, ops.transpose(said)) - knowledge) ** 2)


print()
x, y, said = known["scored"]
similarity = said @ said.T
errors = {"always the mean": float(np.mean((similarity - (known["train"][2] @ known["train"][2].T).mean()) ** 2))}
for name, hidden in (("f(X) · g(Y)", 0), ("f(X) · g(Y) + h(X, Y)", 16)):
    keras.utils.set_random_seed(0)
    inputs = [keras.Input((part.shape[1],)) for part in known["train"][:2]]
    scaled = [keras.layers.Normalization() for _ in inputs]
    for layer, part in zip(scaled, known["train"], strict=False):
        layer.adapt(part)
    normal = [layer(part) for layer, part in zip(scaled, inputs, strict=True)]
    bilinear = keras.Model(inputs, BilinearKnowledge(16, hidden)(normal))
    bilinear.compile(keras.optimizers.Adam(2e-3), similarity_error)
    bilinear.fit(
        known["train"][:2], known["train"][2], batch_size=128, epochs=2 if arguments.quick else 40, verbose=0
    )
    errors[name] = float(np.mean((similarity - np.array(bilinear([x, y]))) ** 2))
for name, error in errors.items():
    print(f"  {name:40} squared error of the similarities {error:.4f}")
    rows.append({"model": f"knowledge: {name}", "metric": "squared error", "value": error, "n": len(x)})

# %% [markdown]
# A language model puts images into words, says the article, and takes one that sorts sentences. What can be carried
# over is what a captioner's decoder needs as well: which word follows on which. So it learns sentences first, with
# nothing to look at, and then, with the same weights, to describe photos, of which a few have one caption each. The
# sentences are those of other photos; their words come into the vocabulary of both captioners. Two figures, as there
# are two things to know: how well the next word of a person's caption is foretold, which language alone does in part,
# and how like what people say is what is written, which takes a look at the photo.

# %%
FEW, MANY, SCORED = (8, 30, 8) if arguments.quick else (600, 6000, 300)


def photos(folder):
    """Photos to learn from with a caption, others to validate on and to score with five; and further captions."""
    table = pd.read_json(folder / "data.jsonl", lines=True).replace({"split": {"dev": "validation"}})
    table["x"] = [str((folder / name).resolve()) for name in table["image"]]
    table = table.sample(frac=1, random_state=0)
    parts = {split: part for split, part in table.groupby("split")}
    shown = parts["train"][: FEW * len(seeds)]
    shown = shown.assign(captions=[captions[0] for captions in shown["captions"]])
    others = parts["train"]["captions"][len(shown) :].explode()
    table = pd.concat([shown, parts["validation"][: 100 + SCORED], parts["test"][:SCORED]])
    return table[["x", "captions", "split"]], others.tolist()[:MANY]


if arguments.quick:
    captioned, others = tables[2].drop(columns="y").rename(columns={"note": "captions"}), ["red circle"] * MANY
    looking_at = {"image_encoder": CNN, "decoder": {"name": "transformer", "num_layers": 1}, "units": 16}
else:
    captioned, others = photos(Path(arguments.data_dir) / "flickr8k_128")
    weights = mobilenet_weights(arguments.data_dir)
    look = {"name": "mobilenet_v2", "alpha": 0.35, "weights": weights, "units": None}
    looking_at = {"image_encoder": look, "decoder": "transformer", "units": 128, "dropout": 0.3}
told = kf.data.load(
    captioned,
    image="x",
    label="captions",
    problem_type="captioning",
    split="split",
    sequence_length=None if arguments.quick else 20,
    image_size=32 if arguments.quick else 128,
    allow_external_paths=True,
)
told, sentences = kf.transfer.extend_vocabulary(told, others, max_tokens=2000)
(caption,) = told.schema.tasks


def of_images(examples, first, last):
    """The rows of some of the images."""
    index = examples.images["image"]
    return examples.take(np.flatnonzero(np.isin(index, np.unique(index)[first:last])))


half = len(np.unique(told.splits["validation"].images["image"])) // 4
to_choose = of_images(told.splits["validation"], 0, half)
scored = told.splits["test"] if arguments.on == "test" else of_images(told.splits["validation"], half, None)
places, references = caption_rows(scored, caption)
print()
for seed in seeds:
    described = of_images(told.splits["train"], seed * FEW, (seed + 1) * FEW)
    for name in ("captioner", "captioner that learned sentences first"):
        keras.utils.set_random_seed(seed)
        writer = kf.models.captioner(told.schema, **looking_at)
        if name != "captioner":
            kf.transfer.pretrain_decoder(
                writer, sentences, to_choose, config(seed, 3), arguments.output_dir / "fit", verbose=0
            )
        learn(writer, [described, to_choose], config(seed, 12, rate=1e-3))
        cider = score_captions(generate_captions(writer, scored.take(places)), references).cider
        logits = predict_logits(writer, scored)[caption.name]
        loss = float(kf.losses.CaptionCrossentropy()(scored.labels[caption.name][:, 1:], logits))
        print(f"  seed {seed}, {name:40} {cider}, loss of a word {loss:.3f}")
        figures = {"model": f"language transfer, {FEW} photos: {name}", "n": len(places), "seed": seed}
        rows.append({**figures, "metric": "CIDEr", "value": cider.value, "low": cider.low, "high": cider.high})
        rows.append({**figures, "metric": "loss of a word", "value": loss})

# %% [markdown]
# ## 4. Structure transfer
#
# T makes a network for the new task of the old one's structure. `transfer_weights` copies whatever still has its
# place, here
# all but the head, and says so; `widen` then doubles the last representation without changing a single answer, so
# that there is room to learn. Both start from what is known about animals.

# %%
found = {"structure alone (from scratch)": [], "structure and weights": [], "and widened": []}
for seed in seeds:
    labelled = some(vehicles, 0.5 if arguments.quick else 0.1, seed)
    fresh = images(vehicles, seed)
    report = kf.transfer.transfer_weights(fresh, parent, vehicles.schema, animals.schema)
    wide = kf.transfer.widen(fresh, "fusion", 128, seed=seed)
    for name, model in zip(found, (images(vehicles, seed), fresh, wide), strict=True):
        learn(model, labelled, config(seed, 15, 32, rate=1e-3))
        found[name].append(decided(model, vehicles))
print(f"\n{report.to_string(index=False)}")
show(f"structure transfer, {len(labelled[0])} rows", found, vehicles)

# %% [markdown]
# ## 5. With few weights
#
# A transformer over patches learned the animals. For the vehicles it is changed by the head alone, by the head and
# changes of rank 4 to its kernels, by the head and small networks behind its layers (bottleneck adapters), or in all
# weights. AdaLoRA begins with rank 6 everywhere and takes a third of it away while it learns, where it is needed
# least: in the end it is 4 on average.

# %%
VIT = {"name": "vit", "patch_size": 8, "num_layers": 1 if arguments.quick else 3}
looking = learn(images(animals, 0, VIT), splits(animals), config(0, epochs=12))
names = ("head alone", "rank 4 and head", "rank 4 on average and head", "bottlenecks of 8 and head", "all weights")
found = {name: [] for name in names}
for seed in seeds:
    labelled = some(vehicles, 0.5 if arguments.quick else 0.1, seed)
    found["head alone"].append(decided(probed(looking, labelled, config(seed, 15, 32, rate=1e-2)), vehicles))
    keras.utils.set_random_seed(seed)
    model = kf.transfer.replace_head(looking, "encode_image", vehicles.schema)
    adapted = kf.transfer.enable_lora(model, rank=4)
    merged = kf.transfer.merge_lora(learn(model, labelled, config(seed, 15, 32)))
    found["rank 4 and head"].append(decided(merged, vehicles))
    keras.utils.set_random_seed(seed)
    model = kf.transfer.replace_head(looking, "encode_image", vehicles.schema)
    kf.transfer.enable_lora(model, rank=6, budget=4)
    shared_out = learn(model, labelled, config(seed, 15, 32))
    found["rank 4 on average and head"].append(decided(shared_out, vehicles))
    keras.utils.set_random_seed(seed)
    model = kf.transfer.replace_head(looking, "encode_image", vehicles.schema)
    narrow = kf.transfer.add_adapters(model, 8)
    found["bottlenecks of 8 and head"].append(decided(learn(model, labelled, config(seed, 15, 32)), vehicles))
    keras.utils.set_random_seed(seed)
    model = kf.transfer.replace_head(looking, "encode_image", vehicles.schema)
    found["all weights"].append(decided(learn(model, labelled, config(seed, 15, 32, rate=5e-4)), vehicles))
print(f"\n{adapted}\n{narrow}")
show(f"few weights, {len(labelled[0])} rows", found, vehicles)
for name, changes in (("rank 4", adapted), ("bottlenecks of 8", narrow)):
    rows.append(
        {"model": f"few weights: {name} and head", "metric": "share of weights trained", "value": changes.share}
    )

# %% [markdown]
# ## 6. A SavedModel
#
# After `merge` nothing of the adapters is left: it is exported and served as any other.

# %%
test = vehicles.splits["test"]
raw = {"image_bytes": [test.banks["image"].encoded(place) for place in test.images["image"][:4]]}
report = kf.verify(export_model(merged, vehicles.schema, arguments.output_dir / "saved_model", raw))
print(report)

figure = Figure(figsize=(6, 3.8), layout="constrained")
axes = figure.subplots()
for (name, points), color in zip(curves.items(), ("#1f6feb", "#1a7f37", "#9aa4b2"), strict=False):
    axes.plot(*zip(*points, strict=True), "o-", color=color, label=name)
axes.set(title="feature transfer", xlabel="labelled vehicles", ylabel="accuracy", xscale="log")
axes.grid(alpha=0.3)
axes.legend(frameon=False)
figure.savefig(arguments.output_dir / "feature_transfer.png", dpi=120)
print(f"Image: {arguments.output_dir / 'feature_transfer.png'}")

if arguments.results:
    command = f"python experiments/11_transfer.py --data-dir DATA --seeds {arguments.seeds} --on {arguments.on}"
    command += " --quick" * arguments.quick + " --results experiments/results/transfer.csv"
    _common.record(arguments.results, [row for row in rows if "seed" not in row], "11_transfer", command)
    for seed in seeds:
        own = [row for row in rows if row.get("seed") == seed]
        _common.record(arguments.results, own, f"11_transfer, language, {seed}", command, seed)

# %% [markdown]
# ## What to change
#
# Cut at an earlier layer of a deeper network: where do animals end and images begin? Teach with `alpha=1.0`,
# without labels. Let the student read and not see.

# %%
_common.finish(report.ok)
