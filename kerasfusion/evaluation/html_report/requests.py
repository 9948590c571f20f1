"""Requests to the further signatures of dual encoders and captioners."""

import json

from kerasfusion.evaluation.html_report.html import code, element, join

# What stands for an image in an example.
IMAGE = "<base64 of a PNG or JPEG file>"
SOUND = "<base64 of a WAV file>"
FRAMES = ("<base64 of the first frame>", "<base64 of the second frame>")
# What stands for a file -> its name in Python, and the file's.
FILES = {
    IMAGE: ("image", "image.png"),
    SOUND: ("sound", "sound.wav"),
    FRAMES[0]: ("first_frame", "frame_1.png"),
    FRAMES[1]: ("second_frame", "frame_2.png"),
}


def searching(parts, row, run, base):
    """What a match answers besides: a gallery's search, and labels that the caller names."""
    (text,), (image,) = parts.schema.of_kind("text"), parts.schema.of_kind("image")
    image_input = {f"{image.name}_bytes": {"b64": IMAGE}}
    requests = {
        "search": {text.name: parts.details["sample"][text.name]},
        "search_by_image": image_input,
        "zero_shot": {**image_input, "labels": ["a first label", "another one"]},
    }
    lines = (
        json.dumps({"signature_name": name, "instances": [row]}, ensure_ascii=False) for name, row in requests.items()
    )
    said = (
        "Searches answer with ids, the images' paths, and scores, their cosines, the nearest first. zero_shot "
        "answers with a label, and scores and probabilities of all."
    )
    return join(
        element("p", "With a folder of images inside, to be searched by text and by image:"),
        code(f"kerasfusion index {run} IMAGES {base}"),
        element("p", "Requests name the signature; labels may be any texts:"),
        code("\n".join(lines)),
        element("p", said),
    )


def writing(parts, row, run, base):
    """What a captioner answers besides: captions searched for or drawn, and those that begin with given words."""
    requests = {
        "caption": {**row, "prompt": "", "strategy": "beam"},
        "caption_sample": {**row, "prompt": "", "temperature": 0.8, "top_k": 50, "top_p": 0.95, "seed": 1},
    }
    lines = (
        json.dumps({"signature_name": name, "instances": [one]}, ensure_ascii=False) for name, one in requests.items()
    )
    said = (
        'They answer with the same names. A caption begins with the words of its prompt, "" for none; strategy is '
        "greedy or beam, and equal seeds draw equally."
    )
    return join(
        element("p", "Other ways to write; the request names the signature:"),
        code("\n".join(lines)),
        element("p", said),
    )
