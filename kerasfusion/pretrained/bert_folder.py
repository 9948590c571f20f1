"""BERT-like text encoders in Hugging Face's form: a folder with `config.json`, `model.safetensors`, `vocab.txt`."""

import json
from pathlib import Path

import numpy as np

from kerasfusion.pretrained.packages import PACKAGES, weight_file

# What ids 0 to 3 of a text feature are called in BERT's vocabularies.
BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"}
# Entry of `config.json` -> argument of the encoder.
_ARGUMENTS = {
    "hidden_size": "hidden_dim",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "intermediate_dim",
    "max_position_embeddings": "max_length",
    "layer_norm_eps": "epsilon",
}
_BLOCK = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "output",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "expand",
    "output.dense": "contract",
    "output.LayerNorm": "norm",
}


def bert_folder(weights):
    """Return the folder of an installed text encoder, or a local folder.

    Args:
        weights: str or path, `"minilm"` or a folder in Hugging Face form.

    Returns:
        `pathlib.Path`.

    Raises:
        ImportError: if the package is not installed.
        ValueError: if the package is not what was tested.
        FileNotFoundError: if the folder, or a file in it, does not exist.
    """
    name = str(weights)
    if name in PACKAGES and PACKAGES[name].modality == "text":
        for file in PACKAGES[name].files:
            path = weight_file(name, file.rpartition("/")[2])
        return path.parent
    folder = Path(weights)
    lacking = [file for file in ("config.json", "model.safetensors", "vocab.txt") if not (folder / file).is_file()]
    if lacking:
        raise FileNotFoundError(
            f"{folder}: no {', '.join(lacking)}. Give weights='minilm' or a folder with config.json, "
            "model.safetensors and vocab.txt, as BERT-like models have on Hugging Face."
        )
    return folder


def read_bert_config(folder):
    """Read the architecture from `config.json`.

    Args:
        folder: Path of the folder.

    Returns:
        dict: `hidden_dim`, `num_layers`, `num_heads`, `intermediate_dim`, `max_length`, `epsilon`, `activation`.

    Raises:
        ValueError: if it is no BERT, or of a kind that is not supported.
    """
    file, config = Path(folder) / "config.json", _read_json(Path(folder) / "config.json")
    if config.get("model_type", "bert") != "bert":
        raise ValueError(f"{file}: model_type is {config['model_type']!r}; only 'bert' is supported.")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise ValueError(f"{file}: position embeddings are {config['position_embedding_type']}, not absolute.")
    lacking = [name for name in _ARGUMENTS if name not in config]
    if lacking:
        raise ValueError(f"{file} has no {', '.join(lacking)}; is it the config of a BERT?")
    activation = config.get("hidden_act", "gelu")
    if activation not in ACTIVATIONS:
        raise ValueError(f"{file}: hidden_act is {activation!r}; supported are {', '.join(ACTIVATIONS)}.")
    found = {argument: config[name] for name, argument in _ARGUMENTS.items()}
    numbers = [name for name, argument in _ARGUMENTS.items() if argument != "epsilon"]
    wrong = [name for name in numbers if not isinstance(config[name], int) or config[name] < 1]
    if wrong:
        raise ValueError(f"{file}: {', '.join(wrong)} must be whole numbers from 1.")
    width, heads, epsilon = (config[name] for name in ("hidden_size", "num_attention_heads", "layer_norm_eps"))
    if width % heads:
        raise ValueError(f"{file}: hidden_size {width} is not divisible by num_attention_heads {heads}.")
    if not isinstance(epsilon, int | float) or not 0 < epsilon < 1:
        raise ValueError(f"{file}: layer_norm_eps must be a number between 0 and 1, not {epsilon!r}.")
    return {**found, "activation": ACTIVATIONS[activation]}


def read_vocabulary(folder):
    """Read the WordPiece vocabulary in the order of a text feature's ids.

    Args:
        folder: Path of the folder.

    Returns:
        tuple: the pieces of ids 4, 5, … (tuple of str); int64 array, the row of BERT's embeddings of each id,
        the four special ones first; bool, whether texts are lower-cased.

    Raises:
        ValueError: no BERT vocabulary, the same piece twice, or a tokenizer with settings that are not supported.
    """
    file, settings = Path(folder) / "vocab.txt", Path(folder) / "tokenizer_config.json"
    try:
        pieces = [line.rstrip("\r\n") for line in file.read_text(encoding="utf-8").split("\n")]
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not UTF-8 text: {error}. Save the vocabulary as UTF-8.") from error
    pieces = pieces[:-1] if pieces[-1] == "" else pieces
    rows = {piece: row for row, piece in enumerate(pieces)}
    lacking = [token for token in BERT_TOKENS if token not in rows]
    if lacking:
        raise ValueError(f"{file} has no {', '.join(lacking)}; is it the vocabulary of a BERT, one piece a line?")
    if len(rows) != len(pieces):
        twice = next(piece for row, piece in enumerate(pieces) if rows[piece] != row)
        raise ValueError(f"{file}: the piece {twice!r} occurs twice.")
    config = _read_json(settings) if settings.is_file() else {}
    lowercase = config.get("do_lower_case", True)
    if config.get("strip_accents") not in (None, lowercase) or not config.get("tokenize_chinese_chars", True):
        raise ValueError(
            f"{settings}: strip_accents unlike do_lower_case and tokenize_chinese_chars=false are not supported."
        )
    order = [*BERT_TOKENS, *(piece for piece in pieces if piece not in BERT_TOKENS)]
    return tuple(order[len(BERT_TOKENS) :]), np.array([rows[piece] for piece in order]), lowercase


def read_bert_weights(folder):
    """Read the weights under the names of the encoder's layers.

    Args:
        folder: Path of the folder.

    Returns:
        dict: `"layer/weight"` -> float32 array in Keras's axes; `"embedding/embeddings"` follows the ids of a text
        feature, and `"positions/embeddings"` includes the embedding of the first segment.

    Raises:
        ImportError: if safetensors is not installed.
        ValueError: a file that cannot be read, or shapes that do not fit `config.json` and `vocab.txt`.
    """
    folder = Path(folder)
    config, (_, rows, _) = read_bert_config(folder), read_vocabulary(folder)
    tensors = _tensors(folder / "model.safetensors")
    for name, shape in _shapes(config):
        if name not in tensors:
            raise ValueError(f"{folder}: config.json asks for {name}, which model.safetensors lacks.")
        if len(shape) != tensors[name].ndim or shape != tuple(
            length and there for length, there in zip(shape, tensors[name].shape, strict=True)
        ):
            raise ValueError(
                f"{folder}: config.json does not fit the weights: {name} has the shape {tensors[name].shape}, and "
                f"{shape} is expected."
            )
    words = len(tensors["embeddings.word_embeddings.weight"])
    if words < len(rows):
        raise ValueError(
            f"{folder}: vocab.txt has {len(rows):,} pieces, and model.safetensors embeddings of {words:,}."
        )
    if not len(tensors["embeddings.token_type_embeddings.weight"]):
        raise ValueError(f"{folder}: model.safetensors has no embedding of a segment.")
    unusable = next((name for name, tensor in tensors.items() if not np.isfinite(tensor).all()), None)
    if unusable is not None:
        raise ValueError(f"{folder}: {unusable} in model.safetensors has values that are infinite or not a number.")
    positions = tensors["embeddings.position_embeddings.weight"]
    # A text is one segment: its embedding is the same at every place.
    segment = tensors["embeddings.token_type_embeddings.weight"][0]
    found = {
        "embedding/embeddings": tensors["embeddings.word_embeddings.weight"][rows],
        "positions/embeddings": positions + segment,
        "embedding_norm/gamma": tensors["embeddings.LayerNorm.weight"],
        "embedding_norm/beta": tensors["embeddings.LayerNorm.bias"],
    }
    for block in range(config["num_layers"]):
        for name, layer in _BLOCK.items():
            weight, bias = (tensors[f"encoder.layer.{block}.{name}.{end}"] for end in ("weight", "bias"))
            names = ("gamma", "beta") if name.endswith("LayerNorm") else ("kernel", "bias")
            found |= {f"block_{block}/{layer}/{names[0]}": weight.T, f"block_{block}/{layer}/{names[1]}": bias}
    return found


def _shapes(config):
    """Names and shapes of the tensors that are read; None is any length."""
    width, inner = config["hidden_dim"], config["intermediate_dim"]
    yield "embeddings.word_embeddings.weight", (None, width)
    yield "embeddings.token_type_embeddings.weight", (None, width)
    yield "embeddings.position_embeddings.weight", (config["max_length"], width)
    yield "embeddings.LayerNorm.weight", (width,)
    yield "embeddings.LayerNorm.bias", (width,)
    for block in range(config["num_layers"]):
        for name in _BLOCK:
            out = inner if name == "intermediate.dense" else width
            into = inner if name == "output.dense" else width
            yield f"encoder.layer.{block}.{name}.weight", (width,) if name.endswith("LayerNorm") else (out, into)
            yield f"encoder.layer.{block}.{name}.bias", (out,)


def _tensors(file):
    """The file's tensors as float32, by the names of a plain BERT: without a prefix, norms with weight and bias."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise ImportError(
            "Reading model.safetensors needs safetensors: pip install 'kerasfusion[pretrained]'."
        ) from error
    found = {}
    try:
        with safe_open(file, framework="numpy") as tensors:
            for key in tensors.keys():  # noqa: SIM118
                name = key.removeprefix("bert.").replace(".gamma", ".weight").replace(".beta", ".bias")
                if name.startswith(("embeddings.", "encoder.")):
                    found[name] = tensors.get_tensor(key).astype("float32")
    except (SafetensorError, TypeError, OSError) as error:
        raise ValueError(f"{file} cannot be read: {error}. Save it in float32 or float16.") from error
    return found


def _read_json(file):
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise ValueError(f"{file}: expected an object, not {type(found).__name__}.")
    return found
