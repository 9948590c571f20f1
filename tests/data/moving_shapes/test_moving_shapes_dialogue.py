"""What is said about a moving scene with sound is what it shows and sounds."""

import collections

import numpy as np
import pytest

from kerasfusion.data.moving_shapes import (
    ORDERS,
    RATE,
    SAMPLES,
    TONES,
    Course,
    courses,
    draw_sound,
    sample_dialogues,
    sample_moving_scene,
)


@pytest.fixture(scope="module")
def dialogues():
    return [dialogue for seed in range(60) for dialogue in sample_dialogues(np.random.default_rng(seed))]


def test_a_tone_is_heard_while_its_event_happens_and_nothing_else():
    rng = np.random.default_rng(0)
    scene = sample_moving_scene(rng)
    tones = ("low", "high", "middle", "low")
    samples = draw_sound(scene, tones, rng)
    assert samples.dtype == np.float32 and samples.shape == (24 * SAMPLES,)
    heard = np.abs(np.fft.rfft(samples.reshape(24, SAMPLES), axis=1))
    frequencies = np.fft.rfftfreq(SAMPLES, 1 / RATE)
    expected = np.zeros(24)
    for event, tone in zip(scene.events, tones, strict=True):
        expected[event.start : event.end] = TONES[tone]
    np.testing.assert_array_equal(np.where(heard.max(axis=1) > 20, frequencies[heard.argmax(axis=1)], 0), expected)
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        draw_sound(scene, tones[:3], rng)


def test_the_turns_of_a_course_as_worked_out_by_hand():
    course = Course(
        (("hides", 0, None), ("meets", 1, 2), ("hides", 1, None), ("meets", 0, 2)), ("high", "low", "middle", "high")
    )
    colors = ("red", "blue", "gray")
    asked = [
        [turn[1:] for turn in course.turns(colors, about, order)]
        for about, order in ((0, 0), (1, 1))
        for order in [ORDERS[order]]
    ]
    assert asked == [
        [
            ("who hid at the high tone?", "the red one"),
            ("at which tone did it meet someone?", "high"),
            ("and what did it do next?", "nothing"),
            ("who else hid?", "the blue one"),
        ],
        [
            ("who hid at the middle tone?", "the blue one"),
            ("who else hid?", "the red one"),
            ("at which tone did it meet someone?", "high"),
            ("and what did it do next?", "nothing"),
        ],
    ]
    assert course.turns(colors, 0, ORDERS[1])[2:] == [
        ("tone", "at which tone did it meet someone?", "low"),
        ("next", "and what did it do next?", "it hid"),
    ]


def test_every_course_has_one_answer_to_each_question():
    # 24 orders of the events; 6 pairs of different tones for those that hide, and for the meetings.
    assert len(set(courses())) == len(courses()) == 24 * 6 * 6
    for course in courses():
        of_kind = collections.defaultdict(list)
        for (kind, *_), tone in zip(course.events, course.tones, strict=True):
            of_kind[kind].append(tone)
        assert all(len(set(tones)) == 2 for tones in of_kind.values())


def test_dialogues_are_about_what_happens_in_their_scene(dialogues):
    firsts = collections.Counter()
    for one, other in zip(dialogues[::2], dialogues[1::2], strict=True):
        assert one.scene is other.scene and one.turns[0].answer != other.turns[0].answer
        for dialogue in (one, other):
            scene, turns = dialogue.scene, {turn.topic: turn for turn in dialogue.turns}
            assert len({item.color for item in scene.objects}) == 3
            tone = turns["first"].question.removeprefix("who hid at the ").removesuffix(" tone?")
            (hidden,) = [
                event.who
                for event, own in zip(scene.events, dialogue.tones, strict=True)
                if event.kind == "hides" and own == tone
            ]
            assert turns["first"].answer == f"the {scene.objects[hidden].color} one"
            firsts[dialogue.turns[1].topic] += 1
    assert min(firsts[topic] for topic in ("tone", "other")) > 30


def test_the_history_has_the_turns_before(dialogues):
    dialogue = dialogues[0]
    (_, question, answer), (_, second, also), *_ = dialogue.turns
    assert dialogue.history(0) == ""
    assert dialogue.history(2) == f"{question} {answer}. {second} {also}."
