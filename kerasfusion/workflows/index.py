from pathlib import Path

import pandas as pd

from kerasfusion.data import DataError, load_rows
from kerasfusion.data.table import read_table
from kerasfusion.evaluation import embed_images
from kerasfusion.serving import export_model, reference
from kerasfusion.serving.gallery import Gallery
from kerasfusion.training import from_preset


def export_search_index(run, gallery, model_dir, *, id_column=None, k=10, image_dir=None, allow_external_paths=False):
    """Write the next version of a SavedModel with a gallery of images in it, to be searched by text and by image.

    Every image is embedded once and compared with every query, exactly, inside the SavedModel. Nothing is added to
    an older version: index the whole gallery again, and TensorFlow Serving takes the new version over.

    Args:
        run: A `Run` that learned a match, its folder, or a preset (`kf.from_preset`).
        gallery: A folder, whose images are named by their paths in it; or a table with the run's image column,
            named by that column's paths.
        model_dir: The model's folder, as for `kf.export`.
        id_column: Column of the table that names the images instead.
        k: Images that a search gives.
        image_dir: Folder that relative image paths of a table start from.
        allow_external_paths: Allow image paths that leave that folder.

    Returns:
        tuple: `pathlib.Path` of the version, and the names of the images that could not be read and are left out.
        It counts as exported once `verify` has passed on it.

    Raises:
        DataError: The gallery holds no image that can be read, the table lacks a column, or an image has no name.
        ValueError: The run learned no match.

    Example:

    ```python
    version, left_out = kf.export_search_index("runs/captions", "photos", "saved_models/search")
    print(kf.verify(version))
    ```
    """
    run = from_preset(run)
    if not run.schema.of_type("retrieval"):
        raise ValueError(
            f"{run.path} learned no match, so it cannot search. Train with problem_type='retrieval' "
            "(--problem-type retrieval)."
        )
    (feature,) = run.schema.of_kind("image")
    if isinstance(gallery, str | Path) and Path(gallery).is_dir():
        if id_column is not None:
            raise DataError(f"{gallery} is a folder, whose images are named by their paths: it has no columns.")
        frame, image_dir = _files(Path(gallery), feature.columns[0]), gallery
    else:
        frame = read_table(gallery)
    source = frame.attrs.get("source", str(gallery))
    examples, _ = load_rows(
        frame,
        run.schema.only("image"),
        image_dir=image_dir,
        allow_external_paths=allow_external_paths,
        with_labels=False,
    )
    names = _names(frame, feature.columns[0], id_column, source)
    named = pd.DataFrame({"id": names, "image": examples.arrays[feature.name]})
    images, embeddings = embed_images(run.model, examples)
    readable = named["image"].isin(images)
    left_out = list(dict.fromkeys(named["id"][~readable]))
    # A table of captions names an image in several rows; a product may have several images.
    kept = named[readable].drop_duplicates(ignore_index=True)
    if not len(kept):
        raise DataError(f"{source}: none of {len(named):,} images can be read, so there is nothing to search.")
    places = pd.Index(images).get_indexer(kept["image"])
    found = Gallery(kept["id"].to_list(), embeddings[places], k)
    rows = reference.load_reference(run.path / "reference_inputs.npz")["serving_default"][0]
    return export_model(run.model, run.schema, model_dir, rows, gallery=found), left_out


def _files(folder, column):
    """Every file below a folder, hidden ones left out, as a table of paths."""
    paths = sorted(
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not paths:
        raise DataError(f"{folder} holds no files, so there is nothing to search.")
    frame = pd.DataFrame({column: [path.as_posix() for path in paths]}, dtype=object)
    frame.attrs["source"] = str(folder)
    return frame


def _names(frame, column, id_column, source):
    if id_column is not None and id_column not in frame.columns:
        raise DataError(f"{source} has no column {id_column!r}; it has {', '.join(map(repr, frame.columns))}.")
    cells = frame[id_column or column] if (id_column or column) in frame.columns else pd.Series(dtype=object)
    unnamed = [place for place, cell in enumerate(cells) if isinstance(cell, bytes | dict) or pd.isna(cell)]
    if unnamed and (id_column or isinstance(cells.iloc[unnamed[0]], bytes | dict)):
        raise DataError(
            f"{source}, row {int(frame.index[unnamed[0]]) + 1}: the image has no name. Say which column names the "
            "images (id_column=…, --id)."
        )
    return cells.astype(str).to_numpy(object)
