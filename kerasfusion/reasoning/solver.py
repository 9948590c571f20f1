"""What python-sat is asked: which rules cannot hold together, and which truth values are the likeliest."""

import importlib

import numpy as np

# Log-likelihoods enter as whole numbers of these parts of a nat.
PARTS = 1_000_000


def exactly_one_of(numbers, taken):
    """Clauses that say that exactly one of several numbers holds, by a sequential counter (Sinz, CP 2005).

    Pairs that exclude each other would be C² / 2 clauses; with C auxiliary numbers it takes about 3 C.

    Args:
        numbers: Positive ints.
        taken: The highest number that is in use; the auxiliary ones follow.

    Returns:
        tuple: list of frozensets of numbers, and the highest number in use now.
    """
    card = _import("pysat.card")
    found = card.CardEnc.equals(list(numbers), 1, top_id=taken, encoding=card.EncType.seqcounter)
    return [frozenset(clause) for clause in found.clauses], max(taken, found.nv)


def conflicts(groups, cases):
    """Which groups of clauses cannot hold together, in each of several cases.

    Args:
        groups: Lists of clauses; a group is kept or left out as a whole.
        cases: Tuples of numbers that are taken to hold besides.

    Yields:
        For each case None where all groups can hold, else the places of groups that cannot, each of which is needed
        for the conflict.
    """
    solvers = _import("pysat.solvers")
    first = 1 + max((abs(n) for clauses in groups for c in clauses for n in c), default=0)
    first = max(first, 1 + max((abs(n) for case in cases for n in case), default=0))
    with solvers.Solver(name="glucose4") as solver:
        for place, clauses in enumerate(groups):
            for clause in clauses:
                # Holds only where the group is switched on by a number of its own.
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
    """The truth values that obey all clauses and gain most (weighted MaxSAT, by RC2).

    Args:
        clauses: Frozensets of numbers.
        gains: float `(predicates,)`, in nats: what it adds to the log-likelihood that a predicate holds rather than
            not. They are rounded to a millionth.

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
        raise ImportError("Rules need the package python-sat: pip install 'kerasfusion[reasoning]'.") from error
