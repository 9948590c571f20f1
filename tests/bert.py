"""A tiny BERT of random weights, as KerasHub keeps one in a folder."""

import numpy as np


def bert_preset(folder, pieces, width=6):
    """Write backbone and tokenizer; returns the folder."""
    import keras_hub

    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=len(pieces),
        num_layers=1,
        num_heads=2,
        hidden_dim=width,
        intermediate_dim=8,
        max_sequence_length=16,
    )
    for i, weight in enumerate(backbone.weights):
        weight.assign(np.random.default_rng(i).normal(0, 0.5, weight.shape))
    backbone.save_to_preset(folder)
    keras_hub.models.BertTokenizer(vocabulary=pieces, lowercase=True).save_to_preset(folder)
    return folder
