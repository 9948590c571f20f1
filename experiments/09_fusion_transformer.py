# %% [markdown]
"""# The fusion transformer: image and text read together

- Article: 002, sections 3.2 and 4
- What you will learn: a joint transformer encoder with a caption decoder, and what its context term gains
- Time: hours for all settings (`--quick`: a minute)
- Data: drawn scenes

```shell
python experiments/09_fusion_transformer.py                      # drawn scenes, some under a blot
python experiments/09_fusion_transformer.py --quick              # a minute
```

The article describes a transformer that encodes the features of an image and a text jointly, another one that
writes a description, and a loss of two terms, `L_fuse = α·L_ctx + β·L_gen`. Its code cannot run, and leaves open what
matters:

| the article                                | what happens                             | here                       |
|--------------------------------------------|------------------------------------------|----------------------------|
| `FusionTransformer`, `VGGFeatureExtractor` | the package has no such classes          | `fusion_transformer`       |
| forward under `no_grad`, an optimizer      | nothing could learn; a loss has no       | Keras's `fit`              |
| of `fuse_loss.parameters()`                | parameters                               |                            |
| both terms compare `sigmoid(gen)`, with    | one thing by two names, whatever α and β | two outputs, two losses    |
| `inputs[2]` and `inputs[3]`                | are; and `inputs` has two entries        |                            |
| a distance between sentences, squared      | token ids have no distance               | cross-entropy of each word |
| the text beside the image is its         | a model that reads it copies it          | a hint says what the       |
| description                                |                                          | image does not show      |
| "the annotated context vector"             | if it is learned as well, one vector for | a text encoder, trained    |
|                                            | everything is the best                   | before, and kept as it is  |
"""

# %%
import dataclasses
import tempfile
from pathlib import Path

import _common
import keras
import numpy as np
import pandas as pd
from PIL import Image

import kerasfusion as kf
from kerasfusion.data.shapes_world import Scene, caption, describes, draw_scene
from kerasfusion.data.shapes_world.scene import sample_scene
from kerasfusion.evaluation.captions import generate_captions
from kerasfusion.serving import CApiSession

parser = _common.tutorial_parser(__doc__, "09_fusion_transformer", drawn=True)
parser.add_argument("--scenes", type=int, default=6000, help="training scenes")
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("--seeds", type=int, default=3, help="seeds of the table in section 4")
parser.add_argument("--settings", nargs="+", help="only these of section 4, by their numbers from 1")
arguments = _common.parse(parser)
if arguments.quick:
    arguments.scenes, arguments.epochs, arguments.seeds = 200, 1, 1

# %% [markdown]
# ## 1. An image that does not show everything, and a text that knows the rest
#
# Two or three shapes, one of them under a black blot. The hint says what is under it, but not what else there is: "a
# large red circle is hidden". Neither the image nor the hint is enough to describe the scene, which is the point of
# reading both.


# %%
def drawn(folder, scenes, seed):
    """A table of images with a hint and a caption each, and the scenes behind them."""
    rng, rows, found, seen = np.random.default_rng(seed), [], [], set()
    splits = {"train": scenes, "validation": max(60, scenes // 12), "test": max(60, scenes // 12)}
    (folder / "images").mkdir(parents=True)
    for split, count in splits.items():
        for _ in range(count):
            scene = None
            while scene is None or scene.key() in seen:
                some = sample_scene(rng).objects
                scene = Scene(some[: rng.integers(2, 4)])
            seen.add(scene.key())
            pixels, hidden = draw_scene(scene, rng), scene.objects[rng.integers(len(scene.objects))]
            row, column = int(64 * hidden.y), int(64 * hidden.x)
            pixels[max(0, row - 11) : row + 12, max(0, column - 11) : column + 12] = 0
            name = f"images/{len(rows)}.png"
            Image.fromarray(pixels).save(folder / name)
            hint = f"a {hidden.size} {hidden.color} {hidden.shape} is hidden"
            rows.append({"image": name, "hint": hint, "caption": caption(scene), "split": split})
            found.append(scene)
    pd.DataFrame(rows).to_csv(folder / "scenes.csv", index=False)
    return folder / "scenes.csv", [scene for row, scene in zip(rows, found, strict=True) if row["split"] == "test"]


scratch = tempfile.TemporaryDirectory()
table, scenes = drawn(Path(scratch.name), arguments.scenes, seed=0)
roles = {"image": "image", "label": "caption", "problem_type": "captioning", "image_size": 64}
data = kf.data.load(table, text="hint", **roles)
print(data.splits["test"].frame[["hint", "caption"]].head(3).to_string(index=False))


def exact(model, examples):
    """Share of greedy captions that describe their scene exactly."""
    written = generate_captions(model, examples)
    return np.mean([describes(text, scene) for text, scene in zip(written, scenes, strict=True)])


# %% [markdown]
# ## 2. The joint encoder
#
# Every cell of the image and every word of the hint is a token. In `depth` blocks all look at all others; then the
# decoder writes, looking at the tokens for each word. Where an image or a hint is missing, one learned token stands
# in its place.

# %% [markdown]
# ## 3. The context term
#
# The mean of all tokens is taught to be near to what the caption means, as a vector. For that the vector must not
# move while the model does: if both were learned, the nearest they could be is the same vector for everything. Here
# it comes from a dual encoder that was trained to find the captions of images, and is kept.


# %%
def trained_matcher():
    """A dual encoder that finds the captions of these images."""
    whole = kf.data.load(table, image="image", text="caption", problem_type="retrieval", image_size=64, split="split")
    config = kf.training.TrainingConfig(epochs=arguments.epochs, batch_size=128, patience=None)
    small = {"text_encoder": "average", "units": 64}
    run = kf.train(whole, "dual_lstm_cnn", arguments.output_dir / "matcher", config, overwrite=True, **small)
    print(run.metrics["tasks"]["match"]["verdict"])
    return run


# %% [markdown]
# ## 4. What each term, and each input, buys
#
# The same network with different α (β is 1), with weights that are learned, and without the hint or the image.

# %%
SETTINGS = {
    "α = 0": {},
    "α = 0.3": {"alpha": 0.3},
    "α = 1": {"alpha": 1.0},
    "α = 3": {"alpha": 3.0},
    "α learned": {"alpha": 1.0, "learn_loss_weights": True},
    "α = 0, without the hint": {"only": "image"},
}
wanted = [int(number) for number in arguments.settings or ([1, 5] if arguments.quick else range(1, 7))]
SETTINGS = {name: SETTINGS[name] for name in (list(SETTINGS)[number - 1] for number in wanted)}
matcher = trained_matcher() if any("alpha" in changes for changes in SETTINGS.values()) else None
config = kf.training.TrainingConfig(
    epochs=arguments.epochs, batch_size=64, learning_rate=1e-3, global_clipnorm=1.0, patience=None
)
size = {"units": 96, "dropout": 0.0, "decoder": {"name": "transformer", "num_layers": 2}}
command = f"python experiments/09_fusion_transformer.py --scenes {arguments.scenes} --epochs {arguments.epochs}"
command += f" --seeds {arguments.seeds}"
command += f" --settings {' '.join(arguments.settings)}" if arguments.settings else ""
command += " --quick" * arguments.quick
command += " --results experiments/results/fusion_transformer.csv"


# What an interrupted run has recorded with the same command is not made again.
recorded = _common.recorded(arguments.results)
recorded = {row["experiment"]: float(row["value"]) for row in recorded if row["command"] == command}


def share_exact(name, model, examples, seed):
    """The share of captions that are exact, printed, and recorded at once: the whole table takes hours."""
    value = exact(model, examples)
    print(f"{name}, seed {seed}: {value:.1%} of captions exact")
    if arguments.results:
        row = {"model": name, "metric": "scenes described exactly", "value": value, "n": len(scenes)}
        _common.record(arguments.results, [row], f"09_fusion_transformer: {name}, seed {seed}", command, seed)
    return value


both = None
for name, given in SETTINGS.items():
    changes = dict(given)
    alpha, only = changes.pop("alpha", None), changes.pop("only", None)
    own = data if only is None else kf.data.load(table, text=[], **roles)
    own = own if alpha is None else kf.workflows.add_caption_embeddings(own, matcher, context_weight=alpha)
    test, shares = own.splits["test"], []
    for seed in range(arguments.seeds):
        if (before := recorded.get(f"09_fusion_transformer: {name}, seed {seed}")) is not None:
            shares.append(before)
            continue
        folder = arguments.output_dir / f"{name}_{seed}".replace(" ", "").replace("=", "").replace(",", "_")
        keras.utils.set_random_seed(seed)
        model = kf.create_model("fusion_transformer", own.schema, **size, **changes)
        model_config = dataclasses.replace(config, seed=seed)
        kf.training.fit(model, own.splits["train"], own.splits["validation"], model_config, folder)
        shares.append(share_exact(name, model, test, seed))
        if only is None:
            # What is left when one of the two inputs is taken away from a model that learned from both:
            blind = dataclasses.replace(test, images={"image": np.full(len(test), -1, "int32")})
            share_exact(f"{name}, asked without the image", model, blind, seed)
            deaf = dataclasses.replace(test, text={"text": np.zeros_like(test.text["text"])})
            share_exact(f"{name}, asked without the hint", model, deaf, seed)
            both = both or (model, own)
    print(f"{name}: {np.mean(shares):.1%} on the mean of {len(shares)} seeds")

# %% [markdown]
# ## 5. A SavedModel that reads both

# %%
if both is None:
    print("No model that reads both was trained now, so there is none to export.")
    raise SystemExit(0)
model, own = both
test = own.splits["test"]
inputs = {
    "image_bytes": [test.banks["image"].encoded(i) for i in test.images["image"][:4]],
    "text": [text.encode() for text in test.raw(test.schema["text"])[:4]],
}
version = kf.serving.export_model(model, own.schema, arguments.output_dir / "saved_model", inputs)
report = kf.verify(version)
print(report)
with CApiSession(version) as session:
    for key, prompt in (("as it is", b""), ("from 'two'", b"two")):
        answer = session.run("caption", {**inputs, "prompt": [prompt] * 4, "strategy": [b"beam"] * 4})
        print(f"{key}: {answer['caption'][0].decode()}")

# %% [markdown]
# ## What to change
#
# Let the hint name an object that can be seen: how much of what is written is copied from it?

# %%
_common.finish(report.ok)
