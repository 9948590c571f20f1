"""Parse rules and convert them to conjunctive normal form, as clauses of signed predicate numbers."""

import itertools
import math
import re

_TOKEN = re.compile(r'"[^"]*"|exactly\s+one\s+of\b|at\s+most\s+one\s+of\b|[(),]|[^\s(),"]+|"')
_WORDS = ("not", "and", "or", "implies", "exactly one of", "at most one of", "(", ")", ",")
# Conversion to clauses can grow exponentially. A rule with more clauses than this is rejected.
MOST_CLAUSES = 10_000


def parse(text, number_of):
    """Parse a rule.

    Operators in increasing precedence: `implies` (right-associative), `or`, `and`, `not`. `exactly one of (…, …)` and
    `at most one of (…, …)` take a list. Names that contain spaces, parentheses or commas, or are one of these
    keywords, must be in double quotes.

    Args:
        text: Rule, such as `red and not "large thing" implies stop`.
        number_of: Function from a name to the number of its predicate, negative for its negation.

    Returns:
        Formula: an int, or a tuple `("not" | "and" | "or", list of formulas)`.

    Raises:
        ValueError: On a syntax error, or if `number_of` raises.
    """
    return _Reader(text, number_of).read()


def to_clauses(formula, holds=True):
    """Convert a formula, or its negation, to clauses.

    Args:
        formula: Formula from `parse`.
        holds: Whether the formula is asserted (`True`) or negated (`False`). Defaults to `True`.

    Returns:
        List of frozensets of signed numbers, without tautologies.

    Raises:
        ValueError: If there are more than `MOST_CLAUSES` clauses.
    """
    if isinstance(formula, int):
        return [frozenset([formula if holds else -formula])]
    kind, parts = formula
    if kind == "not":
        return to_clauses(parts[0], not holds)
    found = [to_clauses(part, holds) for part in parts]
    if (kind == "and") == holds:
        return list(dict.fromkeys(itertools.chain(*found)))
    if math.prod(map(len, found)) > MOST_CLAUSES:
        raise ValueError(f"it expands to more than {MOST_CLAUSES:,} clauses; split it into several rules")
    merged = (frozenset().union(*choice) for choice in itertools.product(*found))
    return [clause for clause in dict.fromkeys(merged) if not any(-number in clause for number in clause)]


def exactly_one(parts):
    """Return the formula that exactly one of the parts holds."""
    return ("and", [("or", parts), at_most_one(parts)])


def at_most_one(parts):
    """Return the formula that no two of the parts hold."""
    return ("and", [("not", [("and", list(pair))]) for pair in itertools.combinations(parts, 2)])


class _Reader:
    """Recursive descent parser with one method per precedence level."""

    def __init__(self, text, number_of):
        self.tokens = [" ".join(token.split()) if token[0] != '"' else token for token in _TOKEN.findall(text)]
        self.number_of = number_of

    def read(self):
        formula = self.implication()
        if self.tokens:
            raise ValueError(f"unexpected {self.tokens[0]!r}; put names with spaces in double quotes")
        return formula

    def implication(self):
        left = self.joined("or", lambda: self.joined("and", self.negation))
        return ("or", [("not", [left]), self.implication()]) if self.accept("implies") else left

    def joined(self, word, part):
        parts = [part()]
        while self.accept(word):
            parts.append(part())
        return (word, parts) if len(parts) > 1 else parts[0]

    def negation(self):
        if self.accept("not"):
            return ("not", [self.negation()])
        for words, make in (("exactly one of", exactly_one), ("at most one of", at_most_one)):
            if self.accept(words):
                return make(self.list())
        if self.accept("("):
            formula = self.implication()
            self.expect(")")
            return formula
        return self.name()

    def list(self):
        self.expect("(")
        parts = [self.implication()]
        while self.accept(","):
            parts.append(self.implication())
        self.expect(")")
        return parts

    def name(self):
        if not self.tokens:
            raise ValueError("expected a name, found the end")
        token = self.tokens.pop(0)
        if token in _WORDS:
            raise ValueError(f"expected a name, found {token!r}; put a name like this in double quotes")
        if token == '"':
            raise ValueError('missing closing double quote (")')
        return self.number_of(token.strip('"'))

    def accept(self, word):
        if self.tokens and self.tokens[0] == word:
            return self.tokens.pop(0)
        return None

    def expect(self, word):
        if not self.accept(word):
            found = repr(self.tokens[0]) if self.tokens else "the end"
            raise ValueError(f"expected {word!r}, found {found}")
