"""Rules over what a model predicts: checked against its classes and against each other."""

import numpy as np

from kerasfusion.data.errors import nearest
from kerasfusion.reasoning.clauses import parse, to_clauses
from kerasfusion.reasoning.knowledge import Rule
from kerasfusion.reasoning.solver import conflicts, exactly_one_of


class Rules:
    """Rules over the classes and tags of a schema.

    A predicate is a class of a task, `color=red`; the class alone, `red`, where one task only has it. Of a binary
    task both classes can be named. That a task of classes has exactly one of them is understood.

        poodle implies dog
        red and circle implies stop
        exactly one of (day, night)
        not "traffic light" or (day or night)

    Args:
        schema: A `kf.Schema`.
        rules: Strings, or `Rule`s that say where they come from (`facts`, `hierarchy`, `read_rules`). The words are
            `not`, `and`, `or`, `implies`, `exactly one of (…, …)`, `at most one of (…, …)` and brackets; a name with
            spaces stands in double quotes.

    Attributes:
        rules: List of `Rule`.
        clauses: For each rule its clauses: frozensets of numbers of predicates, from 1, negative where negated.
        implied_clauses: The same of what is understood: of each task of classes, that exactly one holds. Numbers
            above those of the predicates are auxiliary: with them C classes take about 3 C clauses.
        predicates: Full names, `task=class` (a task by its `title`); number 1 comes first.
        columns: dict task -> slice of its predicates, from 0.

    Raises:
        ImportError: the extra `[reasoning]` is not installed.
        ValueError: words that cannot be read, an unknown predicate, a rule that always holds, or contradictory
            rules: those that no prediction can obey, and those under which some predicate can never hold, unless a
            rule says so plainly (`not poodle`). The message names rules of which each is needed for the conflict.

    Example:

    ```python
    rules = kf.reasoning.Rules(data.schema, ["poodle implies dog", "at most one of (cat, dog)"])
    decided = kf.reasoning.constrained_decode(rules, predictions(model, logits))
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
            self.implied_clauses[Rule(f"exactly one class of {task.title!r}", "understood")] = clauses
        self._check()

    @staticmethod
    def exclusive(task):
        """Whether each class of a task is a predicate and exactly one holds; of a binary task one says both."""
        return task.one_class and task.link != "sigmoid"

    def violations(self, decided):
        """Which rules decisions break.

        Args:
            decided: dict task -> decisions in the form of the labels, as from `decode` or
                `kf.evaluation.predict_classes`.

        Returns:
            bool `(n, rules)`.
        """
        return self.violated_by(self.assignment(decided))

    def violated_by(self, assignment):
        """The same of bool `(n, predicates)`."""
        broken = np.zeros((len(assignment), len(self.rules)), bool)
        for place, clauses in enumerate(self.clauses):
            for clause in clauses:
                numbers = np.array(sorted(clause))
                broken[:, place] |= ~(assignment[:, abs(numbers) - 1] == (numbers > 0)).any(axis=1)
        return broken

    def assignment(self, decided):
        """Decisions, dict task -> labels, as truth of each predicate: bool `(n, predicates)`."""
        parts = []
        for task in self.tasks:
            values = np.asarray(decided[task.name])
            if self.exclusive(task):
                parts.append(values[:, None] == np.arange(len(task.classes)))
            else:
                parts.append(values.reshape(len(values), -1) > 0.5)
        return np.concatenate(parts, axis=1)

    def to_decisions(self, assignment):
        """Back from bool `(n, predicates)` to dict task -> labels: int32 classes, float32 of the others."""
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
            raise ValueError(f"{name!r} is a class of several tasks; say which: {', '.join(map(repr, full))}")
        near = nearest(name, self._numbers)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(self.predicates[:20])}"
        raise ValueError(f"there is no predicate {name!r}; {hint}")

    def _clauses(self, rule):
        try:
            clauses = to_clauses(parse(rule.text, self._number))
        except ValueError as error:
            raise ValueError(f"Rule {rule}: {error}.") from None
        if not clauses:
            raise ValueError(f"Rule {rule}: it says nothing, because it holds whatever is true.")
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
                raise ValueError(f"These rules contradict each other:\n{named}\nLeave out or change one of them.")
            predicate = self.predicates[case - 1]
            raise ValueError(
                f"Under these rules {predicate!r} can never hold:\n{named}\nLeave out or change one of them, or if "
                f'it is meant, say so by the rule: not "{predicate}"'
            )
