"""Tiny tables with images, made on the spot."""

import numpy as np
import pandas as pd
from PIL import Image

COLORS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}


def color_table(folder, rows=60, seed=0):
    """Images of one color with a sentence; the label is whether the sentence names the color ("fits").

    Neither branch alone can know it. Columns photo, description, fits, color, shade (number), tags, patient.
    """
    random = np.random.default_rng(seed)
    names = list(COLORS)
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    table = []
    for i in range(rows):
        color = names[i % 3]
        said = color if i % 2 else names[(i + 1) % 3]
        pixels = np.clip(np.array(COLORS[color]) + random.integers(-20, 20, (16, 16, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{i}.png")
        table.append(
            {
                "photo": f"photos/{i}.png",
                "description": f"this is a {said} thing number {i}",
                "fits": "yes" if said == color else "no",
                "color": color,
                "shade": float(pixels.mean()),
                "tags": [color, "warm"] if color == "red" else [color],
                "patient": f"p{i // 4}",
                "age": float(i),
            }
        )
    return pd.DataFrame(table)


def caption_table(folder, images=60, seed=0):
    """Images of one color above another, with two captions each; columns photo, caption.

    A caption's words say which color is where without their order.
    """
    skies = {"red": "crimson", "green": "emerald", "blue": "azure"}
    random = np.random.default_rng(seed)
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    table = []
    for i in range(images):
        above, below = random.choice(list(COLORS), 2)
        pixels = np.repeat([COLORS[above], COLORS[below]], 128, axis=0).reshape(16, 16, 3)
        pixels = np.clip(pixels + random.integers(-20, 20, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{i}.png")
        for where in ("here", "there"):
            table.append({"photo": f"photos/{i}.png", "caption": f"{skies[above]} over {below} {where}"})
    return pd.DataFrame(table)
