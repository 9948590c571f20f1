"""Logical rules over predictions, validated against the schema and against each other."""

import numpy as np

from kerasfusion.data.errors import nearest
from kerasfusion.reasoning.clauses import parse, to_clauses
from kerasfusion.reasoning.knowledge import Rule
from kerasfusion.reasoning.solver import conflicts, exactly_one_of


class Rules:
    """Logical rules over the classes and tags of a schema.

    A predicate is a class of a task, `color=red`, or the class alone, `red`, if only one task has it. Both classes of
    a binary task can be named. That exactly one class of a task holds is implied.

        poodle implies dog
        red and circle implies stop
        exactly one of (day, night)
        not "traffic light" or (day or night)

    Args:
        schema: `kf.Schema`.
        rules: List of strings, or of `Rule`s with their source (`read_rules`, `rules_from_table`,
            `rules_from_hierarchy`). Keywords are `not`, `and`, `or`, `implies`, `exactly one of (…, …)` and `at most
            one of (…, …)`; parentheses group. Put names with spaces in double quotes.

    Attributes:
        rules: List of `Rule`.
        clauses: List with the clauses of each rule: frozensets of predicate numbers, from 1, negative if negated.
        implied_clauses: Dict of `Rule` -> clauses for "exactly one class of a task". Numbers above those of the
            predicates are auxiliary; with them, C classes need about 3 C clauses.
        predicates: List of full names, `task=class`, with the `title` of the task. Predicate number 1 comes first.
        columns: Dict of task -> slice of its predicates, from 0.

    Raises:
        ImportError: If the extra `[reasoning]` is not installed.
        ValueError: If a rule has a syntax error, an unknown predicate, or always holds; or if rules contradict each
            other. Rules contradict if no prediction satisfies them, or if some predicate can never hold, unless a
            rule states that explicitly (`not poodle`). The message lists a minimal set of conflicting rules.

    Example:

    ```python
    rules = kf.reasoning.Rules(data.schema, ["poodle implies dog", "at most one of (cat, dog)"])
    decoded = kf.reasoning.constrained_decode(rules, kf.evaluation.postprocess(model, logits))
    ```
    """

    def __init__(self, schema, rules):
        self.tasks = tuple(task for task in schema.tasks if task.has_probabilities)
        self.predicates, self.columns, self._numbers = [], {}, {}
        for task in self.tasks:
            self._add(task)
        self.rules = [rule if isinstance(rule, Rule) else Rule(rule) for rule in rules]
        if not self.rules:
            raise ValueError("There are no rules.")
        self.clauses = [self._clauses(rule) for rule in self.rules]
        self.implied_clauses, taken = {}, len(self.predicates)
        for task in filter(self.exclusive, self.tasks):
            clauses, taken = exactly_one_of(self._span(task.name), taken)
            self.implied_clauses[Rule(f"exactly one class of {task.title!r}", "implied")] = clauses
        self._check()

    @staticmethod
    def exclusive(task):
        """Whether each class of the task is a predicate. A binary task has a single predicate for both classes."""
        return task.one_class and task.link != "sigmoid"

    def violations(self, decided):
        """Find the rules that predictions violate.

        Args:
            decided: Dict of task -> predictions in the form of the labels, as from `constrained_decode` or
                `kf.evaluation.predict_classes`.

        Returns:
            bool `(n, rules)`.
        """
        return self.violated_by(self.assignment(decided))

    def violated_by(self, assignment):
        """Find the rules that truth values, bool `(n, predicates)`, violate."""
        broken = np.zeros((len(assignment), len(self.rules)), bool)
        for place, clauses in enumerate(self.clauses):
            for clause in clauses:
                numbers = np.array(sorted(clause))
                broken[:, place] |= ~(assignment[:, abs(numbers) - 1] == (numbers > 0)).any(axis=1)
        return broken

    def assignment(self, decided):
        """Convert predictions, a dict of task -> labels, to truth values, bool `(n, predicates)`."""
        parts = []
        for task in self.tasks:
            values = np.asarray(decided[task.name])
            if self.exclusive(task):
                parts.append(values[:, None] == np.arange(len(task.classes)))
            else:
                parts.append(values.reshape(len(values), -1) > 0.5)
        return np.concatenate(parts, axis=1)

    def to_decisions(self, assignment):
        """Convert truth values, bool `(n, predicates)`, to dict of task -> labels (classes int32, others float32)."""
        decided = {}
        for task in self.tasks:
            part = assignment[:, self.columns[task.name]]
            if self.exclusive(task):
                decided[task.name] = part.argmax(axis=1).astype("int32")
            else:
                decided[task.name] = (part[:, 0] if task.one_class else part).astype("float32")
        return decided

    def _add(self, task):
        first = len(self.predicates)
        if task.one_class and not self.exclusive(task):
            named = {task.classes[1]: first + 1, task.classes[0]: -(first + 1)}
            self.predicates.append(f"{task.title}={task.classes[1]}")
        else:
            named = {name: first + 1 + i for i, name in enumerate(task.classes)}
            self.predicates += [f"{task.title}={name}" for name in task.classes]
        self.columns[task.name] = slice(first, len(self.predicates))
        for name, number in named.items():
            for known in (str(name), f"{task.title}={name}"):
                self._numbers.setdefault(known, []).append(number)

    def _span(self, task):
        return range(self.columns[task].start + 1, self.columns[task].stop + 1)

    def _number(self, name):
        found = self._numbers.get(name, [])
        if len(found) == 1:
            return found[0]
        if found:
            full = [self.predicates[abs(number) - 1] for number in found]
            raise ValueError(f"{name!r} is a class of several tasks; use one of {', '.join(map(repr, full))}")
        near = nearest(name, self._numbers)
        hint = f"did you mean {near[0]!r}?" if near else f"predicates are {', '.join(self.predicates[:20])}"
        raise ValueError(f"there is no predicate {name!r}; {hint}")

    def _clauses(self, rule):
        try:
            clauses = to_clauses(parse(rule.text, self._number))
        except ValueError as error:
            raise ValueError(f"Rule {rule}: {error}.") from None
        if not clauses:
            raise ValueError(f"Rule {rule}: it always holds, so it has no effect.")
        return clauses

    def _check(self):
        rules, groups = [*self.rules, *self.implied_clauses], [*self.clauses, *self.implied_clauses.values()]
        meant = {number for clauses in self.clauses for clause in clauses if len(clause) == 1 for number in clause}
        numbers = [n for n in range(1, len(self.predicates) + 1) if -n not in meant]
        for case, core in zip([None, *numbers], conflicts(groups, [(), *((n,) for n in numbers)]), strict=True):
            if core is None:
                continue
            named = "\n".join(f"  {rules[i]}" for i in core)
            if case is None:
                raise ValueError(f"These rules contradict each other:\n{named}\nRemove or change one of them.")
            predicate = self.predicates[case - 1]
            raise ValueError(
                f"Under these rules {predicate!r} can never hold:\n{named}\nRemove or change one of them, or state "
                "it "
                f'explicitly with the rule: not "{predicate}"'
            )
