# %% [markdown]
"""# Reasoning over predictions

- Article: 000, section 3.1.2
- What you will learn: combine the predictions of several models, update them by answers to questions, and make them
  satisfy rules
- Time: some minutes on one core (`--quick`: a minute)
- Data: a store room, drawn on the spot

```shell
pip install "kerasfusion[reasoning]"          # the MaxSAT solver of section 4
python experiments/12_reasoning.py            # some minutes on one core
python experiments/12_reasoning.py --quick    # a minute
```

The article names three ways to reason over several modalities, without code. Each takes a few lines on top of
ordinary classifiers:

| the article | here | baseline |
|---|---|---|
| joint inference | the product of calibrated image and text posteriors | either alone, their average |
| conditional reasoning | Bayes' rule: update the image's posterior by answers | random order; full trust |
| logical reasoning with a knowledge base | rules in the loss or at decoding | the same network without rules |
"""

# %%
import _common
import _reasoning
import keras
import numpy as np
import pandas as pd
from _reasoning import QUESTIONS, draw_store, keep_few_labels, look_up, trust_every_answer
from _scores import Scoreboard

import kerasfusion as kf
from kerasfusion.evaluation import calibrate, calibration_scores, postprocess, predict_classes, predict_logits

parser = _common.tutorial_parser(__doc__, "12_reasoning", drawn=True, seeds=3)
parser.add_argument("--rule-weight", type=float, default=0.1, help="weight of the rule loss")
parser.add_argument("--norm", default="product", help="fuzzy logic of the rule loss: product, lukasiewicz or goedel")
arguments = _common.parse(parser)
seeds = range(1 if arguments.quick else arguments.seeds)
epochs = 1 if arguments.quick else 12
scoreboard = Scoreboard(seeds)

# %% [markdown]
# ## 1. Data and models
#
# A store room holds twelve parts, each of one color and one shape. The catalogue lists them: it is the knowledge
# base. A row has a noisy image (each is tinted at random, so that red may look purple) and a note with missing and
# wrong words. The models predict the part, its color and its shape.

# %%
store = arguments.output_dir / "world"
draw_store(store, arguments.quick)
columns = {"image": "image", "text": "note", "label": ["part", "color", "shape"], "split": "split"}
data = kf.data.load(store / "shelf.csv", **columns, image_size=32)
train, validation, test = data.splits["train"], data.splits["validation"], data.splits[arguments.on]
print(train.frame.head(4).to_string(index=False))
part = data.schema["part"]
num_parts = len(part.classes)
catalogue = pd.read_csv(store / "catalogue.csv", index_col="part").loc[list(part.classes)]
print(catalogue.head(4))

# %% [markdown]
# All networks are small and trained alike, in a plain Keras loop without early stopping. Section 4 adds a rule loss:
# `RuleRegularizedModel` wraps the model, and the weight of the rules grows during the first half of the steps.


# %%
def fit(*kinds, seed, examples=train, rule_loss=None, initial_seed=None):
    """Train a classifier of the modalities `kinds`."""
    keras.utils.set_random_seed(seed if initial_seed is None else initial_seed)
    schema = data.schema.only(*kinds)
    image_encoder = {"name": "small_cnn", "filters": (16, 32, 64)}
    model = kf.models.fusion_model(schema, text_encoder="average", image_encoder=image_encoder, units=64)
    batches = kf.data.BatchedDataset(examples.with_features(schema), batch_size=64, shuffle=True, seed=seed)
    steps, trained = batches.steps * epochs, model
    if rule_loss:
        trained = kf.reasoning.RuleRegularizedModel(model, rule_loss, arguments.rule_weight, warmup_steps=steps // 2)
    config = kf.training.TrainingConfig(learning_rate=2e-3)
    kf.training.compile_model(trained, kf.models.get_heads(model), schema, config, steps)
    # A `BatchedDataset` has a fixed order of rows for each epoch.
    set_epoch = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _: setattr(batches, "epoch", epoch))
    trained.fit(batches.dataset(), epochs=epochs, shuffle=False, callbacks=[set_epoch], verbose=0)
    return model


def predict(model, examples=test):
    """Task name -> dict with the `probabilities`."""
    return postprocess(model, predict_logits(model, examples))


# %% [markdown]
# Four networks per seed: one for the images, two for the notes, and one for both. `calibrate` fits a temperature for
# each head on the validation split.

# %%
experts = [
    {
        "image": fit("image", seed=seed),
        "text": fit("text", seed=seed),
        "text again": fit("text", seed=seed, initial_seed=seed + 100),
        "both": fit("image", "text", seed=seed),
    }
    for seed in seeds
]
for models in experts:
    for model in models.values():
        calibrate(model, validation)

# %% [markdown]
# ## 2. Joint inference
#
# Given the part, tint and typos are independent. Then the joint posterior is proportional to the product of both
# posteriors divided by the prior: a product of experts. `fit` learns a temperature for each expert;
# `WeightedProductOfExperts` also learns an exponent for each. The baselines are each modality alone, their average,
# and the network for both.
#
# If experts are not independent, the product counts the same evidence twice. To show this, a second network reads the
# same notes. Compare the negative log-likelihood (NLL): the product becomes overconfident, and the learned exponents
# correct it.

# %%
prior = np.bincount(train.labels["part"], minlength=num_parts) + 1


def multiply(kind, models, names):
    """Joint probabilities of the test rows by a product of experts."""
    held_out = {name: predict_logits(models[name], validation)["part"] for name in names}
    product = kind(part, prior).fit(held_out, validation.labels["part"])
    print(f"{kind.__name__}: exponents", {name: round(weight, 2) for name, weight in product.weights.items()})
    return product.predictions({name: predict_logits(models[name], test)["part"] for name in names})["probabilities"]


def joint_inference(models):
    product, weighted = kf.reasoning.ProductOfExperts, kf.reasoning.WeightedProductOfExperts
    alone = {name: predict(models[name])["part"]["probabilities"] for name in ("image", "text", "both")}
    return {
        "product of experts": multiply(product, models, ["image", "text"]),
        "late fusion, learned": multiply(weighted, models, ["image", "text"]),
        "product of experts, note read twice": multiply(product, models, ["image", "text", "text again"]),
        "late fusion, learned, note read twice": multiply(weighted, models, ["image", "text", "text again"]),
        "image alone": alone["image"],
        "text alone": alone["text"],
        "late average": (alone["image"] + alone["text"]) / 2,
        "one network for both": alone["both"],
    }


def nll(probabilities):
    return calibration_scores(part, test.labels["part"], np.log(np.maximum(probabilities, 1e-12)))["nll"]


posteriors = [joint_inference(models) for models in experts]
joint = [{name: values.argmax(axis=1) for name, values in one_seed.items()} for one_seed in posteriors]
scoreboard.compare("joint", test, joint, part, "accuracy (part)")
for name in posteriors[0]:
    scoreboard.add("joint", name, "NLL", [nll(one_seed[name]) for one_seed in posteriors], n=len(test))

# %% [markdown]
# ## 3. Conditional reasoning
#
# Start from the image's posterior and ask somebody, who may be wrong: which color, which shape, where? The likelihood
# of each answer given each part is a confusion matrix, counted on the validation split, and Bayes' rule updates the
# belief. `ask_greedily` asks the question with the highest expected information gain first, row by row; "where?" is
# uninformative and comes last. Compare it with a random order, and with a likelihood that trusts every answer.


# %%
def answers(examples):
    return {name: pd.Categorical(examples.frame[name], values).codes for name, values in QUESTIONS.items()}


likelihoods = {
    name: kf.reasoning.confusion_likelihood(validation.labels["part"], codes, num_parts, len(QUESTIONS[name]))
    for name, codes in answers(validation).items()
}
trusting = trust_every_answer(catalogue)
test_answers, rng = answers(test), np.random.default_rng(0)

# %% [markdown]
# Either modality can come first: update the image's posterior by the class that the text model predicts, or the
# text's posterior by that of the image model. A predicted class carries less information than a posterior, so compare
# both with the product of experts above.


# %%
def update_by_model(belief, model):
    """Bayes' rule, with the class that a model predicts as the observation."""
    held_out, observed = (predict_classes(part, predict(model, rows)["part"]) for rows in (validation, test))
    likelihood = kf.reasoning.confusion_likelihood(validation.labels["part"], held_out, num_parts)
    return kf.reasoning.bayes_update(belief, likelihood, observed)


def conditional_reasoning(models):
    image, text = (predict(models[name])["part"]["probabilities"] for name in ("image", "text"))
    beliefs = {"image alone": image}
    strategies = {
        "most telling first": kf.reasoning.ask_greedily(image, likelihoods, test_answers)[0],
        "in any order": kf.reasoning.ask_greedily(image, likelihoods, test_answers, rng)[0],
        "every answer believed": kf.reasoning.ask_greedily(image, trusting, test_answers)[0],
    }
    for count in (1, 2, 3):
        beliefs |= {f"{count} asked, {name}": steps[count] for name, steps in strategies.items()}
    beliefs["image, then note"] = update_by_model(image, models["text"])
    beliefs["note, then image"] = update_by_model(text, models["image"])
    return {name: belief.argmax(axis=1) for name, belief in beliefs.items()}


conditional = [conditional_reasoning(models) for models in experts]
scoreboard.compare("conditional", test, conditional, part, "accuracy (part)")
_reasoning.plot_joint_and_conditional(
    joint, conditional, test.labels["part"], arguments.output_dir / "joint_and_conditional.png"
)

# %% [markdown]
# One row whose image was misclassified and whose answers corrected the belief, question by question:

# %%
image_posterior = predict(experts[0]["image"])["part"]["probabilities"]
beliefs, asked = kf.reasoning.ask_greedily(image_posterior, likelihoods, test_answers)
_reasoning.plot_questions(store, test, catalogue, beliefs, asked, arguments.output_dir / "questions.png")

# %% [markdown]
# ## 4. Logical reasoning
#
# `rules_from_table` turns each cell of the catalogue into a rule: "part=P01 implies color=red". Since the catalogue
# lists every part (`closed_world=True`), "color=red" also implies one of the red parts. Contradictory rules and
# unknown names are refused with an error that names them.

# %%
facts = kf.reasoning.rules_from_table(store / "catalogue.csv", key="part", closed_world=True)
rules = kf.reasoning.Rules(data.schema, facts)
print(f"{len(rules.rules)} rules, such as\n  {rules.rules[0]}\n  {rules.rules[-1]}")
for wrong in ("P01 implies color=green", "P01 implies orange"):
    try:
        kf.reasoning.Rules(data.schema, [*facts, wrong])
    except ValueError as error:
        print(error)

# %% [markdown]
# Rules help when labels are few. Each labeled row has one label: of five rows two have the color, two the shape and
# one the part. All training rows have an image and a note.
#
# - *Without rules*: the three heads are independent.
# - *Looked up*: the part that has the predicted color and shape, if there is one. A strong baseline, since the part's
#   head saw the fewest labels.
# - *Rules in training*: the rule loss is added on every row, also without labels, so that the label of one head
#   teaches the others.
# - *Rules in deciding*: `constrained_decode` finds the most probable combination that satisfies all rules, by MaxSAT.
#
# Decoding compares the confidence of different heads, and heads trained on few labels are overconfident. Therefore 60
# labeled validation rows fit a temperature for each head, in every case. Compare the accuracy of the part and the
# share of rows that violate a rule.


# %%
def logical_reasoning(num_labels, seed):
    """Method -> task -> predicted classes; and the model trained with rules."""
    labeled = keep_few_labels(train, num_labels, seed)
    rule_loss, found = kf.reasoning.RuleLoss(rules, arguments.norm), {}
    for name, decoded, loss in (
        ("without rules", "rules in deciding", None),
        ("rules in training", "rules in training and deciding", rule_loss),
    ):
        model = fit("image", "text", seed=seed, examples=labeled, rule_loss=loss)
        calibrate(model, validation.take(np.arange(60)))
        prediction = predict(model)
        found[name] = {task.name: predict_classes(task, prediction[task.name]) for task in data.schema.tasks}
        found[decoded] = kf.reasoning.constrained_decode(rules, prediction)
        if loss is None:
            found["looked up"] = look_up(found[name], data.schema, catalogue)
    return found, model


budgets = (30,) if arguments.quick else (30, 60, 120, 240)
accuracies, violations = {}, {}
for num_labels in budgets:
    title, found = f"logical, {num_labels} labels", []
    for seed in seeds:
        one_seed, model = logical_reasoning(num_labels, seed)
        found.append(one_seed)
    for task in data.schema.tasks:
        classes = [{name: by_task[task.name] for name, by_task in one_seed.items()} for one_seed in found]
        scoreboard.compare(title, test, classes, task, f"accuracy ({task.name})")
    for name in found[0]:
        shares = [rules.violations(one_seed[name]).any(axis=1).mean() for one_seed in found]
        scoreboard.add(title, name, "rows that break a rule", shares, n=len(test))
        violations.setdefault(name, []).append(shares)
        correct = [(one_seed[name]["part"] == test.labels["part"]).mean() for one_seed in found]
        accuracies.setdefault(name, []).append(correct)
_reasoning.plot_rules(budgets, accuracies, violations, arguments.output_dir / "rules.png")
print(f"\nFigures: {arguments.output_dir}/joint_and_conditional.png, questions.png, rules.png")

# %% [markdown]
# ## 5. Export, and decode served predictions
#
# The network trained with rules is exported like any other: training moved the rules into its weights. Decoding under
# rules happens at the client, on the probabilities that the server returns.

# %%
examples = test.take(range(4)).raw_inputs()
version = kf.serving.export_model(model, data.schema, arguments.output_dir / "saved_model", examples)
report = kf.verify(version)
print(report)
with kf.serving.CApiSession(version) as session:
    outputs = session.run("serving_default", test.take(range(50)).raw_inputs())
served = {task.name: {"probabilities": outputs[f"{task.name}_probabilities"]} for task in data.schema.tasks}
for title, classes in (
    ("each head alone", {task.name: predict_classes(task, served[task.name]) for task in data.schema.tasks}),
    ("decoded under rules", kf.reasoning.constrained_decode(rules, served)),
):
    print(f"{title}: {rules.violations(classes).any(axis=1).sum()} of {len(classes['part'])} answers violate a rule")
command = "python experiments/12_reasoning.py --results experiments/results/reasoning.csv"
scoreboard.record(arguments.results, "12_reasoning", command)

# %% [markdown]
# ## Next steps
#
# - Drop the last rows of the catalogue and `closed_world=True`: how much do half the facts help?
# - Ask two people who make the same mistakes. What does Bayes' rule believe, and what would
#   `WeightedProductOfExperts` learn?

# %%
_common.finish(report.ok)
