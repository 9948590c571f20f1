# %% [markdown]
"""# Fusion transformer: read image and text together

- Article: 002, sections 3.2 and 4
- What you will learn: a joint transformer encoder with a caption decoder, and what its context loss gains
- Time: hours for all settings (`--quick`: a minute)
- Data: drawn scenes, each with one hidden object and a hint

```shell
python experiments/09_fusion_transformer.py
python experiments/09_fusion_transformer.py --settings 1 5 --seeds 1
python experiments/09_fusion_transformer.py --quick
```

The article describes a transformer that encodes image features and a text jointly, a second one that generates a
description, and a loss with two terms, `L_fuse = α·L_ctx + β·L_gen`. Its code does not run, and it leaves the
important questions open:

| the article                                | the problem                             | here                      |
|--------------------------------------------|-----------------------------------------|---------------------------|
| `FusionTransformer`, `VGGFeatureExtractor` | the package has no such classes         | `fusion_transformer`      |
| a forward pass under `no_grad`, an         | nothing is trained; a loss has no       | Keras `fit`               |
| optimizer over `fuse_loss.parameters()`    | parameters                              |                           |
| both terms compare `sigmoid(gen)` with     | one term under two names; `inputs` has  | two outputs, two losses   |
| `inputs[2]` and `inputs[3]`                | only two entries                        |                           |
| squared distance between sentences         | token ids have no distance              | cross-entropy per token   |
| the input text is the description          | the model can copy it                   | a hint about what the     |
|                                            |                                         | image hides               |
| "the annotated context vector"             | if it is learned too, a constant vector | a frozen, pretrained text |
|                                            | minimizes the loss                      | encoder                   |
"""

# %%
import dataclasses
import tempfile
from pathlib import Path

import _common
import keras
import numpy as np
from _datasets import draw_occluded_scenes

import kerasfusion as kf
from kerasfusion.data.shapes_world import describes

parser = _common.tutorial_parser(__doc__, "09_fusion_transformer", drawn=True)
parser.add_argument("--scenes", type=int, default=6000, help="training scenes")
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("--seeds", type=int, default=3, help="seeds per setting")
parser.add_argument("--settings", nargs="+", help="train only these settings of part 4, by number from 1")
arguments = _common.parse(parser)
if arguments.quick:
    arguments.scenes, arguments.epochs, arguments.seeds = 200, 1, 1

# %% [markdown]
# ## 1. Draw scenes that need both modalities
#
# Each image shows two or three shapes, one of them behind a black square. The hint names the hidden object ("a large
# red circle is hidden") but not the others. Neither image nor hint is enough to describe the scene. The metric is the
# share of captions that describe their scene exactly.

# %%
scratch = tempfile.TemporaryDirectory()
table, test_scenes = draw_occluded_scenes(Path(scratch.name), arguments.scenes)
columns = {"image": "image", "label": "caption", "problem_type": "captioning", "image_size": 64}
data = kf.data.load(table, text="hint", **columns)
print(data.splits["test"].frame[["hint", "caption"]].head(3).to_string(index=False))


def exact_share(model, examples):
    captions = kf.evaluation.generate_captions(model, examples)
    return np.mean([describes(caption, scene) for caption, scene in zip(captions, test_scenes, strict=True)])


# %% [markdown]
# ## 2. How the model joins the modalities
#
# Every image cell and every word of the hint is a token. In each transformer block, all tokens attend to each other,
# and the decoder attends to all of them for every word it generates. A missing image or hint is replaced by one
# learned token.
#
# ## 3. Train a target for the context loss
#
# The context loss pulls the mean of all tokens towards an embedding of the caption. This embedding must be fixed: if
# it were learned along with the model, the loss would be smallest for the same vector everywhere. We take it from a
# dual encoder that is first trained to match images and captions, and then frozen.


# %%
def train_dual_encoder():
    pairs = kf.data.load(table, image="image", text="caption", problem_type="retrieval", image_size=64, split="split")
    config = kf.training.TrainingConfig(epochs=arguments.epochs, batch_size=128, patience=None)
    options = {"text_encoder": "average", "units": 64}
    run = kf.train(pairs, "dual_lstm_cnn", arguments.output_dir / "matcher", config, overwrite=True, **options)
    print(run.metrics["tasks"]["match"]["verdict"])
    return run


# %% [markdown]
# ## 4. Measure what each loss and each input gains
#
# The same model trains with different context weights α (β is 1), with learned loss weights, and without the hint.
# Every model that reads both inputs is also tested with one of them removed: how much does it rely on each?

# %%
SETTINGS = {
    "α = 0": {},
    "α = 0.3": {"alpha": 0.3},
    "α = 1": {"alpha": 1.0},
    "α = 3": {"alpha": 3.0},
    "α learned": {"alpha": 1.0, "learn_loss_weights": True},
    "α = 0, without the hint": {"only": "image"},
}
numbers = [int(number) for number in arguments.settings or ([1, 5] if arguments.quick else range(1, 7))]
SETTINGS = {name: SETTINGS[name] for name in (list(SETTINGS)[number - 1] for number in numbers)}
dual_encoder = train_dual_encoder() if any("alpha" in options for options in SETTINGS.values()) else None
config = kf.training.TrainingConfig(
    epochs=arguments.epochs, batch_size=64, learning_rate=1e-3, global_clipnorm=1.0, patience=None
)
size = {"units": 96, "dropout": 0.0, "decoder": {"name": "transformer", "num_layers": 2}}
command = f"python experiments/09_fusion_transformer.py --scenes {arguments.scenes} --epochs {arguments.epochs}"
command += f" --seeds {arguments.seeds}"
command += f" --settings {' '.join(arguments.settings)}" if arguments.settings else ""
command += " --quick" * arguments.quick
command += " --results experiments/results/fusion_transformer.csv"
# An interrupted study continues: what the same command has recorded is not trained again.
recorded = {
    row["experiment"]: float(row["value"]) for row in _common.recorded(arguments.results) if row["command"] == command
}


def evaluate(name, model, examples, seed):
    value = exact_share(model, examples)
    print(f"{name}, seed {seed}: {value:.1%} of captions exact")
    row = {"model": name, "metric": "scenes described exactly", "value": value, "n": len(test_scenes)}
    _common.record(arguments.results, [row], f"09_fusion_transformer: {name}, seed {seed}", command, seed)
    return value


exported = None
for name, setting in SETTINGS.items():
    options = dict(setting)
    alpha, only = options.pop("alpha", None), options.pop("only", None)
    inputs = data if only is None else kf.data.load(table, text=[], **columns)
    if alpha is not None:
        inputs = kf.workflows.add_caption_embeddings(inputs, dual_encoder, context_weight=alpha)
    test, shares = inputs.splits["test"], []
    for seed in range(arguments.seeds):
        if (value := recorded.get(f"09_fusion_transformer: {name}, seed {seed}")) is not None:
            shares.append(value)
            continue
        folder = arguments.output_dir / f"{name}_{seed}".replace(" ", "").replace("=", "").replace(",", "_")
        keras.utils.set_random_seed(seed)
        model = kf.create_model("fusion_transformer", inputs.schema, **size, **options)
        seed_config = dataclasses.replace(config, seed=seed)
        kf.training.fit(model, inputs.splits["train"], inputs.splits["validation"], seed_config, folder)
        shares.append(evaluate(name, model, test, seed))
        if only is None:
            no_image = test.without("image")
            evaluate(f"{name}, asked without the image", model, no_image, seed)
            no_hint = test.without("text")
            evaluate(f"{name}, asked without the hint", model, no_hint, seed)
            exported = exported or (model, inputs)
    print(f"{name}: {np.mean(shares):.1%}, mean of {len(shares)} seeds")

# %% [markdown]
# ## 5. Export a model that reads both
#
# The SavedModel takes image bytes and the hint. `prompt` is the required beginning of the caption: compare the
# caption without a prompt with one that has to start with "two".

# %%
if exported is None:
    print("No model that reads both inputs was trained in this run, so there is none to export.")
    raise SystemExit(0)
model, inputs = exported
test = inputs.splits["test"]
request = {
    "image_bytes": [test.banks["image"].encoded(i) for i in test.arrays["image"][:4]],
    "text": [text.encode() for text in test.raw(test.schema["text"])[:4]],
}
version = kf.serving.export_model(model, inputs.schema, arguments.output_dir / "saved_model", request)
report = kf.verify(version)
print(report)
with kf.serving.CApiSession(version) as session:
    for title, prompt in (("no prompt", b""), ("prompt 'two'", b"two")):
        outputs = session.run("caption", {**request, "prompt": [prompt] * 4, "strategy": [b"beam"] * 4})
        print(f"{title}: {outputs['caption'][0].decode()}")

# %% [markdown]
# ## Try it yourself
#
# Let the hint name a visible object instead. How much of the caption is copied from it?

# %%
_common.finish(report.ok)
