import logging
import sys

import keras
import pandas as pd
import pytest

import kerasfusion as kf
from kerasfusion.progress import progress

logger = logging.getLogger("kerasfusion.somewhere")


def test_messages_are_shown_where_they_are_asked_for(messages):
    for verbose in (1, True, 2, 0, False):
        with progress(verbose):
            logger.info("verbose=%r", verbose)
            with progress(0):
                logger.info("not this")
    assert messages == ["verbose=1", "verbose=True", "verbose=2"]


def test_without_handlers_they_are_printed_once(capsys, monkeypatch):
    package, handler = logging.getLogger("kerasfusion"), logging.StreamHandler(sys.stdout)
    monkeypatch.setattr(package, "handlers", [])
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    with progress(1), progress(1):
        logger.info("a line")
    logger.info("after")
    assert capsys.readouterr().out == "a line\n" and not package.handlers


@pytest.mark.parametrize("verbose", [0, 1])
def test_fit_logs_a_line_per_epoch_and_calls_callbacks(tmp_path, messages, verbose):
    table = pd.DataFrame({"text": ["red", "blue"] * 20, "label": ["warm", "cold"] * 20})
    data = kf.data.load(table, text="text", label="label")
    model = kf.create_model("text_only", data.schema, units=4, text_encoder="bag_of_words")
    config, epochs = kf.training.TrainingConfig(epochs=2, batch_size=16), []
    count = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(logs["val_loss"]))
    splits = data.splits["train"], data.splits["validation"]
    cost = kf.training.fit(model, *splits, config, tmp_path, callbacks=[count], verbose=verbose)
    assert epochs == [row["val_loss"] for row in cost["history"]] and len(epochs) == 2
    assert [line.split()[:2] for line in messages] == ([["epoch", "1/2"], ["epoch", "2/2"]] if verbose else [])
