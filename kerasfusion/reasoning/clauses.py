"""A rule in words to clauses: sets of predicates of which one must hold, or, negated, must not."""

import itertools
import math
import re

_TOKEN = re.compile(r'"[^"]*"|exactly\s+one\s+of\b|at\s+most\s+one\s+of\b|[(),]|[^\s(),"]+|"')
_WORDS = ("not", "and", "or", "implies", "exactly one of", "at most one of", "(", ")", ",")
# Bringing a rule into clauses may multiply its parts; beyond this it was not meant as one rule.
MOST_CLAUSES = 10_000


def parse(text, number_of):
    """Read a rule.

    `implies` binds loosest and to the right, then `or`, `and`, `not`; `exactly one of (…, …)` and `at most one of
    (…, …)` take a list. Names with spaces, brackets or commas, and names that are one of these words, stand in double
    quotes.

    Args:
        text: The rule: `red and not "large thing" implies stop`.
        number_of: From a name to the number of its predicate, negative for the opposite of one.

    Returns:
        A formula: a number, or `("not" | "and" | "or", formulas)`.

    Raises:
        ValueError: what is wrong with the words; and whatever `number_of` raises.
    """
    return _Reader(text, number_of).read()


def to_clauses(formula, holds=True):
    """The clauses that say that a formula holds, or that it does not.

    Args:
        formula: What `parse` gave.
        holds: Which of the two.

    Returns:
        List of frozensets of numbers, none of them true whatever holds.

    Raises:
        ValueError: they are too many.
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
        raise ValueError(f"it takes more than {MOST_CLAUSES:,} clauses; write it as several rules")
    merged = (frozenset().union(*choice) for choice in itertools.product(*found))
    return [clause for clause in dict.fromkeys(merged) if not any(-number in clause for number in clause)]


def exactly_one(parts):
    """The formula that one of the parts holds and no two do."""
    return ("and", [("or", parts), at_most_one(parts)])


def at_most_one(parts):
    """The formula that no two of the parts hold."""
    return ("and", [("not", [("and", list(pair))]) for pair in itertools.combinations(parts, 2)])


class _Reader:
    """Recursive descent: a method for each strength of binding."""

    def __init__(self, text, number_of):
        self.tokens = [" ".join(token.split()) if token[0] != '"' else token for token in _TOKEN.findall(text)]
        self.number_of = number_of

    def read(self):
        formula = self.implication()
        if self.tokens:
            raise ValueError(f"{self.tokens[0]!r} is not expected there; a name with spaces is put in double quotes")
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
            raise ValueError("it ends where a name is expected")
        token = self.tokens.pop(0)
        if token in _WORDS:
            raise ValueError(f"{token!r} stands where a name is expected; a name like this is put in double quotes")
        if token == '"':
            raise ValueError('a double quote (") is not closed')
        return self.number_of(token.strip('"'))

    def accept(self, word):
        if self.tokens and self.tokens[0] == word:
            return self.tokens.pop(0)
        return None

    def expect(self, word):
        if not self.accept(word):
            found = repr(self.tokens[0]) if self.tokens else "the end"
            raise ValueError(f"{word!r} is expected where {found} stands")
