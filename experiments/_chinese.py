"""Chinese captions: read or written from scenes, the best possible retrieval, paired gains and figures."""

import itertools
import json
import warnings

import matplotlib
import numpy as np
import pandas as pd
from _datasets import flickr8k
from _retrieval import SMALL_CNN  # noqa: F401
from _views import retrieval_scores
from matplotlib.figure import Figure
from PIL import Image
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from kerasfusion.data import DataError
from kerasfusion.data.shapes_world import COLORS, SHAPES, Object, Scene, draw_scene
from kerasfusion.evaluation import fonts
from kerasfusion.evaluation.caption_baselines import majority_caption, nearest_captions
from kerasfusion.evaluation.caption_scores import normalized
from kerasfusion.evaluation.frozen_features import pooled_features
from kerasfusion.evaluation.retrieval import rsum, summarize
from kerasfusion.evaluation.statistics import by_group, linear_values, paired_difference
from kerasfusion.factorization import RidgeCCA
from kerasfusion.preprocessing import LongestMatch, text_vectorizer, tokenize
from kerasfusion.preprocessing.segmentation import require_jieba

SPLITS = {"ours": "split", "published": "split_published"}
_NAMES = {"dev": "validation", "val": "validation"}
_SHAPES = dict(zip(SHAPES, ("圆", "方块", "三角", "十字"), strict=True))
_COLORS = dict(zip(COLORS, ("红色", "绿色", "蓝色", "黄色", "紫色", "灰色"), strict=True))


def flickr8k_cn(data_dir, split):
    """Read one row per photo: Chinese `captions`, `split`, and `translations` of English captions or None.

    Args:
        data_dir: Path of the folder that holds `flickr8k_cn` and the photos in `flickr8k_128`.
        split: A key of `SPLITS`. Photos that are in no published split are left out of that one.

    Raises:
        DataError: A folder is missing, or a photo of a caption.
    """
    for name in ("flickr8k_cn", "flickr8k_128"):
        if not (data_dir / name / "data.jsonl").is_file():
            raise DataError(f"{data_dir / name / 'data.jsonl'} is missing: put the folder {name} into {data_dir}.")
    lines = (data_dir / "flickr8k_cn" / "data.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    photos = flickr8k(data_dir / "flickr8k_128")["image"]
    paths = {path.rsplit("/", 1)[-1]: path for path in photos}
    table = []
    for number, row in enumerate(rows, start=1):
        name = row["image"].rsplit("/", 1)[-1]
        if name not in paths:
            raise DataError(
                f"flickr8k_cn/data.jsonl, row {number}, column 'image': flickr8k_128/data.jsonl has no {name!r}. "
                "Take both folders from one source."
            )
        found = {"image": paths[name], "captions": row["captions_zh"], "split": row[SPLITS[split]]}
        table.append(found | {"translations": row.get("translations_zh")})
    table = pd.DataFrame(table).dropna(subset="split", ignore_index=True).replace({"split": _NAMES})
    table.attrs.update(source="flickr8k_cn")
    return table


def draw_chinese(folder, sizes, seed=0):
    """Draw scenes of two shapes, one of them beside or above the other, with three Chinese captions each.

    Args:
        folder: Path for the images.
        sizes: Dict of split -> number of scenes.
        seed: Seed of the scenes.

    Returns:
        pandas.DataFrame with the columns of `flickr8k_cn`.
    """
    rng, rows = np.random.default_rng(seed), []
    folder.mkdir(parents=True, exist_ok=True)
    for split, size in sizes.items():
        for number in range(size):
            (color, shape), (other_color, other) = (
                (COLORS[rng.integers(len(COLORS))], SHAPES[rng.integers(len(SHAPES))]) for _ in range(2)
            )
            beside = bool(rng.integers(2))
            near, far, across = rng.uniform(0.22, 0.3), rng.uniform(0.7, 0.78), rng.uniform(0.35, 0.65)
            places = [(near, across), (far, across)] if beside else [(across, near), (across, far)]
            first, second = Object(shape, color, "large", *places[0]), Object(other, other_color, "large", *places[1])
            path = folder / f"{split}_{number}.png"
            Image.fromarray(draw_scene(Scene((first, second)), rng)).resize((32, 32)).save(path)
            one, two = (f"{_COLORS[item.color]}的{_SHAPES[item.shape]}" for item in (first, second))
            here, there = ("左边", "右边") if beside else ("上面", "下面")
            captions = [f"{one}在{two}的{here}", f"{two}在{one}的{there}", f"{here}是{one},{there}是{two}"]
            rows.append({"image": str(path.resolve()), "captions": captions, "split": split, "translations": None})
    table = pd.DataFrame(rows)
    table.attrs.update(source="drawn scenes")
    return table


def one_row_each(table, column="captions"):
    """One row per `caption`; of `column="translations"`, of the photos that have them."""
    pairs = table.dropna(subset=column).explode(column, ignore_index=True).drop(columns="caption", errors="ignore")
    pairs = pairs.rename(columns={column: "caption"})
    pairs.attrs.update(table.attrs)
    return pairs


def ceiling(captions, image_of_text):
    """The best retrieval that any model can reach where captions repeat.

    A model answers equal captions equally. From text to image, the best answer to a caption of several images puts
    the images that have it most often first. From image to text, equal captions have equal scores, and an image is
    best described by its caption that the fewest other images have.

    Args:
        captions: Sequence of str `(n,)`. Captions of the same words are equal.
        image_of_text: int `(n,)`, the image of each.

    Returns:
        dict: direction -> `Retrieval`, as from `kf.evaluation.retrieval.retrieval`.
    """
    table = pd.DataFrame({"text": normalized(captions), "image": image_of_text})
    copies = table.groupby(["text", "image"], as_index=False).size().sort_values("size", ascending=False)
    copies["rank"] = copies.groupby("text").cumcount() + 1
    table = table.merge(copies, on=["text", "image"]).join(table["text"].value_counts(), on="text")
    others = (table["count"] - table["size"]).groupby(table["image"]).min()
    ranks = {"image to text": 1 + others.to_numpy() / 2, "text to image": table["rank"].to_numpy()}
    sizes = {"image to text": len(table), "text to image": len(others)}
    return {name: summarize(found, sizes[name]) for name, found in ranks.items()}


def image_vectors(model, splits):
    """Features of each split's distinct images, float `(m, d)`: of a model's frozen network, or else pixels."""
    (feature,) = splits[0].schema.of_kind("image")
    encoder = model.encoders[feature.name]
    if getattr(encoder, "frozen_backbone", None) is not None:
        return [found for found, _, _ in pooled_features(encoder, feature, splits)]
    places = [np.unique(split.arrays[feature.name]).astype("int32") for split in splits]
    return [
        split.banks[feature.name].fetch(own)[0].numpy().reshape(len(own), -1) / 255
        for split, own in zip(splits, places, strict=True)
    ]


def embed_strings(model, schema, texts):
    """Embed texts by a dual encoder: float `(n, d)`."""
    (feature,) = schema.of_kind("text")
    ids = text_vectorizer(feature)(np.asarray(texts, object)).numpy().astype("int32")
    parts = np.split(ids, range(512, len(ids), 512))
    return np.concatenate([np.asarray(model.embed({feature.name: part})["text"]) for part in parts])


def fit_linear(features, splits, width):
    """Fit TF-IDF of characters and ridge CCA, its settings chosen by rsum on the second of three splits.

    Args:
        features: For each split float `(m, d)`, the features of its images.
        splits: `Examples` of train, validation and test.
        width: Principal components of each view.

    Returns:
        tuple: the fitted model, and its views of the images and texts of the third split, float `(m, width)` and
        `(n, width)`.
    """
    texts = [split.raw(split.schema.of_kind("text")[0]) for split in splits]
    owners = [np.unique(split.arrays["image"], return_inverse=True)[1] for split in splits]
    tfidf = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), min_df=3, sublinear_tf=True).fit(texts[0])
    fewer_words = TruncatedSVD(width, random_state=0).fit(tfidf.transform(texts[0]))
    fewer_pixels = PCA(width, svd_solver="randomized", random_state=0).fit(features[0])
    images = [fewer_pixels.transform(part).astype("float32") for part in features]
    words = [fewer_words.transform(tfidf.transform(part)).astype("float32") for part in texts]
    trials = {}
    for ridge, count in itertools.product((0.1, 0.3, 1.0), (width // 4, width // 2)):
        model = RidgeCCA(count, ridge=ridge).fit({"image": images[0][owners[0]], "text": words[0]})
        trials[rsum(retrieval_scores(model, images[1], words[1], owners[1]))] = model
    return trials[max(trials)], images[2], words[2]


def simple_captions(known, train_features, features, seed=0):
    """Captions without a decoder: dict name -> list of str, one per row of `features`.

    Args:
        known: Lists of training captions, one list per image.
        train_features: float `(m, d)`, in the order of `known`.
        features: float `(n, d)`.
        seed: Seed of the random captions.
    """
    everything = [caption for own in known for caption in own]
    return {
        "most frequent caption": [majority_caption(everything)] * len(features),
        "random caption": np.random.default_rng(seed).choice(everything, len(features)).tolist(),
        "nearest photo's caption": nearest_captions(features, train_features, [own[0] for own in known]),
    }


def odd_texts(query):
    """What people send in place of a query: dict name -> str."""
    traditional = str.maketrans("个红着圆蓝绿黄灰边个穿绿", "個紅著圓藍綠黃灰邊個穿綠")
    return {
        "as it was": query,
        "empty": "",
        "ASCII in between": f"{query[:2]} dog {query[2:]}",
        "emoji": f"{query}🐶",
        "full-width": f"Ａ１{query}！",
        "traditional": query.translate(traditional),
        "50 times": query * 50,
    }


def segmentation_agreement(texts, vocabulary):
    """Share of texts that `kf.preprocessing.LongestMatch` splits exactly as jieba does."""
    segment = require_jieba().lcut
    found = [[word.decode() for word in own] for own in tokenize(texts, LongestMatch(vocabulary)).to_list()]
    # Without punctuation.
    expected = [[word for word in segment(text) if word.isalnum()] for text in texts]
    return float(np.mean([own == other for own, other in zip(found, expected, strict=True)]))


def add_retrieval(results, name, found, seed=0):
    """Add the recalls of a model in both directions, and their sum."""
    for direction, one in found.items():
        for k, value in one.recall.items():
            results.add(name, f"R@{k} {direction}", value, one.queries, seed)
    results.add(name, "rsum", rsum(found), seed=seed)


def add_captioning(results, name, found):
    """Add the scores of captions, a `CaptionScores`."""
    count = len(found.per_image)
    results.add(name, "CIDEr", found.cider.value, count)
    results.add(name, "BLEU-4", found.bleu[3], count)
    results.add(name, "characters per caption", found.length, count)
    results.add(name, "novel captions", found.novel, count)


def gain_of_recall(ranks, other, image_of_text):
    """The paired gain in R@1 from text to image, the seeds averaged and the captions of one image taken together.

    Args:
        ranks: List over seeds of float `(n,)`, the rank of the right image of each caption.
        other: The same of the model to compare with.
        image_of_text: int `(n,)`.

    Returns:
        Difference, for these seeds.
    """
    ones = by_group(np.ones(len(image_of_text)), image_of_text)
    values = (
        linear_values(by_group(np.mean([own <= 1 for own in found], axis=0), image_of_text), ones)
        for found in (ranks, other)
    )
    return paired_difference(*values, share=True)


def has_glyphs():
    """Whether Matplotlib finds a font with Chinese characters."""
    return len(fonts.families()) > len(matplotlib.rcParams["font.family"])


def save_captions(path, columns, width=16):
    """Save a figure of captions side by side, without their images: one line per image.

    Args:
        path: The PNG file.
        columns: dict title -> list of str.
        width: Longest caption that is drawn, in characters.

    Returns:
        bool: Whether it was drawn. Without a font that has Chinese characters it is not, and a warning names the
        remedy.
    """
    if not has_glyphs():
        warnings.warn(
            f"{path.name} is not drawn: no installed font has Chinese characters. Install one, such as the package "
            "fonts-noto-cjk.",
            stacklevel=2,
        )
        return False
    cells = [[text if len(text) <= width else f"{text[: width - 1]}…" for text in own] for own in columns.values()]
    with matplotlib.rc_context({"font.family": fonts.families()}):
        figure = Figure(figsize=(3.0 * len(columns), 0.7 + 0.3 * len(cells[0])), layout="constrained")
        axes = figure.subplots()
        axes.axis("off")
        table = axes.table(list(zip(*cells, strict=True)), colLabels=list(columns), cellLoc="left", loc="center")
        table.auto_set_font_size(False)
        table.set_fontsize(9)
        table.scale(1, 1.4)
        for (row, _), cell in table.get_celld().items():
            cell.set(edgecolor="#d0d7de", facecolor="#f6f8fa" if row == 0 else "white")
        figure.savefig(path, dpi=120)
    return True


def save_curves(path, histories):
    """Save the losses over epochs: dict title -> dict model -> history, one panel per title."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    for axes, (title, runs) in zip(figure.subplots(1, len(histories)), histories.items(), strict=True):
        for number, (name, history) in enumerate(runs.items()):
            epochs = np.arange(1, len(history) + 1)
            axes.plot(epochs, [row["loss"] for row in history], f"C{number}:", label=f"{name}, training")
            axes.plot(epochs, [row["val_loss"] for row in history], f"C{number}", label=f"{name}, validation")
        axes.set(title=title, xlabel="epoch", ylabel="loss")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=7)
    figure.savefig(path, dpi=120)
