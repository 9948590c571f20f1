# %% [markdown]
"""# Transfer learning

- Article: 003, sections 3 and 4
- What you will learn: reuse a trained network through its features, its predictions, its weights, and by LoRA or
  adapters
- Time: about 40 minutes on one core (`--quick`: a minute)
- Data: DATA/cifar10, DATA/noto_emoji, DATA/flickr8k_128 and DATA/mobilenet_v2_035; drawn shapes with `--quick`

```shell
pip install "kerasfusion[caption]"                   # the packages that score captions
python experiments/11_transfer.py --data-dir DATA    # about 40 minutes on one core
python experiments/11_transfer.py --quick            # a minute, on shapes drawn on the spot
```

The article describes three kinds of transfer. Its code for the first trains on the outputs of a softmax rather than
on features, and its code for the second asks a sentence classifier to write captions, which it cannot do. This
tutorial implements all three and compares each method with a baseline:

| the article | here | baseline |
|---|---|---|
| feature transfer, `f(x) = W φ(x) + b` | a linear probe, then fine-tuning | training from scratch |
| image features for a text classifier | image features as numeric inputs beside the text | the text alone |
| knowledge transfer, `K = f(X) · g(Y) + h(X, Y)` | distillation; a learned similarity | no teacher; `K` without `h` |
| a language model that writes captions | a caption decoder pretrained on sentences | no pretraining |
| structure transfer, `M = T(S)` | weight transfer to new classes, and widening | training from scratch |
| (not in the article) | LoRA, AdaLoRA and bottleneck adapters | a linear probe, all weights |
"""

# %%
import _common
import _transfer
import keras
import numpy as np
from _scores import Scoreboard
from _transfer import sample, train_and_validation
from keras import ops

import kerasfusion as kf
from kerasfusion.evaluation import postprocess, predict_logits

parser = _common.tutorial_parser(__doc__, "11_transfer", seeds=3)
arguments = _common.parse(parser)
_transfer.check_requirements(parser, arguments)
quick, on = arguments.quick, arguments.on
seeds = range(1 if quick else arguments.seeds)

# %% [markdown]
# ## 1. Data and models
#
# The source task has many labels: six animals of CIFAR-10. The target task has few: its four kinds of vehicles. No
# image belongs to both. A third data set holds emoji: an image, a name and a coarse class.

# %%
animals, vehicles = _transfer.load_images(arguments)
emoji = _transfer.load_emoji(arguments)
for data in (animals, vehicles, emoji):
    print({name: len(split) for name, split in data.splits.items()}, data.schema.tasks[0].classes)

# %% [markdown]
# The classifiers are a small CNN, and the same CNN with a bag-of-embeddings text branch. All are trained by
# `kf.training.fit`, which restores the weights of the best validation epoch.

# %%
SMALL_CNN = {"name": "small_cnn", "filters": (16, 32) if quick else (16, 32, 64)}
fit_dir = arguments.output_dir / "fit"


def image_classifier(data, seed, image_encoder=SMALL_CNN):
    keras.utils.set_random_seed(seed)
    return kf.models.fusion_model(data.schema.only("image"), image_encoder=image_encoder, units=64)


def image_text_classifier(data, seed, **settings):
    keras.utils.set_random_seed(seed)
    settings = {"text_encoder": "average", "image_encoder": SMALL_CNN, "units": 64, **settings}
    return kf.models.fusion_model(data.schema, **settings)


def config(seed, epochs, batch_size=64, learning_rate=2e-3):
    settings = {"batch_size": batch_size, "learning_rate": learning_rate, "patience": None, "seed": seed}
    return kf.training.TrainingConfig(epochs=1 if quick else epochs, **settings)


def train(model, splits, config):
    kf.training.fit(model, *splits, config, fit_dir, verbose=0)
    return model


# %% [markdown]
# Each experiment below is a generator that takes a seed and yields the name and the model of every method. The
# scoreboard runs it with all seeds and prints accuracies with 95 % intervals. `sample` draws the labeled rows.

# %%
scoreboard = Scoreboard(seeds)
test_vehicles, test_emoji = vehicles.splits[on], emoji.splits[on]

# %% [markdown]
# ## 2. Feature transfer
#
# A network learns the animals; the output of its layer `encode_image` is φ(x). A linear probe trains W and b alone,
# so each image passes through the network only once. Fine-tuning continues from the probe and updates φ too. The
# baseline trains the same network from scratch on the same labeled vehicles. Compare the three as labels are added.

# %%
parent = train(image_classifier(animals, seed=0), train_and_validation(animals), config(0, epochs=12))


def feature_transfer(seed, fraction, epochs, batch_size):
    labeled, steps = sample(vehicles, fraction, seed), (seed, epochs, batch_size)
    keras.utils.set_random_seed(seed)
    probe_config = config(*steps, learning_rate=1e-2)
    probe = kf.transfer.linear_probe(parent, "encode_image", *labeled, probe_config, fit_dir, verbose=0)
    yield "linear probe", probe
    # From the trained head: the gradients of a random one would distort the features below it.
    yield "fine-tuned", train(probe, labeled, config(*steps, learning_rate=5e-4))
    yield "from scratch", train(image_classifier(vehicles, seed), labeled, config(*steps))


learning_curves = {}
for fraction, epochs, batch_size in ((0.5, 1, 16),) if quick else ((0.01, 30, 16), (0.1, 15, 32), (1.0, 12, 64)):
    num_labels = len(sample(vehicles, fraction, seed=0)[0])
    title = f"feature transfer, {fraction:.0%} of the labels ({num_labels} rows)"
    settings = {"fraction": fraction, "epochs": epochs, "batch_size": batch_size}
    # With all labels there is nothing to sample: one seed.
    accuracies, _ = scoreboard.run(title, test_vehicles, feature_transfer, seeds if fraction < 1 else [0], **settings)
    for name, accuracy in accuracies.items():
        learning_curves.setdefault(name, []).append((num_labels, accuracy))
_transfer.plot_learning_curves(learning_curves, arguments.output_dir / "feature_transfer.png")

# %% [markdown]
# Features also transfer across modalities. `add_features` appends φ(x) to each row as a numeric feature, and a text
# classifier reads it beside the emoji's name. The animal network was never trained on emoji.

# %%
keras.utils.set_random_seed(0)
*splits, test = kf.transfer.add_features(parent, "encode_image", [*train_and_validation(emoji), test_emoji])


def features_across_modalities(seed):
    for name, kinds in (("words", ["text"]), ("words and features of the image", ["text", "numeric"])):
        keras.utils.set_random_seed(seed)
        model = kf.models.fusion_model(test.schema.only(*kinds), text_encoder="average", units=64, dropout=0.3)
        yield name, train(model, splits, config(seed, epochs=12))


scoreboard.run("features across modalities", test, features_across_modalities)

# %% [markdown]
# ## 3. Knowledge transfer
#
# The teacher reads both the image and the name of an emoji; the student gets the image alone. `distill` computes the
# teacher's predictions once and returns a wrapper that trains the student on them and, with equal weight, on the
# labels. The second student also learns to predict the teacher's fused representation (FitNets, arXiv 1412.6550).


# %%
def distilled(data, seed, teacher, splits, config, **settings):
    student = image_classifier(data, seed)
    train(*kf.transfer.distill(student, teacher, splits, temperature=3.0, **settings), config)
    return student


def knowledge_transfer(seed):
    splits, steps = train_and_validation(emoji), config(seed, epochs=12)
    teacher = train(image_text_classifier(emoji, seed, dropout=0.3), splits, steps)
    yield "teacher, image and name", teacher
    yield "student alone", train(image_classifier(emoji, seed), splits, steps)
    yield "student taught by answers", distilled(emoji, seed, teacher, splits, steps)
    hint = ("encode_image", "fusion")
    yield "and by features", distilled(emoji, seed, teacher, splits, steps, features=hint)


_, models = scoreboard.run("knowledge transfer", test_emoji, knowledge_transfer)
teacher = models["teacher, image and name"]

# %% [markdown]
# This teacher is hardly better than its student. Distillation pays off when labels are few but image-text pairs are
# many, and the text makes the task easy: the teacher learns from few labels and then labels all other images for the
# student (arXiv 1507.00448). Here 64 images of colored shapes have a label, and all of them have a note. The student
# is trained on the teacher's predictions alone (`alpha=1.0`), first on the same 64 rows, then on all pairs, in about
# as many steps. Compare it with the student without a teacher.

# %%
shapes = _transfer.load_shapes(arguments)


def few_labels(seed):
    rng = np.random.default_rng(seed)
    rows, validation = (part.take(rng.permutation(len(part))[:64]) for part in train_and_validation(shapes))
    pairs, labeled, steps = [shapes.splits["train"], validation], [rows, validation], config(seed, 600, 16)
    teacher = train(image_text_classifier(shapes, seed), labeled, steps)
    yield "teacher, image and note", teacher
    yield "student alone", train(image_classifier(shapes, seed), labeled, steps)
    yield "taught, the same rows", distilled(shapes, seed, teacher, labeled, steps, alpha=1.0)
    yield "taught, all pairs", distilled(shapes, seed, teacher, pairs, config(seed, 80, 64), alpha=1.0)


scoreboard.run("knowledge transfer, 64 labels", shapes.splits[on], few_labels)

# %% [markdown]
# The article's formula is the layer `BilinearKnowledge`: `K_ij` is the learned similarity of image i and name j, from
# the animal network's image features and the teacher's text features. It is fitted to the teacher's similarities: the
# probability that two emoji belong to the same class. On new rows, compare its squared error with that of the mean,
# and with the inner product alone (`hidden_dim=0`).


# %%
def inputs_and_probabilities(examples):
    x = kf.transfer.extract_features(parent, "encode_image", examples)
    y = kf.transfer.extract_features(teacher, "encode_text", examples)
    return [x, y], postprocess(teacher, predict_logits(teacher, examples))["label"]["probabilities"]


def similarity_error(probabilities, knowledge):
    return ops.mean((ops.matmul(probabilities, ops.transpose(probabilities)) - knowledge) ** 2)


xy, probabilities = inputs_and_probabilities(emoji.splits["train"])
test_xy, test_probabilities = inputs_and_probabilities(test_emoji)
similarities = test_probabilities @ test_probabilities.T
error = np.mean((similarities - (probabilities @ probabilities.T).mean()) ** 2)
scoreboard.add("knowledge", "always the mean", "squared error", error, n=len(similarities))
for name, hidden_dim in (("f(X) · g(Y)", 0), ("f(X) · g(Y) + h(X, Y)", 16)):
    keras.utils.set_random_seed(0)
    normalization = [keras.layers.Normalization() for _ in xy]
    for layer, features in zip(normalization, xy, strict=True):
        layer.adapt(features)
    inputs = [keras.Input(features.shape[1:]) for features in xy]
    normalized = [layer(tensor) for layer, tensor in zip(normalization, inputs, strict=True)]
    model = keras.Model(inputs, kf.layers.BilinearKnowledge(16, hidden_dim)(normalized))
    model.compile(keras.optimizers.Adam(2e-3), similarity_error)
    model.fit(xy, probabilities, batch_size=128, epochs=2 if quick else 40, verbose=0)
    error = np.mean((similarities - np.array(model(test_xy))) ** 2)
    scoreboard.add("knowledge", name, "squared error", error, n=len(similarities))

# %% [markdown]
# A sentence classifier cannot write captions, but a captioner's decoder can learn language before it sees an image:
# `pretrain_decoder` trains it on captions of other photos, and `extend_vocabulary` adds their tokens. Then it is
# trained on a few photos with one caption each. The loss per token measures how well the next token is predicted,
# partly from language alone; CIDEr measures agreement with human captions, which requires the image.

# %%
num_photos = 8 if quick else 600
captions, sentences = _transfer.load_captions(arguments, num_photos * len(seeds))
captions, sentences = kf.transfer.extend_vocabulary(captions, sentences, max_tokens=2000)
(task,) = captions.schema.tasks
validation, test = _transfer.split_captions(captions, on)
title = f"language transfer, {num_photos} photos"
for seed in seeds:
    photos = _transfer.take_images(captions.splits["train"], seed * num_photos, (seed + 1) * num_photos)
    for name in ("captioner", "captioner that learned sentences first"):
        keras.utils.set_random_seed(seed)
        captioner = kf.models.captioner(captions.schema, **_transfer.captioner_settings(arguments, SMALL_CNN))
        if name == "captioner that learned sentences first":
            kf.transfer.pretrain_decoder(captioner, sentences, validation, config(seed, 3), fit_dir, verbose=0)
        train(captioner, [photos, validation], config(seed, 12, learning_rate=1e-3))
        cider = kf.evaluation.evaluate_models({name: captioner}, test)[task.name].ciders[name]
        scoreboard.add(title, name, "CIDEr", cider.value, low=cider.low, high=cider.high, n=cider.n, seed=seed)
        logits = predict_logits(captioner, test)[task.name]
        loss = float(kf.losses.CaptionCrossentropy()(test.labels[task.name][:, 1:], logits))
        scoreboard.add(title, name, "loss of a word", loss, n=cider.n, seed=seed)

# %% [markdown]
# ## 4. Structure transfer
#
# T builds a network for the new task with the structure of the old one. `transfer_weights` then copies every weight
# that still fits, here all but the head, and returns a report. `widen` doubles the width of the fused representation
# without changing any output (Net2Net, arXiv 1511.05641), which adds capacity for the new task.

# %%
fraction = 0.5 if quick else 0.1
num_labels = len(sample(vehicles, fraction, 0)[0])


def structure_transfer(seed):
    labeled, steps = sample(vehicles, fraction, seed), config(seed, 15, 32, learning_rate=1e-3)
    model = image_classifier(vehicles, seed)
    report = kf.transfer.transfer_weights(model, parent, vehicles.schema, animals.schema)
    widened = kf.transfer.widen(model, "fusion", 128, seed=seed)
    yield "structure alone (from scratch)", train(image_classifier(vehicles, seed), labeled, steps)
    yield "structure and weights", train(model, labeled, steps)
    yield "and widened", train(widened, labeled, steps)
    if seed == 0:
        print(report.to_string(index=False))


scoreboard.run(f"structure transfer, {num_labels} rows", test_vehicles, structure_transfer)

# %% [markdown]
# ## 5. LoRA and adapters
#
# A vision transformer learns the animals. On the vehicles, train its head alone; the head and low-rank updates of its
# kernels (LoRA); the head and bottleneck adapters; or all weights. AdaLoRA starts at rank 6 and prunes to an average
# rank of 4, keeping the rank where it matters most. Compare accuracy with the share of weights trained.

# %%
vit = {"name": "vit", "patch_size": 8, "num_layers": 1 if quick else 3}
transformer = train(image_classifier(animals, 0, vit), train_and_validation(animals), config(0, epochs=12))
summaries = {}


def few_weights(seed):
    labeled = sample(vehicles, fraction, seed)
    keras.utils.set_random_seed(seed)
    probe_config = config(seed, 15, 32, learning_rate=1e-2)
    probe = kf.transfer.linear_probe(transformer, "encode_image", *labeled, probe_config, fit_dir, verbose=0)
    yield "head alone", probe
    for name, adapt, learning_rate in (
        ("rank 4 and head", lambda model: kf.transfer.enable_lora(model, rank=4), 2e-3),
        ("rank 4 on average and head", lambda model: kf.transfer.enable_lora(model, rank=6, budget=4), 2e-3),
        ("bottlenecks of 8 and head", lambda model: kf.transfer.add_adapters(model, units=8), 2e-3),
        ("all weights", lambda model: None, 5e-4),
    ):
        keras.utils.set_random_seed(seed)
        model = kf.transfer.replace_head(transformer, "encode_image", vehicles.schema)
        summaries[name] = adapt(model)
        yield name, train(model, labeled, config(seed, 15, 32, learning_rate=learning_rate))


_, models = scoreboard.run(f"few weights, {num_labels} rows", test_vehicles, few_weights)
for name in ("rank 4 and head", "bottlenecks of 8 and head"):
    print(summaries[name])
    scoreboard.add("few weights", name, "share of weights trained", summaries[name].share)

# %% [markdown]
# ## 6. Export
#
# `merge_lora` returns a plain model without adapters. It is exported and served like any other.

# %%
merged = kf.transfer.merge_lora(models["rank 4 and head"])
examples = vehicles.splits["test"].take(range(4)).raw_inputs()
version = kf.serving.export_model(merged, vehicles.schema, arguments.output_dir / "saved_model", examples)
report = kf.verify(version)
print(report)
scoreboard.record(arguments.results, "11_transfer", _transfer.command(arguments))

# %% [markdown]
# ## Next steps
#
# - Cut a deeper network at an earlier layer: from which layer on are features specific to animals?
# - Distill with `alpha=1.0`, which uses no labels.
# - Give the student the text instead of the image.

# %%
_common.finish(report.ok)
