"""SAT and MaxSAT with python-sat: conflicting rules, and the most likely truth values."""

import importlib

import numpy as np

# MaxSAT weights are integers: log-likelihoods in units of 1 / PARTS nat.
PARTS = 1_000_000


def exactly_one_of(numbers, taken):
    """Encode that exactly one of `C` variables holds, with a sequential counter (Sinz, CP 2005).

    It needs about 3 C clauses and C auxiliary variables, instead of C² / 2 clauses for pairwise exclusion.

    Args:
        numbers: Iterable of positive ints, the variables.
        taken: int, highest number in use. Auxiliary variables follow it.

    Returns:
        tuple: list of clauses (frozensets of ints), and the highest number now in use.
    """
    card = _import("pysat.card")
    found = card.CardEnc.equals(list(numbers), 1, top_id=taken, encoding=card.EncType.seqcounter)
    return [frozenset(clause) for clause in found.clauses], max(taken, found.nv)


def conflicts(groups, cases):
    """Find minimal sets of conflicting groups of clauses, for each of several assumptions.

    Args:
        groups: List of lists of clauses. A group is included or excluded as a whole.
        cases: List of tuples of numbers that are assumed to hold.

    Yields:
        For each case, `None` if all groups are satisfiable, else the indices of a minimal conflicting set of groups.
    """
    solvers = _import("pysat.solvers")
    first = 1 + max((abs(n) for clauses in groups for c in clauses for n in c), default=0)
    first = max(first, 1 + max((abs(n) for case in cases for n in case), default=0))
    with solvers.Solver(name="glucose4") as solver:
        for place, clauses in enumerate(groups):
            for clause in clauses:
                # An activation variable per group enables its clauses.
                solver.add_clause([-(first + place), *clause])
        everything = list(range(first, first + len(groups)))
        for case in cases:
            if solver.solve(assumptions=[*case, *everything]):
                yield None
                continue
            core = [number for number in solver.get_core() if number >= first]
            for number in list(core):
                rest = [other for other in core if other != number]
                if not solver.solve(assumptions=[*case, *rest]):
                    core = rest
            yield sorted(number - first for number in core)


def likeliest(clauses, gains):
    """Find the truth values that satisfy all clauses and maximize the gain (weighted MaxSAT with RC2).

    Args:
        clauses: List of frozensets of ints.
        gains: float `(predicates,)`, in nats: log-likelihood gained if a predicate holds rather than not, rounded to
            1e-6.

    Returns:
        bool `(predicates,)`.
    """
    formula, rc2 = _import("pysat.formula"), _import("pysat.examples.rc2")
    problem = formula.WCNF()
    for clause in clauses:
        problem.append(sorted(clause))
    for number, gain in enumerate(np.rint(np.asarray(gains) * PARTS).astype("int64").tolist(), start=1):
        if gain:
            problem.append([number if gain > 0 else -number], weight=abs(gain))
    with rc2.RC2(problem) as solver:
        holds = set(solver.compute())
    return np.array([number in holds for number in range(1, len(gains) + 1)])


def _import(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError("Rules require python-sat: pip install 'kerasfusion[reasoning]'.") from error
