# %% [markdown]
"""# One network for images and sentences

- Article: 000, section 5.2
- What you will learn: repair the article's joint network, train it beside its single modalities, and let FiLM steer
  the image by the text
- Time: ten minutes on two cores (`--quick`: a minute)
- Data: the shapes world, drawn on the spot

```shell
python experiments/01_joint_vqa.py            # about ten minutes on two cores
python experiments/01_joint_vqa.py --quick    # a minute, to see it run
```

The article joins a text branch (dense 128) and an image branch (Conv2D 64, pooling, flatten, dense 128) by
concatenation and ends in one sigmoid neuron, trained with binary cross-entropy and watched by its AUC. Its code does
not run. What it wrote, and what had to change:

| the article                                | why it fails                          | here                          |
|--------------------------------------------|---------------------------------------|-------------------------------|
| `Dense(128)` on 128 raw token ids          | id 900 is not 9 times id 100          | embedding, mean, dense layer  |
| IMDB reviews beside one `data.jpg`         | 25,000 texts, 1 image: `fit` fails  | every sentence has an image  |
| `load_image_features`, `convert_to_tensor` | no such functions                     | a `tf.data` pipeline          |
| `model.compile(...)`                       | no `model` was made                   | `keras.Model(inputs, outputs)`|
| review sentiment as the label              | the image says nothing about it     | does the sentence fit?        |
| AUC on the training data                   | cannot show that fusing helped        | a test split, each branch too |
"""

# %%
import _common

import kerasfusion as kf
from kerasfusion.data.tfds_source import read_tfds
from kerasfusion.evaluation.results import score_rows

parser = _common.tutorial_parser(__doc__, "01_joint_vqa")
arguments = _common.parse(parser)

# %% [markdown]
# ## 1. The data
#
# A procedural world: images of 3 to 6 colored shapes with twelve questions each. Nothing is downloaded; no scene
# is in two splits; the words of a question tell next to nothing about its answer.

# %%
world = "shapes:quick" if arguments.quick else "shapes"
frame, _ = read_tfds(world, dict.fromkeys(["image", "text", "label", "slice_by"]))
print(frame[["question", "answer", "type", "split"]].head(6).to_string(index=False))

# %% [markdown]
# The article's network says yes or no, so it gets the questions that ask for yes or no: "is there a red circle?"
# is a sentence that fits the image or does not.

# %%
yes_no = frame[frame["answer"].isin(["yes", "no"])].reset_index(drop=True)
yes_no.attrs.update(frame.attrs, source="yes/no questions of the shapes world")
data = kf.data.load(yes_no, image="image", text="question", label="answer", split="split", slice_by="type")
print(f"\n{len(yes_no):,} yes/no questions; the label is {data.schema.tasks[0].type}: {data.schema.tasks[0].classes}")

# %% [markdown]
# ## 2. The article's network
#
# `article_joint` is an entry of the zoo, a plain functional `keras.Model`:

# %%
kf.create_model("article_joint", data.schema).summary()

# %% [markdown]
# `kf.train` trains it, and with the same settings each of its branches alone, and scores all of them once on the test
# split. Read the first line of what it says: does fusing beat the best single branch?

# %%
config = kf.training.TrainingConfig(epochs=1 if arguments.quick else 8, batch_size=128, learning_rate=1e-3)
article = kf.train(data, "article_joint", arguments.output_dir / "article", config, overwrite=True)
print(article.metrics["tasks"]["label"]["verdict"])
print("further figures:", article.metrics["tasks"]["label"]["further"])

# %% [markdown]
# Concatenation comes too late: when the branches meet, the image is one vector, and "is there a red circle?" needs
# the place where red and round are together.

# %% [markdown]
# ## 3. Let the question steer the image
#
# FiLM (arXiv 1709.07871) lets the text scale and shift the channels of the image grid while places still exist.
# `vqa_film` does this, on all questions with all their answers.

# %%
data = kf.data.load(world)
config = kf.training.TrainingConfig(epochs=1 if arguments.quick else 12, batch_size=128, learning_rate=3e-3)
film = kf.train(data, "vqa_film", arguments.output_dir / "film", config, overwrite=True)
print(film.metrics["tasks"]["label"]["verdict"])
print(f"Images: {film.path / 'figures'}")

# %% [markdown]
# ## 4. A SavedModel that answers
#
# Strings and PNG bytes in, answers out; `verify` loads it with the loader that TensorFlow Serving uses, in a process
# without Python TensorFlow, and compares every answer with Keras's own.

# %%
version = kf.export(film, arguments.output_dir / "saved_model")
report = kf.verify(version)
print(report)
for line in kf.workflows.query_exported_model(version, data):
    print(line)

if arguments.results:
    rows = [{**row, "model": f"yes/no: {row['model']}"} for row in score_rows(article.metrics)]
    _common.record(
        arguments.results,
        rows + score_rows(film.metrics),
        "01_joint_vqa",
        "python experiments/01_joint_vqa.py --results experiments/results/01_joint_vqa.csv",
    )

# %% [markdown]
# ## What to change
#
# Swap the fusion: `kf.create_model("vqa_film", data.schema, fusion="multiply")`, or pass `fusion="concat"` to
# `kf.train`. Give the network your own table: `kf.data.load("pets.csv", image="photo", text="description",
# label="species")`.

# %%
_common.finish(report.ok)
