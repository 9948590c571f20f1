# %% [markdown]
"""# Reasoning over predictions

- Article: 000, section 3.1.2
- What you will learn: combine posteriors, ask informative questions, and decode under rules
- Time: some minutes on one core (`--quick`: a minute)
- Data: drawn parts

```shell
python experiments/12_reasoning.py            # some minutes on one core
python experiments/12_reasoning.py --quick    # to see it run
```

The article names three ways to reason over several modalities and stops there. Here each is a few lines on top of
ordinary networks, and has a baseline that it must beat:

| the article            | here                                                       | must beat                    |
|------------------------|------------------------------------------------------------|------------------------------|
| joint inference        | posteriors of image and note multiplied, each calibrated | either alone, their average  |
| conditional reasoning  | Bayes' rule: a belief from the image, changed by answers | the image alone, belief in |
|                        | to questions, the most telling first                       | every answer, any order      |
| logical reasoning with | facts of a catalogue as rules: a loss in training, exact   | the same network without     |
| a knowledge base       | search for the likeliest decisions that break none         | rules, at the same labels    |

The logical part needs the extra [reasoning] (python-sat): pip install "kerasfusion[reasoning]".
"""

# %%
import dataclasses

import _common
import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

import kerasfusion as kf
from kerasfusion.data.shapes_world import COLORS, SHAPES, SIZES, Object, Scene, draw_scene
from kerasfusion.evaluation import (
    calibrate,
    calibration_scores,
    compare_predictions,
    postprocess,
    predict_classes,
    predict_logits,
)
from kerasfusion.serving import CApiSession
from kerasfusion.serving.exporting import export_model
from kerasfusion.training.compile import compile_model

parser = _common.tutorial_parser(__doc__, "12_reasoning", drawn=True)
parser.add_argument("--seeds", type=int, default=3, help="of the weights, the order and the choice of labels")
parser.add_argument("--rule-weight", type=float, default=0.1, help="of the rules' loss beside the labels'")
parser.add_argument("--norm", default="product", help="fuzzy logic of that loss: product, lukasiewicz or goedel")
parser.add_argument("--on", choices=["test", "validation"], default="test", help="the split that is scored")
arguments = _common.parse(parser)
seeds = range(1 if arguments.quick else arguments.seeds)
epochs = 1 if arguments.quick else 12

# %% [markdown]
# ## 1. A store room
#
# Twelve parts, each of one color and one shape of the shapes world. The catalogue says which: it is the knowledge
# base. Each row is a part on the shelf: an image in bad light (every image is tinted by chance, so that red may
# look purple) and a note that somebody made without care: words are left out, and some are wrong.


# %%
def draw_part(random, color, shape):
    """32 pixels about the part, grainy and tinted."""
    item = Object(shape, color, SIZES[random.integers(2)], *random.uniform(0.4, 0.6, 2))
    pixels = draw_scene(Scene((item,)), random)[16:48, 16:48]
    tint, grain = random.normal(0, 30, 3), random.normal(0, 25, (32, 32, 1))
    return np.clip(pixels + tint + grain, 0, 255).astype("uint8")


def witness(random, value, values, right, silent=0.0):
    """What somebody says of a color or a shape: the truth, another of the values, or nothing."""
    if random.random() < silent:
        return None
    return value if random.random() < right else random.choice([other for other in values if other != value])


def make_store(folder, sizes, seed=0):
    """`catalogue.csv`, `shelf.csv` and the images."""
    random = np.random.default_rng(seed)
    catalogue = [(color, SHAPES[(i + k) % 4]) for i, color in enumerate(COLORS) for k in (0, 2)]
    catalogue = pd.DataFrame(catalogue, columns=["color", "shape"])
    catalogue.insert(0, "part", [f"P{i + 1:02}" for i in range(len(catalogue))])
    rows = []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for split, size in sizes.items():
        for i in range(size):
            part, color, shape = catalogue.iloc[random.integers(len(catalogue))]
            name = f"images/{split}_{i}.png"
            Image.fromarray(draw_part(random, color, shape)).save(folder / name)
            words = [witness(random, color, COLORS, 0.8, 0.3), witness(random, shape, SHAPES, 0.8, 0.3)]
            # Two others are asked, who always answer: for section 3.
            asked = {"color?": witness(random, color, COLORS, 0.8), "shape?": witness(random, shape, SHAPES, 0.7)}
            asked["where?"] = random.choice(["here", "there"])
            note = " ".join(["a", *filter(None, words), "thing"])
            row = {"image": name, "note": note, "part": part, "color": color, "shape": shape, **asked}
            rows.append({**row, "split": split})
    catalogue.to_csv(folder / "catalogue.csv", index=False)
    pd.DataFrame(rows).to_csv(folder / "shelf.csv", index=False)
    return folder


sizes = (
    {"train": 160, "validation": 60, "test": 60}
    if arguments.quick
    else {"train": 1200, "validation": 400, "test": 1000}
)
store = make_store(arguments.data_dir or arguments.output_dir / "world", sizes)
print(pd.read_csv(store / "catalogue.csv").head(4).to_string(index=False), "\n")
print(pd.read_csv(store / "shelf.csv").head(4).to_string(index=False), "\n")
columns = {"image": "image", "text": "note", "label": ["part", "color", "shape"], "split": "split"}
data = kf.data.load(store / "shelf.csv", **columns, image_size=32)
train, validation, test = data.splits["train"], data.splits["validation"], data.splits[arguments.on]
part = data.schema["part"]
labels = {task.name: test.labels[task.name] for task in data.schema.tasks}

# %% [markdown]
# The networks: words averaged, a small CNN, concatenated. All are trained the same way.


# %%
def network(*kinds, seed):
    keras.utils.set_random_seed(seed)
    small = {"name": "small_cnn", "filters": (16, 32, 64)}
    return kf.models.fusion_model(data.schema.only(*kinds), text_encoder="average", image_encoder=small, units=64)


def fit(model, examples, seed, rules=None):
    """Train a model, with rules if they are given: the same batches, the same number of steps."""
    features = tuple(f for f in data.schema.features if f.name in model.input)
    examples = examples.with_features(kf.Schema(features, data.schema.tasks))
    batches = kf.data.BatchedDataset(examples, batch_size=64, shuffle=True, seed=seed)
    trained, half = model, batches.steps * epochs // 2
    if rules:
        trained = kf.reasoning.RuleRegularizedModel(model, rules, arguments.rule_weight, warmup_steps=half)
    config = kf.training.TrainingConfig(learning_rate=2e-3)
    compile_model(trained, kf.models.get_heads(model), data.schema, config, batches.steps * epochs)
    next_order = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _: setattr(batches, "epoch", epoch))
    trained.fit(batches.dataset(), epochs=epochs, shuffle=False, callbacks=[next_order], verbose=0)
    return model


def predicted(model, examples=test):
    return postprocess(model, predict_logits(model, examples))


rows = []


def show(title, decided, task=part):
    """Accuracies over the seeds, with intervals, the best first."""
    found = compare_predictions(task, labels[task.name], decided)
    print(f"\n{title}: {found.verdict}")
    for name, score in found.scores.items():
        print(f"  {name:48} {score.mean:6.1%} [{score.low:.1%}, {score.high:.1%}]")
        figures = {"value": score.mean, "low": score.low, "high": score.high, "n": found.rows}
        rows.append({"model": f"{title}: {name}", "metric": f"accuracy ({task.name})", **figures})


def add_figure(title, name, metric, values):
    """The mean over the seeds of something that is no accuracy."""
    print(f"  {name:48} {metric} {np.mean(values):.3f}")
    rows.append({"model": f"{title}: {name}", "metric": metric, "value": float(np.mean(values)), "n": len(test)})


# %% [markdown]
# ## 2. Joint inference
#
# One network sees the images, one reads the notes; which part is it? Light and pen make their mistakes each for
# itself, so once the part is known, image and note are independent, and the posterior of both is the product of the
# posteriors over the prior. For that each must mean what it says: a temperature is fitted on the validation split.
# `WeightedProductOfExperts` also learns an exponent for each. The late average is what is done usually; it never gets
# surer than the surest of the two. The network of both branches, trained as long on the same rows, is free to find it
# all.
#
# Where modalities are not independent, the product counts twice what was said once. So a second network reads the
# same notes: the product becomes too sure, which its negative log-likelihood (NLL) shows, and the exponents mend it.

# %%
decided, losses, images, texts = {}, {}, [], []
for seed in seeds:
    experts = {"image": network("image", seed=seed), "text": network("text", seed=seed)}
    experts["text again"] = network("text", seed=seed + 100)
    for model in experts.values():
        fit(model, train, seed)
    held_out, asked = (
        {name: predict_logits(model, split)["part"] for name, model in experts.items()}
        for split in (validation, test)
    )
    both = ("image", "text")
    found = {}
    for name, kind, members in (
        ("product of experts", kf.reasoning.ProductOfExperts, both),
        ("late fusion, learned", kf.reasoning.WeightedProductOfExperts, both),
        ("product of experts, note read twice", kf.reasoning.ProductOfExperts, experts),
        ("late fusion, learned, note read twice", kf.reasoning.WeightedProductOfExperts, experts),
    ):
        joint = kind(part, prior=np.bincount(train.labels["part"], minlength=len(part.classes)) + 1)
        joint.fit({m: held_out[m] for m in members}, validation.labels["part"])
        found[name] = joint.predictions({m: asked[m] for m in members})["probabilities"]
        if kind is kf.reasoning.WeightedProductOfExperts:
            print(f"seed {seed}, exponents:", {m: round(w, 2) for m, w in joint.weights.items()})
    for name in both:
        calibrate(experts[name], validation)
        found[f"{name} alone"] = predicted(experts[name])["part"]["probabilities"]
    found["late average"] = (found["image alone"] + found["text alone"]) / 2
    fused = fit(network("image", "text", seed=seed), train, seed)
    calibrate(fused, validation)
    found["one network for both"] = predicted(fused)["part"]["probabilities"]
    for name, probabilities in found.items():
        decided.setdefault(name, []).append(probabilities.argmax(axis=1))
        nll = calibration_scores(part, labels["part"], np.log(np.maximum(probabilities, 1e-12)))["nll"]
        losses.setdefault(name, []).append(nll)
    images.append(experts["image"])
    texts.append(experts["text"])
show("joint", decided)
for name, values in losses.items():
    add_figure("joint", name, "NLL", values)
joint_decided = decided

# %% [markdown]
# ## 3. Conditional reasoning
#
# Now the image was seen first, and gave a belief over the parts. Then somebody is asked, and may be wrong. How
# often "red" is said of each part is counted on the validation split (a confusion matrix); Bayes' rule does the rest,
# and in which order does not matter. What can be chosen is the next question: the one whose answer is expected to
# tell most about this row ("where?" tells nothing but chance in those counts, and comes last). Who takes every answer
# for true (a likelihood without errors) is misled.
#
# Text and image can change places: a belief from the note, changed by what the image network decided, or the other
# way round. Both throw away something, for a decision is less than a posterior; compare the product of experts above.

# %%
questions = {"color?": COLORS, "shape?": SHAPES, "where?": ("here", "there")}


def outcomes(examples):
    return {name: pd.Categorical(examples.frame[name], values).codes for name, values in questions.items()}


likelihoods = {
    name: kf.reasoning.confusion_likelihood(validation.labels["part"], said, len(part.classes), len(questions[name]))
    for name, said in outcomes(validation).items()
}
catalogue = pd.read_csv(store / "catalogue.csv").set_index("part").loc[list(part.classes)]
trusting = {
    f"{column}?": np.where(catalogue[column].to_numpy()[:, None] == np.array(values), 1.0, 1e-3)
    for column, values in (("color", COLORS), ("shape", SHAPES))
}
trusting["where?"] = np.full((len(part.classes), 2), 0.5)
answers, order = outcomes(test), np.random.default_rng(0)
decided, narrowed = {}, []
for image, text in zip(images, texts, strict=True):
    belief, note = (predicted(model)["part"]["probabilities"] for model in (image, text))
    beliefs, asked = kf.reasoning.ask_greedily(belief, likelihoods, answers)
    by_chance, _ = kf.reasoning.ask_greedily(belief, likelihoods, answers, order)
    believed, _ = kf.reasoning.ask_greedily(belief, trusting, answers)
    decided.setdefault("image alone", []).append(belief.argmax(axis=1))
    for steps in (1, 2, 3):
        for name, found in (
            ("most telling first", beliefs),
            ("in any order", by_chance),
            ("every answer believed", believed),
        ):
            decided.setdefault(f"{steps} asked, {name}", []).append(found[steps].argmax(axis=1))
    for name, first, second in (("image, then note", belief, text), ("note, then image", note, image)):
        guess = {
            split: predicted(second, examples)["part"]["probabilities"].argmax(axis=1)
            for split, examples in (("held out", validation), ("asked", test))
        }
        likelihood = kf.reasoning.confusion_likelihood(
            validation.labels["part"], guess["held out"], len(part.classes)
        )
        decided.setdefault(name, []).append(
            kf.reasoning.bayes_update(first, likelihood, guess["asked"]).argmax(axis=1)
        )
    narrowed.append((beliefs, asked))
show("conditional", decided)
conditional_decided = decided

# %% [markdown]
# ## 4. Logical reasoning
#
# The catalogue as rules: "part=P01" implies "color=red", for each cell; and because it lists all parts there are,
# "color=red" implies one of the red parts. The network of both branches has a head for the part, the color and the
# shape. Labels are few, and each is whatever somebody happened to write down: of five rows two have their color, two
# their shape, and one its part, which takes somebody who knows the catalogue. All training rows have an image and a
# note.
#
# - *Without rules*: each head for itself.
# - *Looked up*: the part that has the color and the shape that were decided, where there is one.
# - *Rules in training*: −log of the truth of all rules, in the logic where "and" is the product, is added to the loss
#   on every row, also on those without labels. It knows no answer, only that the three have to fit together; so a
#   label of one head teaches the others. Its weight grows over the first half of the steps.
# - *Rules in deciding*: of all combinations that break no rule, the likeliest, found exactly by a MaxSAT solver.
#
# *Looked up* is not easy to beat: it leaves out the head that saw the fewest labels. Deciding asks all three as if
# their mistakes had nothing to do with each other, but they stand on one network. It alone breaks no rule, though.
#
# Sixty rows of the validation split, all labelled, fit a temperature for each head, in every case alike; no other
# labels are used. Without them deciding goes wrong: heads that saw a few labels again and again are much too sure of
# themselves, the more so the fewer, and the surest overrules the others. Weight and norm of the loss were chosen on
# the validation split (`--on validation --rule-weight ...`).

# %%
rules = kf.reasoning.Rules(
    data.schema, kf.reasoning.rules_from_table(store / "catalogue.csv", key="part", closed_world=True)
)
print(f"\n{len(rules.rules)} rules, such as\n  {rules.rules[0]}\n  {rules.rules[-1]}")
color_names, shape_names = (data.schema[name].classes for name in ("color", "shape"))
looked_up = np.full((len(color_names), len(shape_names)), -1)
for place, (color, shape) in enumerate(catalogue.itertuples(index=False)):
    looked_up[color_names.index(color), shape_names.index(shape)] = place


def few_labels(budget, seed):
    """All training rows; `budget` of them, drawn by chance, have one label each and come a quarter of the time."""
    order = np.random.default_rng(seed).permutation(len(train))
    which = np.array([0, 1, 2, 1, 2])[np.arange(budget) % 5]
    chosen, which = (np.resize(values, len(train) // 3) for values in (order[:budget], which))
    examples = train.take(np.r_[chosen, order[budget:]])
    which = np.r_[which, np.full(len(examples) - len(which), -1)]
    weights = {task.name: (which == place).astype("float32") for place, task in enumerate(data.schema.tasks)}
    return dataclasses.replace(examples, weights=weights)


budgets = (30,) if arguments.quick else (30, 60, 120, 240)
curves, broken = {}, {}
for budget in budgets:
    decided = {}
    for seed in seeds:
        for name, loss in (
            ("without rules", None),
            ("rules in training", kf.reasoning.RuleLoss(rules, arguments.norm)),
        ):
            model = fit(network("image", "text", seed=seed), few_labels(budget, seed), seed, rules=loss)
            calibrate(model, validation.take(np.arange(60)))
            found = predicted(model)
            plain = {task.name: predict_classes(task, found[task.name]) for task in data.schema.tasks}
            both = "rules in deciding" if loss is None else "rules in training and deciding"
            decided.setdefault(name, []).append(plain)
            decided.setdefault(both, []).append(kf.reasoning.constrained_decode(rules, found))
            if loss is None:
                place = looked_up[plain["color"], plain["shape"]]
                decided.setdefault("looked up", []).append(
                    {**plain, "part": np.where(place < 0, plain["part"], place)}
                )
    title = f"logical, {budget} labels"
    for task in data.schema.tasks:
        show(title, {name: [one[task.name] for one in found] for name, found in decided.items()}, task)
    for name, found in decided.items():
        shares = [rules.violations(one).any(axis=1).mean() for one in found]
        add_figure(title, name, "rows that break a rule", shares)
        right = [(one["part"] == labels["part"]).mean() for one in found]
        curves.setdefault(name, []).append(right)
        broken.setdefault(name, []).append(shares)

# %% [markdown]
# Rules that cannot be obeyed, or that speak of what the network does not know, are refused by name:

# %%
for wrong in (["P01 implies color=green"], ["P01 implies orange"]):
    try:
        kf.reasoning.Rules(data.schema, [*rules.rules, *wrong])
    except ValueError as error:
        print(f"\n{error}")

# %% [markdown]
# ## 5. What was found, in images

# %%
ACCENT, QUIET = "#1f6feb", "#9aa4b2"
figure = Figure(figsize=(11, 3.8), layout="constrained")
left, right = figure.subplots(1, 2)
for place, (name, found) in enumerate(reversed(joint_decided.items())):
    share = np.mean([(one == labels["part"]).mean() for one in found])
    left.barh(name, share, color=ACCENT if "product" in name or "learned" in name else QUIET)
    left.text(share, place, f" {share:.1%}", va="center", fontsize=8)
left.set(title="joint: which part is it?", xlabel="accuracy", xlim=(0, 1.1))
for name, color in (("most telling first", ACCENT), ("in any order", QUIET), ("every answer believed", "#cf222e")):
    steps = [conditional_decided["image alone"], *(conditional_decided[f"{k} asked, {name}"] for k in (1, 2, 3))]
    right.plot(
        [np.mean([(one == labels["part"]).mean() for one in found]) for found in steps], "o-", color=color, label=name
    )
right.set(title="conditional: questions asked", xlabel="questions", ylabel="accuracy", xticks=range(4))
right.grid(alpha=0.3)
right.legend(frameon=False, loc="lower right")
figure.savefig(arguments.output_dir / "joint_and_conditional.png", dpi=120)

figure = Figure(figsize=(11, 3.8), layout="constrained")
styles = {"without rules": (QUIET, "-"), "looked up": (QUIET, "--"), "rules in training": (ACCENT, ":")}
styles |= {"rules in deciding": (ACCENT, "--"), "rules in training and deciding": (ACCENT, "-")}
for axes, values, label in zip(
    figure.subplots(1, 2), (curves, broken), ("accuracy of the part", "rows that break a rule"), strict=True
):
    for name, (color, line) in styles.items():
        axes.plot(budgets, np.mean(values[name], axis=1), line, marker="o", ms=4, color=color, label=name)
    axes.set(xlabel="rows with labels", ylabel=label, xscale="log", ylim=(0, 1.02))
    axes.set_xticks(budgets, budgets)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
axes.legend(frameon=False)
figure.savefig(arguments.output_dir / "logical.png", dpi=120)

# %% [markdown]
# One row, question by question: one that the image got wrong and the answers put right.

# %%
beliefs, asked = narrowed[0]
guesses = beliefs.argmax(axis=-1)
mended = np.flatnonzero((guesses[0] != labels["part"]) & (guesses[-1] == labels["part"]))
row = int(mended[0]) if len(mended) else 0
figure = Figure(figsize=(12, 2.9), layout="constrained")
first, *panels = figure.subplots(1, 5)
first.imshow(Image.open(store / test.frame["image"].iloc[row]))
first.axis("off")
first.set_title(" ".join(catalogue.loc[part.classes[labels["part"][row]]]), fontsize=9)
names = [f"{color} {shape}" for color, shape in catalogue.itertuples(index=False)]
said = ["the image", *(f"{name} {test.frame[name].iloc[row]}" for name in asked[row])]
for axes, belief, title in zip(panels, beliefs[:, row], said, strict=True):
    colors = [ACCENT if place == labels["part"][row] else QUIET for place in range(len(names))]
    axes.barh(names, belief, color=colors)
    axes.set(title=title, xlim=(0, 1))
    axes.tick_params(labelsize=6, labelleft=axes is panels[0])
figure.savefig(arguments.output_dir / "narrowing.png", dpi=120)
print(f"\nImages: {arguments.output_dir}/joint_and_conditional.png, logical.png, narrowing.png")

# %% [markdown]
# ## 6. A SavedModel, and rules over what it answers
#
# The network that was trained with rules is served like any other; the rules are in its weights. Those in deciding
# stand with whoever asks: what a server answers is what `decode` takes.

# %%
raw = {
    "image_bytes": [test.banks["image"].encoded(place) for place in test.images["image"][:100]],
    "text": [note.encode() for note in test.raw(data.schema["text"])[:100]],
}
version = export_model(
    model, data.schema, arguments.output_dir / "saved_model", {key: values[:4] for key, values in raw.items()}
)
report = kf.verify(version)
print(report)
with CApiSession(version) as session:
    served = session.run("serving_default", raw)
served = {task.name: {"probabilities": served[f"{task.name}_probabilities"]} for task in data.schema.tasks}
own = {task.name: predict_classes(task, served[task.name]) for task in data.schema.tasks}
before, after = (
    int(rules.violations(one).any(axis=1).sum()) for one in (own, kf.reasoning.constrained_decode(rules, served))
)
print(f"Of {len(own['part'])} answers of the SavedModel {before} break a rule; decided together, {after}.")

if arguments.results:
    command = "python experiments/12_reasoning.py --results experiments/results/reasoning.csv"
    _common.record(arguments.results, rows, "12_reasoning", command)

# %% [markdown]
# ## What to change
#
# Leave the last rows of the catalogue out and drop `closed_world=True`: what do half the facts still give? Ask
# the color twice, of two people with the same mistakes: what does Bayes' rule believe then, and what would
# `WeightedProductOfExperts` say?

# %%
_common.finish(report.ok)
