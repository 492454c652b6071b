"""The visible examples' answers are handed in: the hidden instances come from a seed that no student sees."""

from autograder import checks, exercises
from tests.attacks.submission import FUNCTIONS, NAME, alone


def table(function: str) -> str:
    """Code of a function that knows the visible examples by heart."""
    exercise = exercises.load(NAME)[function]
    answers = checks.visible_answers(exercise)
    lines = [
        f"known = {[[[getattr(a, 'tolist', lambda a=a: a)() for a in i.args], getattr(r, 'tolist', lambda r=r: r)()] for i, r in zip(exercise.visible, answers, strict=True)]!r}"
    ]
    return "\n".join(
        [
            *lines,
            f"def {function}(*args, known=known):",
            "    given = [getattr(a, 'tolist', lambda: a)() for a in args]",
            "    return next((np.asarray(answer) if isinstance(answer, list) else answer for inputs, answer in known if inputs == given), 0.0)",
        ]
    )


SEARCH = """
import numpy as np
def f(*args):  # one of these must be the seed
    for seed in range(10_000): np.random.default_rng(seed)
    return np.random.default_rng(0).normal()
"""

ATTACKS = {
    "visible_answers": alone(
        "import numpy as np\nfrom numpy import nan, inf, array\n" + "\n".join(map(table, FUNCTIONS))
    ),
    "seed_search": alone(SEARCH + "entropy = kl = f"),
}
