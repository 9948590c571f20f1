"""How each preset is trained: `RECIPES`, by name."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

import kerasfusion as kf
from kerasfusion.data.table import read_table
from kerasfusion.evaluation import score_rows

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
WORLD = "procedural: images drawn by kerasfusion, no rights of others"
EMOJI = "noto_emoji: 1,295 emoji of Noto Emoji (Apache-2.0) and their Unicode names"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a preset is, and how it is trained.

    Args:
        train: Function `(folder, data_dir) -> Run`; it resumes what an interrupted call left in the folder.
        summary: One sentence: what the model does.
        limits: What it is not for.
        data: What it was trained on, with the licence of that.
        page: Its page in `experiments/results`, without `.md`.
        scores: Function `run -> list of dict` with `metric`, `value` and, where known, `low`, `high` and `n`. None
            takes those of the run.
        export: Function `(run, model_dir, data_dir) -> version`. None is `kf.export`.
    """

    train: Callable
    summary: str
    limits: str
    data: str
    page: str
    scores: Callable | None = None
    export: Callable | None = None


RECIPES: dict[str, Recipe] = {}


def recipe(**about):
    """Register the decorated function under its name."""

    def register(train):
        RECIPES[train.__name__] = Recipe(train, **about)
        return train

    return register


def run_tutorial(script, folder, data_dir, *flags, run="run"):
    """Run a tutorial, unless it has finished in that folder, and load the run that it leaves."""
    if not (folder / "finished").exists():
        command = [sys.executable, str(EXPERIMENTS / f"{script}.py"), *flags, "--output-dir", str(folder)]
        environment = {**os.environ, "KERASFUSION_DATA": str(data_dir or "")}
        subprocess.run([*command, "--results", str(folder / "results.csv")], check=True, env=environment)
        (folder / "finished").touch()
    return kf.load(folder / run)


def scores_of(model, *metrics):
    """The rows of a model in the table that `run_tutorial` recorded; `metrics` are pairs of a name there and ours."""

    def scores(run):
        table = pd.read_csv(run.path.parent / "results.csv")
        rows = table[table["model"] == model].set_index("metric")
        found = []
        for recorded, name in metrics:
            row = rows.loc[recorded].dropna()
            found.append({"metric": name, **{k: float(row[k]) for k in ("value", "low", "high", "n") if k in row}})
        return found

    return scores


def train(data, model, folder, epochs, **settings):
    """Train without baselines, or read a finished run back. Settings are of `TrainingConfig` or the model."""
    fields = {field.name for field in dataclasses.fields(kf.training.TrainingConfig)}
    config = {key: settings.pop(key) for key in list(settings) if key in fields}
    config = kf.training.TrainingConfig(epochs=epochs, **config)
    return kf.train(data, model, folder, config, baselines=False, resume=True, **settings)


def emoji(data_dir, **settings):
    return kf.data.load(Path(data_dir) / "noto_emoji" / "data.jsonl", **settings)


@recipe(
    summary="Answers questions about images of colored shapes: is there one, how many, which color, shape or size.",
    limits="photographs, or other questions: it has never seen any.",
    data=WORLD,
    page="demo",
)
def shapes_vqa(folder, data_dir):
    config = kf.workflows.demo_config()
    return kf.train(
        kf.data.load("shapes"), kf.workflows.DEMO_MODEL, folder, config, resume=True, **kf.workflows.DEMO_CHANGES
    )


@recipe(
    summary="Answers the questions of easy-VQA: which shape or color an image shows.",
    limits="photographs, or images of several shapes.",
    data="easy-VQA (MIT), its official split",
    page="easy_vqa",
)
def easy_vqa(folder, data_dir):
    table = Path(data_dir) / "easy_vqa" / "data.jsonl"
    data = kf.data.load(table, image="image", text="question", label="answer", split="split")
    return train(data, "vqa_film", folder, 10, batch_size=128, learning_rate=3e-3, patience=None)


@recipe(
    summary="Answers the questions of Sort-of-CLEVR about one object or about how objects lie to each other.",
    limits="other images than those of Sort-of-CLEVR, whose six objects have one color each.",
    data="Sort-of-CLEVR, drawn by kerasfusion after its paper (arXiv 1706.01427)",
    page="02_relational_vqa",
    scores=scores_of(
        "vqa_memory, seed 1, 45 minutes, mirrored",
        ("accuracy (relational)", "accuracy, relational questions"),
        ("accuracy (non-relational)", "accuracy, non-relational questions"),
    ),
)
def sort_of_clevr_vqa(folder, data_dir):
    flags = ("--fusions", "memory", "--seeds", "1", "--minutes", "45", "--mirror")
    return run_tutorial("02_relational_vqa", folder, data_dir, *flags)


@recipe(
    summary="Describes an image of colored shapes in a sentence that names every shape by size and color.",
    limits="photographs.",
    data=WORLD,
    page="08_captioning",
    scores=scores_of(
        "caption_attend, greedy", ("scenes described exactly", "scenes described exactly"), ("CIDEr",) * 2
    ),
)
def shapes_caption(folder, data_dir):
    flags = ("shapes:large", "--models", "caption_attend", "--epochs", "6")
    return run_tutorial("08_captioning", folder, None, *flags, run="caption_attend")


@recipe(
    summary="Tags an image of colored shapes with the shapes in it, such as 'red circle', each with a probability.",
    limits="photographs, or counting: a tag says that there is at least one.",
    data=WORLD,
    page="10_tag_sequences",
)
def shapes_tags(folder, data_dir):
    table = folder.parent / "shapes_tags_images"
    if not (table / "tags.csv").exists():
        sys.path.insert(0, str(EXPERIMENTS))
        from _datasets import shapes_with_tags

        shutil.rmtree(table, ignore_errors=True)
        tags = shapes_with_tags(table, False, lambda objects: sorted(set(objects["color"] + " " + objects["shape"])))
        tags.to_csv(table / "tags.csv", index=False)
    data = kf.data.load(table / "tags.csv", image="image", label="tags", text=[], split="split")
    encoder = {"name": "residual_cnn", "filters": (32, 64, 128), "coordinates": True}
    settings = {"image_encoder": encoder, "units": 128, "batch_size": 64, "patience": None}
    return train(data, "image_only", folder, 30, **settings)


@recipe(
    summary="Sorts emoji into coarse classes by image and Unicode name.",
    limits="other drawings than those of Noto Emoji; half of the classes have fewer than 60 emoji.",
    data=EMOJI,
    page="compare_emoji",
)
def emoji_classifier(folder, data_dir):
    # The default model, smaller: its linear path had no weight after calibration on the validation split.
    encoder = {"name": "residual_cnn", "filters": (24, 48, 96)}
    return train(emoji(data_dir, image_size=48), "wide_deep", folder, 30, image_encoder=encoder, linear=None)


@recipe(
    summary="The articles' joint network (dense text branch, one convolution, concatenation) on emoji.",
    limits="anything but a demonstration: `emoji_classifier` is better.",
    data=EMOJI,
    page="compare_emoji",
)
def emoji_article_joint(folder, data_dir):
    return train(emoji(data_dir, image_size=18), "article_joint", folder, 10)


def _search_scores(run):
    """R@1 by names that were learned, and by names that were not, each among 130 emoji."""
    held_out = json.loads((run.path.parent / "held_out" / "metrics.json").read_text(encoding="utf-8"))
    scores = []
    for names, metrics in (("names of the gallery", run.metrics), ("names that were not learned", held_out)):
        rows = {row["metric"]: row for row in score_rows(metrics) if row["model"] == metrics["model"]}
        for metric in ("R@1 text to image", "R@1 image to text"):
            score = {key: rows[metric][key] for key in ("value", "low", "high", "n")}
            scores.append({"metric": f"{metric}, {names}", **score})
    return scores


def _search(run, model_dir, data_dir):
    folder = Path(data_dir) / "noto_emoji"
    version, _ = kf.export_search_index(run, folder / "data.jsonl", model_dir, id_column="text", k=5)
    return version


@recipe(
    summary="Finds emoji by a sentence or by an image, among 1,295 that are part of the SavedModel.",
    limits="emoji of other vendors or later versions of Unicode: names that it has not learned are found badly.",
    data=EMOJI,
    page="05_contrastive_retrieval",
    scores=_search_scores,
    export=_search,
)
def emoji_search(folder, data_dir):
    # Searched are the emoji that it learned, so it learns all of them; `held_out` says what becomes of other names.
    roles = {"image": "image", "text": "text", "problem_type": "retrieval", "image_size": 48}
    encoder = {"name": "residual_cnn", "filters": (24, 48, 96)}
    settings = {"image_encoder": encoder, "text_encoder": "average", "units": 96, "batch_size": 128}
    train(emoji(data_dir, **roles), "dual_gru_mobilenet", folder / "held_out", 40, patience=10, **settings)
    table = read_table(Path(data_dir) / "noto_emoji" / "data.jsonl")
    few = table.sample(130, random_state=0)
    parts = [part.assign(split=name) for name, part in (("train", table), ("validation", few), ("test", few))]
    whole = pd.concat(parts, ignore_index=True)
    whole.attrs = table.attrs
    data = kf.data.load(whole, split="split", **roles)
    return train(data, "dual_gru_mobilenet", folder / "run", 40, patience=None, **settings)


@recipe(
    summary="Encodes an image of a shape and its sentence as 16 numbers, and decodes these to an image and words.",
    limits="images of several shapes, or photographs.",
    data=WORLD,
    page="13_autoencoder",
    scores=scores_of(
        "plain, from the image",
        ("squared error of the image", "squared error of the image, pixels in [0, 1]"),
        ("f1 of the words", "F1 of the words"),
    ),
)
def shapes_autoencoder(folder, data_dir):
    return run_tutorial("13_autoencoder", folder, None, "--seeds", "1")


@recipe(
    summary="Draws a shape on a light ground from a sentence and a seed, as a PNG of 32 pixels.",
    limits="pairs of color and shape that it has not seen (red cross, green triangle, blue circle, yellow square).",
    data=WORLD,
    page="14_text_to_image",
    scores=scores_of("generator", ("accuracy", "attributes that a judge finds right")),
)
def shapes_generator(folder, data_dir):
    return run_tutorial("14_text_to_image", folder, None, "--seeds", "1")


@recipe(
    summary="Finds the object that an expression means, such as 'the large circle left of the cross': a box.",
    limits="photographs, or expressions that no object fits: it always gives a box.",
    data=WORLD,
    page="20_grounding",
    scores=scores_of(
        "words and cells", ("accuracy at IoU 0.5", "boxes with an IoU of at least 0.5"), ("mean IoU", "mean IoU")
    ),
)
def shapes_grounding(folder, data_dir):
    return run_tutorial("20_grounding", folder, None, "--seeds", "1")


@recipe(
    summary="Chooses the frames of a video of moving shapes in which happens what a query says.",
    limits="recorded videos, or queries about anything but shapes that meet, stop or hide.",
    data=WORLD,
    page="21_video_summary",
    scores=scores_of("frames + query", ("F1", "F1")),
)
def moving_shapes_summary(folder, data_dir):
    return run_tutorial("21_video_summary", folder, data_dir, "--seeds", "1")


@recipe(
    summary="Steers a car on a drawn road by camera, spoken command and speed.",
    limits="driving: it knows drawn roads alone.",
    data=WORLD,
    page="24_driving",
    scores=scores_of("track: branch per command", ("reached", "drives that end in the commanded branch")),
)
def track_driving(folder, data_dir):
    return run_tutorial("24_driving", folder, None, "--seeds", "1")


@recipe(
    summary="Answers a question about a video of moving shapes with sound, by what was said before.",
    limits="recorded videos; questions who hid first and what happened next are answered by chance.",
    data=WORLD,
    page="27_video_dialogue",
    scores=scores_of("video + sound + history", ("accuracy", "accuracy"), ("accuracy (tone)", "accuracy (tone)")),
)
def moving_shapes_dialogue(folder, data_dir):
    return run_tutorial("27_video_dialogue", folder, None, "--seeds", "1")


@recipe(
    summary="Embeds a drawn face and its description, so that images of one person have similar vectors.",
    limits="photographs or real people: it has seen drawn faces alone. It stores no image: `embed` gives a vector.",
    data=WORLD,
    page="23_faces",
    scores=scores_of("whole: image + text", ("EER", "equal error rate, whole faces")),
)
def faces_verification(folder, data_dir):
    return run_tutorial("23_faces", folder, data_dir, "--seeds", "1")


def _catalogue(folder):
    """Ratings of drawn films, the films, and factors fitted to the ratings."""
    sys.path.insert(0, str(EXPERIMENTS))
    from _recommending import draw_films

    ratings, films, _ = draw_films(folder)
    factors = kf.factorization.CollectiveMatrixFactorization(8, random_state=0)
    return films, factors.fit(ratings)


def _recommender(run, model_dir, data_dir):
    with tempfile.TemporaryDirectory() as folder:
        _, factors = _catalogue(Path(folder))
    return kf.workflows.export_recommender(factors, model_dir, tower=run)


@recipe(
    summary="Recommends drawn films: 120 users, 150 films with a poster and a line of text, and new films by these.",
    limits="anything but a demonstration.",
    data="procedural: users, ratings and posters drawn by kerasfusion, no rights of others",
    page="06_recommending",
    scores=lambda run: [
        {"metric": "R² of the factors of new films", "value": run.metrics["r2"], "n": run.metrics["items"]}
    ],
    export=_recommender,
)
def demo_recommender(folder, data_dir):
    films, factors = _catalogue(folder.parent / "demo_recommender_films")
    config = kf.training.TrainingConfig(epochs=40, batch_size=16, learning_rate=5e-3)
    encoder = {"name": "small_cnn", "filters": (8, 16), "flatten": True}
    return kf.workflows.train_item_tower(
        factors, films, folder, id_column="film", text="about", image="poster", config=config, resume=True,
        image_encoder=encoder, units=32,
    )  # fmt: skip
