# %% [markdown]
"""# Chinese captions: by character and by word

- Article: 000, sections 3.1.1 and 4.1.2; 004, section 4
- What you will learn: tokenize Chinese by character or by word, retrieve and caption with both, serve either
- Time: half an hour on one core, with cached image features (`--quick`: a minute)
- Data: DATA/flickr8k_cn with the photos of DATA/flickr8k_128; `--quick` draws scenes instead

```shell
pip install "kerasfusion[caption,chinese,pretrained]"
python experiments/26_chinese.py --data-dir DATA
python experiments/26_chinese.py --data-dir DATA --split published
python experiments/26_chinese.py --quick
```

Chinese has no spaces. Text that is split at spaces becomes one token per sentence, and nothing is learned from it.
Two ways are common: each character is a token, or a segmenter such as jieba finds words. Characters need no
dictionary, and few are unknown; words are fewer tokens with more meaning each. This script trains dual encoders and
captioners with both, on the same images with the same settings.

A segmenter is Python code, which a SavedModel cannot run. Here jieba only proposes the vocabulary; texts are split
into its longest words, by TensorFlow operations that training and serving share. So a server needs no jieba, and
splits every text as training did.
"""

# %%
import importlib.util
from pathlib import Path

import _chinese
import _common
import keras
import numpy as np
from _views import chance_scores, retrieval_scores

import kerasfusion as kf
from kerasfusion.evaluation.caption_report import caption_rows
from kerasfusion.evaluation.frozen_features import frozen_features
from kerasfusion.evaluation.retrieval import retrieval
from kerasfusion.evaluation.retrieval_report import match_report
from kerasfusion.evaluation.statistics import paired_difference
from kerasfusion.serving import CApiSession

parser = _common.tutorial_parser(__doc__, "26_chinese", seeds=3)
parser.add_argument("--split", choices=_chinese.SPLITS, default="ours", help="which of the two splits")
parser.add_argument("--cache-dir", type=Path, help="folder of image features (default: cache in --output-dir)")
arguments = _common.parse(parser)
arguments.pretrained = [] if arguments.quick else ["efficientnet_lite0"]
_common.require_pretrained(arguments, parser)
file = "chinese.csv" if arguments.split == "ours" else "chinese_published.csv"
results = _common.Results(arguments, "26_chinese", ["split", "seeds", "on"], file)
folder = arguments.output_dir / ("quick" if arguments.quick else arguments.split)

# %% [markdown]
# ## 1. Five short captions of a photo
#
# Five people described each photo in Chinese. They were not translated from English, and are short: half of them have
# at most nine characters. Many are said of several photos ("a person is skiing"), so no model can always retrieve the
# photo that is meant: the ceiling below is what the best possible model would reach.
#
# There are two splits, which share photos across their parts: ours, and the published one. A model of one must
# never be tested on the other.

# %%
if arguments.quick:
    table = _chinese.draw_chinese(folder / "scenes", {"train": 240, "validation": 40, "test": 60})
elif arguments.data_dir:
    table = _chinese.flickr8k_cn(Path(arguments.data_dir), arguments.split)
else:
    parser.error("pass --data-dir with the folder that holds flickr8k_cn and flickr8k_128, or try --quick")
pairs = _chinese.one_row_each(table)
print(table["split"].value_counts().to_string())
for captions in table["captions"].head(3):
    print("  " + " / ".join(captions))

# %% [markdown]
# ## 2. Characters and words
#
# `tokenizer="words"`, the default, takes each Chinese character for a word. `tokenizer="jieba"` learns a vocabulary
# of words. The agreement is the share of captions that the vocabulary splits exactly as jieba does.

# %%
TOKENIZERS = {"characters": ("words", 18), "words": ("jieba", 12)}
if importlib.util.find_spec("jieba") is None and arguments.quick:
    print("jieba is not installed: without the models by word (pip install 'kerasfusion[chinese]').")
    del TOKENIZERS["words"]
match = {
    "image": "image",
    "text": "caption",
    "problem_type": "retrieval",
    "image_size": 32 if arguments.quick else 128,
}
to_match, shared = {}, {}
for name, (tokenizer, length) in TOKENIZERS.items():
    shared[name] = {"split": "split", "tokenizer": tokenizer, "sequence_length": length, "allow_external_paths": True}
    shared[name] |= {} if arguments.quick else {"cache_dir": arguments.cache_dir}
    to_match[name] = kf.data.load(pairs, **match, **shared[name])
    text = to_match[name].schema["text"]
    print(f"{name}: {len(text.vocabulary):,} tokens, such as {' '.join(text.vocabulary[:12])}")
if "words" in TOKENIZERS:
    captions = to_match["words"].splits["validation"].raw(text)
    agreement = _chinese.segmentation_agreement(captions, text.vocabulary)
    print(f"split as by jieba: {agreement:.1%} of {len(captions):,} validation captions")

# %% [markdown]
# ## 3. Retrieval
#
# As in tutorial 05, with InfoNCE: a text CNN, and a linear layer on the frozen features of EfficientNet-Lite0.
# Both tokenizers have the same settings, chosen on the validation split. `frozen_features` puts cached features in
# the place of pixels, so that the images are encoded once for all models.

# %%
one = next(iter(to_match.values()))
test, (pairing,) = one.splits[arguments.on], one.schema.tasks
image_of_text = np.unique(test.arrays["image"], return_inverse=True)[1]
tested = table[table["split"] == arguments.on]
first_images = image_of_text[np.cumsum([0, *map(len, tested["captions"])])[:-1]]
results.n = len(test)


def train_retrieval(name, seed):
    keras.utils.set_random_seed(seed)
    if arguments.quick:
        settings = {"text_encoder": "average", "image_encoder": _chinese.SMALL_CNN, "units": 32}
        config = {"epochs": 12, "batch_size": 64, "learning_rate": 5e-3}
    else:
        text = {"name": "text_cnn", "kernel_sizes": (1, 2, 3), "filters": 192, "embedding_dim": 128, "dropout": 0.2}
        image = {"name": "efficientnet_lite0", "global_pool": True, "flip_tta": True, "image_sizes": (224, 288)}
        encoders = {"text_encoder": {**text, "units": None}, "image_encoder": {**image, "units": None}}
        settings = {**encoders, "units": 512, "dropout": 0.5}
        config = {"epochs": 4, "batch_size": 512, "learning_rate": 2e-3, "image_major": False}
    data = to_match[name]
    model = kf.models.dual_encoder(data.schema, **settings)
    return model, fit(model, data, f"retrieval by {name}, seed {seed}", seed, config)


def fit(model, data, path, seed, config):
    config = kf.training.TrainingConfig(**config, patience=None, seed=seed)
    splits = data.splits["train"], data.splits["validation"]
    return kf.training.fit(model, *splits, config, folder / path, resume=True)["history"]


ranks, matchers, curves = {}, {}, {"retrieval": {}, "captioning": {}}
for seed in results.seeds:
    for name, data in to_match.items():
        model, history = train_retrieval(name, seed)
        (examples,) = frozen_features(model, [data.splits[arguments.on]])
        found = match_report(name, model, examples, pairing)
        ranks.setdefault(name, []).append(found.ranks["text to image"])
        _chinese.add_retrieval(results, f"retrieval by {name}", found.directions, seed)
        if arguments.split == "published" and not arguments.quick:
            # What the English captions say, put into Chinese by translators.
            translated = _chinese.embed_strings(model, data.schema, np.concatenate(tested["translations"].to_list()))
            found = retrieval(found.images, translated, np.repeat(first_images, 5))
            _chinese.add_retrieval(results, f"retrieval by {name}, human translations", found, seed)
        if seed == 0:
            matchers[name], curves["retrieval"][name] = model, history

# %% [markdown]
# ## 4. Retrieval without a network
#
# TF-IDF of single characters and pairs of them, and ridge CCA between their principal components and those of the
# image features: linear, and fitted in seconds. Its settings are chosen on the validation split. Below it stands
# chance, above it the ceiling of the repeated captions.

# %%
parts = [one.splits[name] for name in ("train", "validation", arguments.on)]
features = _chinese.image_vectors(matchers["characters"], parts)
linear, images, texts = _chinese.fit_linear(features, parts, width=16 if arguments.quick else 256)
linear = retrieval_scores(linear, images, texts, image_of_text)
_chinese.add_retrieval(results, "TF-IDF of characters, ridge CCA", linear)
_chinese.add_retrieval(results, "chance", chance_scores(image_of_text))
best = _chinese.ceiling(test.raw(one.schema["text"]), image_of_text)
_chinese.add_retrieval(results, "ceiling of repeated captions", best)
if len(ranks) == 2:
    gain = _chinese.gain_of_recall(ranks["words"], ranks["characters"], image_of_text)
    print(f"R@1 of a photo, words against characters: {gain.value:+.1%} [{gain.low:+.1%}, {gain.high:+.1%}]")
for seed in results.seeds:
    results.record(f"26_chinese, {arguments.split}, retrieval, seed {seed}", seed)
results.rows.clear()

# %% [markdown]
# ## 5. Captioning
#
# As in tutorial 08: an LSTM that attends to the cells of the image (`caption_attend`), here one seed. Both models are
# scored by character, whatever they were trained on: `score_captions` splits captions and references in the same way.
# BLEU-4 and CIDEr then count runs of up to four characters.
#
# The baselines are the most frequent caption of the training split, a random one, and that of the photo with the most
# similar features. *Without the image* is the model on photos that are marked as missing. A person's caption is
# scored against the other four of its photo.


# %%
def train_captioner(name):
    keras.utils.set_random_seed(0)
    if arguments.quick:
        image, settings = {**_chinese.SMALL_CNN, "flatten": False}, {"units": 64}
        config = {"epochs": 8, "batch_size": 48, "learning_rate": 5e-3}
    else:
        image = {"name": "efficientnet_lite0", "image_sizes": (), "flip_tta": True, "units": None}
        settings = {"units": 128, "dropout": 0.3, "label_smoothing": 0.1}
        config = {"epochs": 3, "batch_size": 320, "learning_rate": 2e-3, "global_clipnorm": 1.0}
    data = to_write[name]
    model = kf.models.captioner(data.schema, image_encoder=image, decoder="attention_lstm", **settings)
    return model, fit(model, data, f"captions by {name}", 0, config)


# Rare words are left out of what is written: a few examples are not enough to learn them.
write = {"image": "image", "label": "captions", "problem_type": "captioning", "max_tokens": 1500}
write |= {"image_size": 32 if arguments.quick else 224}
BEAM, BLIND, NEAREST = "captions by {}, beam", "captions by {}, without the image", "nearest photo's caption"
columns = table[["image", "captions", "split"]]
to_write = {name: kf.data.load(columns, **write, **own) for name, own in shared.items()}
data = next(iter(to_write.values()))
(task,) = data.schema.tasks
shown, references = caption_rows(data.splits[arguments.on], task)
_, known = caption_rows(data.splits["train"], task)
written, writers = {}, {}
for name, data in to_write.items():
    writers[name], curves["captioning"][name] = train_captioner(name)
    (examples,) = frozen_features(writers[name], [data.splits[arguments.on].take(shown)])
    conditions = {"captions by {}, greedy": (examples, "greedy"), BEAM: (examples, "beam")}
    for title, (rows, strategy) in (conditions | {BLIND: (examples.without("image"), "beam")}).items():
        written[title.format(name)] = kf.evaluation.generate_captions(writers[name], rows, strategy)
written |= _chinese.simple_captions(known, features[0], features[2])
everything = [caption for own in known for caption in own]
scores = {name: kf.evaluation.score_captions(own, references, everything) for name, own in written.items()}
one_person, others = [own[0] for own in references], [own[1:] for own in references]
scores["a person"] = kf.evaluation.score_captions(one_person, others, everything)
for name, found in scores.items():
    _chinese.add_captioning(results, name, found)
beams = [BEAM.format(name) for name in to_write]
comparisons = [(BEAM.format(name), other) for name in to_write for other in (NEAREST, BLIND.format(name))]
for name, other in comparisons + [tuple(beams[::-1])] * (len(beams) == 2):
    gain = paired_difference(scores[name].per_image, scores[other].per_image)
    print(f"{name} against {other}: CIDEr {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]")
results.record(f"26_chinese, {arguments.split}, captions, seed 0", 0)

# %% [markdown]
# Figures: the learning curves, and what was written of a few images.

# %%
_chinese.save_curves(folder / "curves.png", curves)
places = np.linspace(0, len(shown) - 1, 12).astype(int)
columns = {"a person": [one_person[i] for i in places]}
columns |= {name: [written[name][i] for i in places] for name in (*beams, NEAREST)}
_chinese.save_captions(folder / "captions.png", columns)
for line in zip(*columns.values(), strict=True):
    print("  " + " | ".join(line))

# %% [markdown]
# ## 6. Serve both
#
# The SavedModels take strings and bytes, and split texts by their own vocabulary. What people send is not always like
# the training captions: an empty text, other scripts, an emoji, full-width letters, traditional characters. Each has
# an answer; characters that training did not see are unknown and leave the rest of the text as it is. The cosine
# says how far the embedding moves.

# %%
last = list(TOKENIZERS)[-1]
few = to_match[last].splits[arguments.on].take(np.arange(4))
raw = few.raw_inputs()
version = kf.serving.export_model(matchers[last], to_match[last].schema, folder / "retrieval_model", raw)
reports = [kf.verify(version)]
query = raw["text"][0].decode()
odd = _chinese.odd_texts(query)
with CApiSession(version) as session:
    vectors = session.run("embed_text", {"text": [text.encode() for text in odd.values()]})["embedding"]
    found = session.run("embed_image", {"image_bytes": [raw["image_bytes"][0], b"", raw["image_bytes"][0][:64]]})
for name, vector in zip(odd, vectors, strict=True):
    print(f"  {name:20} cosine with {query!r}: {vectors[0] @ vector:.2f}")
print("  image, empty, cut off:", found["image_ok"].tolist())

images = {"image_bytes": raw["image_bytes"]}
version = kf.serving.export_model(writers[last], to_write[last].schema, folder / "caption_model", images)
reports.append(kf.verify(version))
with CApiSession(version) as session:
    sent = {
        "image_bytes": [raw["image_bytes"][0], b""],
        "prompt": [b"", query[:2].encode()],
        "strategy": [b"beam"] * 2,
    }
    answered = session.run("caption", sent)
for caption, ok in zip(answered["caption"], answered["image_ok"], strict=True):
    print(f"  {caption.decode()}   (image readable: {ok})")
print(*reports, sep="\n")

# %% [markdown]
# ## Try it yourself
#
# Write a query with a typo, or with the characters in another order: which tokenizer bears it better? Lower
# `max_tokens` of the data to be matched: where does the word model become a character model?

# %%
_common.finish(all(report.ok for report in reports))
