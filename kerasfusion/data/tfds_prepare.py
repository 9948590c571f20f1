"""How the package's own TFDS sets are made."""

import contextlib
import io


def prepare_builder(builder_class, config, data_dir, progress):
    """Makes a data set where it is not yet there, without the network.

    Args:
        builder_class: A TFDS builder class.
        config: The name of one of its configs, or a config.
        data_dir: Folder for data sets; None is that of TensorFlow Datasets.
        progress: Whether to show progress bars.

    Returns:
        The builder, ready for `as_dataset`.

    Raises:
        ValueError: No such config.
    """
    import tensorflow_datasets as tfds

    names = list(builder_class.builder_configs)
    if isinstance(config, str) and config not in names:
        raise ValueError(
            f"{builder_class.name} has no config {config!r}. Choose one of {names} or pass a config of your own."
        )
    builder = builder_class(config=config, data_dir=data_dir)
    with contextlib.nullcontext() if progress else _quiet():
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
    return builder


@contextlib.contextmanager
def _quiet():
    """Without progress bars and without "Downloading and preparing", which tfds prints for any data set."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.utils import tqdm_utils

    before = tqdm_utils._active  # tfds has a setter for it, but no getter
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.display_progress_bar(before)
