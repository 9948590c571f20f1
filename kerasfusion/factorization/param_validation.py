"""Validate the parameters of an estimator in `fit`, as scikit-learn does."""

import numbers

import numpy as np


def check_choice(estimator, **allowed):
    """Check that parameters are among the allowed strings."""
    for name, words in allowed.items():
        value = getattr(estimator, name)
        if value not in words:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, words))}. Received: {name}={value!r}")


def check_count(estimator, *names):
    """Check that parameters are positive integers."""
    for name in names:
        value = getattr(estimator, name)
        if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be a positive integer. Received: {name}={value!r}")


def check_numbers(estimator, *names):
    """Check that parameters are nonnegative numbers or pairs of them."""
    for name in names:
        if not all(value >= 0 and np.isfinite(value) for value in pair(getattr(estimator, name), name)):
            raise ValueError(message(name, getattr(estimator, name)))


def pair(value, name):
    """A pair of numbers; a single number stands for both sides."""
    if isinstance(value, numbers.Real):
        return value, value
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(v, numbers.Real) for v in value):
        return tuple(value)
    raise ValueError(message(name, value))


def message(name, value):
    return f"{name} must be a nonnegative number or a pair of them. Received: {name}={value!r}"
