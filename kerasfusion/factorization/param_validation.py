"""Checks of an estimator's settings, made when it is fitted, as scikit-learn's are."""

import numbers

import numpy as np


def check_choice(estimator, **allowed):
    """Settings are one of a few words."""
    for name, words in allowed.items():
        value = getattr(estimator, name)
        if value not in words:
            raise ValueError(f"{name}={value!r}; it is one of {', '.join(map(repr, words))}.")


def check_count(estimator, *names):
    """Settings are whole numbers from 1."""
    for name in names:
        value = getattr(estimator, name)
        if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name}={value!r}; it is a whole number from 1.")


def check_numbers(estimator, *names):
    """Settings are numbers from 0, or pairs of them."""
    for name in names:
        if not all(value >= 0 and np.isfinite(value) for value in pair(getattr(estimator, name), name)):
            raise ValueError(f"{name}={getattr(estimator, name)!r}; it is a number from 0, or a pair of them.")


def pair(value, name):
    """One number for both sides, or one of each."""
    if isinstance(value, numbers.Real):
        return value, value
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(v, numbers.Real) for v in value):
        return tuple(value)
    raise ValueError(f"{name}={value!r}; it is a number from 0, or a pair of them.")
