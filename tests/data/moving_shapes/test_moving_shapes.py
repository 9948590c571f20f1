"""What the moving-shapes world says is what its videos show."""

import collections
import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from kerasfusion.data.moving_shapes import (
    EVENTS,
    Event,
    ask,
    draw_video,
    encode_gif,
    encode_video,
    sample_moving_scene,
)


@pytest.fixture(scope="module")
def scenes():
    return [sample_moving_scene(np.random.default_rng(seed)) for seed in range(300)]


def test_two_objects_are_close_where_they_meet_and_nowhere_else(scenes):
    for scene in scenes:
        close = np.linalg.norm(scene.places[:, :, None] - scene.places[:, None], axis=-1) < 0.2
        said = np.zeros_like(close)
        said[:, np.arange(len(scene.objects)), np.arange(len(scene.objects))] = True
        for event in scene.events:
            if event.kind == "meets":
                said[event.start : event.end, event.who, event.whom] = True
                said[event.start : event.end, event.whom, event.who] = True
        np.testing.assert_array_equal(close, said)


def test_an_object_stands_still_where_it_stops_and_nowhere_else(scenes):
    for scene in scenes:
        still = np.linalg.norm(np.diff(scene.places, axis=0), axis=-1) < 1e-9
        said = np.zeros_like(still)
        for event in scene.events:
            if event.kind == "stops":
                said[event.start : event.end - 1, event.who] = True
        np.testing.assert_array_equal(still, said)


def test_events_do_not_overlap_and_are_as_likely_at_any_time(scenes):
    kinds, parts = collections.Counter(), collections.Counter()
    for scene in scenes:
        numbers = sum(event.frames(scene.length) for event in scene.events)
        assert len(scene.events) == 4 and numbers.max() == 1 and scene.length == 24
        assert all(2 <= event.frames(24).sum() <= 4 for event in scene.events)
        assert len({(event.kind, frozenset(event.objects)) for event in scene.events}) == 4
        kinds.update(event.kind for event in scene.events)
        parts.update((event.kind, event.start // 6) for event in scene.events)
    assert set(kinds) == set(EVENTS) and min(kinds.values()) > 300
    assert len(parts) == 12 and min(parts.values()) > 60


def test_a_query_names_its_objects_and_no_others(scenes):
    rng = np.random.default_rng(1)
    for scene in scenes:
        for query in ask(scene, rng):
            names, kind = query.text.split(f" {query.event.kind}"), query.event.kind
            assert kind in EVENTS and all(name.strip().startswith("the ") for name in names if name)
            named = set()
            for name in filter(None, names):
                words = set(name.split()) - {"the", "thing"}
                fitting = [i for i, o in enumerate(scene.objects) if words <= {o.shape, o.color}]
                assert words and len(fitting) == 1, query.text
                named.update(fitting)
            assert named == set(query.event.objects)
            assert np.flatnonzero(query.frames).tolist() == list(range(query.event.start, query.event.end))


def test_a_hidden_object_is_not_drawn_and_the_background_stays(scenes):
    scene = next(s for s in scenes if len({o.color for o in s.objects}) == 3 and s.events[1].kind == "hides")
    frames = draw_video(scene, np.random.default_rng(0)).astype(int)
    assert frames.shape == (24, 64, 64, 3)
    event = scene.events[1]
    for frame in range(24):
        place = scene.places[frame, event.who]
        column, row = (place * 64).astype(int)
        shown = np.abs(frames[frame, row, column] - frames[frame, 0, 0]).max() > 60
        assert shown == (not event.start <= frame < event.end)
    assert (frames[:, :2] == frames[0, :2]).all()


def test_the_same_seed_draws_the_same_video():
    first, second = (draw_video(sample_moving_scene(rng), rng) for rng in map(np.random.default_rng, (5, 5)))
    np.testing.assert_array_equal(first, second)


def test_frames_are_exact_as_png_and_close_as_gif():
    rng = np.random.default_rng(2)
    frames = draw_video(sample_moving_scene(rng), rng)
    for frame, encoded in zip(frames, encode_video(frames), strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encoded))), frame)
    gif = [
        np.asarray(image.convert("RGB"), int)
        for image in ImageSequence.Iterator(Image.open(io.BytesIO(encode_gif(frames))))
    ]
    assert len(gif) == 24 and np.abs(np.stack(gif) - frames).mean() < 3


def test_other_lengths_and_impossible_ones():
    scene = sample_moving_scene(np.random.default_rng(0), length=40, events=5)
    assert scene.length == 40 and len(scene.events) == 5
    with pytest.raises(ValueError, match="4 events need at least 24 frames, not 20"):
        sample_moving_scene(np.random.default_rng(0), length=20)
    with pytest.raises(ValueError, match="1 to 6 events, not 7"):
        sample_moving_scene(np.random.default_rng(0), length=64, events=7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("jumps", 0, None, 1, 2), "kind must be one of"),
        (("meets", 0, None, 1, 2), "cannot have the partner None"),
        (("stops", 0, 1, 1, 2), "cannot have the partner 1"),
        (("meets", 1, 1, 1, 2), "cannot have the partner 1"),
        (("stops", 0, None, 3, 3), "must end after its start"),
    ],
)
def test_events_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        Event(*arguments)


def test_a_scene_by_plan():
    looks = [("circle", "red"), ("cross", "blue"), ("circle", "gray")]
    plan = [("hides", 1, None), ("meets", 2, 0), ("stops", 1, None)]
    scene = sample_moving_scene(np.random.default_rng(0), looks=looks, plan=plan)
    assert [(item.shape, item.color) for item in scene.objects] == looks
    assert [(event.kind, event.who, event.whom) for event in scene.events] == plan
    rng = np.random.default_rng(0)
    for changes, message in (
        ({"looks": looks[:2]}, "3 or 4 objects, not 2"),
        ({"looks": looks, "plan": [("hides", 3, None)]}, r"'hides' of \[3, None\] names an object of a scene with 3"),
        ({"plan": [("meets", 0, 1), ("meets", 1, 0)]}, r"'meets' of \[1, 0\] twice"),
        ({"plan": plan * 2 + plan[:1]}, "1 to 6 events|at least 42 frames"),
    ):
        with pytest.raises(ValueError, match=message):
            sample_moving_scene(rng, **changes)
