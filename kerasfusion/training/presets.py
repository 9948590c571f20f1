"""Load presets by name, path or address."""

from kerasfusion.presets import check_files, find_preset
from kerasfusion.training.preset_download import REMOTE, download
from kerasfusion.training.run import Run, load


def from_preset(preset, cache_dir=None) -> Run:
    """Load a trained model by name, from a folder, or from an address.

    The files of a preset are checked against the SHA-256 in its `preset.json` before anything is read. Nothing in
    them is executed: the model is loaded in Keras's safe mode, from layers of Keras, KerasHub and kerasfusion alone.

    Args:
        preset: One of

            - a name from `kf.list_presets()`: weights that come with the package, nothing is downloaded,
            - the folder of a preset (`Run.save_preset`) or of a run,
            - `https://host/path/NAME#sha256=DIGEST`, the address of a preset's folder; the digest is that of its
              `preset.json`, which holds those of all other files,
            - `hf://owner/repository` or `hf://owner/repository@revision`: a preset on the Hugging Face Hub (extra
              `[huggingface]`).
        cache_dir: Folder for downloaded presets. Defaults to `None`: `presets` in Keras's home, `~/.keras`.

    Returns:
        Run: as `kf.load` returns it; `predict`, `features`, `kf.export` and `--init-from` take it.

    Raises:
        ImportError: `hf://` without the extra `[huggingface]`.
        OSError: The address cannot be reached.
        ValueError: An unknown name (the message has the nearest), a file with another SHA-256, a preset of a newer
            version, or a damaged file.

    Example:

    ```python
    run = kf.from_preset("shapes_vqa")
    print(run.predict([kf.data.example("shapes_vqa")]))
    ```
    """
    if isinstance(preset, Run):
        return preset
    folder = download(preset, cache_dir) if str(preset).startswith(REMOTE) else find_preset(preset)
    check_files(folder)
    return load(folder)
