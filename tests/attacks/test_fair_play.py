"""What must cost a right answer nothing: everything here is solved, and earns full marks in the sandbox."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from autograder import demonstration
from autograder.grade import Graded, Task, grade_submission
from autograder.intake import parse
from autograder.sandbox import Sandbox
from tests.attacks.submission import FULL, NAME, POINTS, solution_cell

SOURCE = nbformat.read(Path(__file__).parents[2] / "solutions" / NAME / f"{NAME}.ipynb", as_version=4)
SOLVED = json.loads(next(demonstration.students(NAME, SOURCE)).notebook)

BESIDE = {  # cells of the student's own, before everything else
    "warnings": "import warnings, sys, logging\nwarnings.warn('careful')\nprint('note', file=sys.stderr)\nlogging.warning('x')\nwarnings.simplefilter('error')",
    "floating_point_errors": "import numpy as np\nnp.seterr(all='raise', under='ignore', divide='warn')\nnp.set_printoptions(precision=2, suppress=True)",
    "prints": "print('hello', flush=True)\n'a value'\nprint('x' * 1000, end='')",
    "magics": (
        "%matplotlib inline\n%config InlineBackend.figure_format = 'retina'\n%load_ext autoreload\n%autoreload 2\n%precision 3\n"
        "%time sum(range(1000))\n%timeit -n 2 -r 2 sum(range(100))\n%who\n%pwd\n%env\n%xmode Minimal"
    ),
    "cell_time": "%%time\nx = sum(range(1000))",
    "cell_capture": "%%capture kept\nprint('quiet')",
    "cell_timeit": "%%timeit -n 1 -r 1\nsum(range(1000))",
    "other_backends": "%matplotlib notebook\n%matplotlib inline\nimport matplotlib\nmatplotlib.use('Agg')",
    "packages": "!pip install numpy\n%pip install scipy\nimport sys\n!{sys.executable} -m pip list",
    "figures": (
        "import matplotlib.pyplot as plt\nimport numpy as np\nplt.style.use('ggplot')\nfig, axes = plt.subplots(2, 2)\naxes[0, 0].imshow(np.eye(3))\n"
        "plt.tight_layout()\nplt.savefig('figure.png')\nplt.show()\nfig"
    ),
    "animation": "import matplotlib.pyplot as plt\nplt.ion()\nfor k in range(3):\n    plt.clf(); plt.plot([0, k]); plt.pause(0.001)\nplt.close('all')",
    "rich_displays": "from IPython.display import HTML, Latex, Markdown, clear_output, display\ndisplay(HTML('<b>x</b>'), Markdown('*x*'))\nclear_output(wait=True)\nLatex('$x$')",
    "last_value": "1 + 1", "history": "assert isinstance(Out, dict) and 'Out' in In[-1]\n_",
    "await": "import asyncio\nawait asyncio.sleep(0.01)\nasync def later():\n    return 1\nprint(await later())",
    "input": "name = input('Your name? ')",
    "question": "import numpy as np\nnp.linalg.norm?\nlen??\nhelp(len)",
    "exit": "exit()",
    "interrupted": "raise KeyboardInterrupt",
    "own_error": "1 / 0",
    "syntax_error": "def broken(:",
    "main": "if __name__ == '__main__':\n    print(__name__)\nelse:\n    import os; os._exit(1)",
    "files": "import numpy as np\nnp.savetxt('kept.txt', np.eye(2))\nassert np.loadtxt('kept.txt').sum() == 2\nwith open('notes.txt', 'w') as file: file.write('x')",
    "recursion": "import sys\nsys.setrecursionlimit(10_000)",
    "random": "import random, numpy as np\nrandom.seed(1)\nnp.random.seed(1)\nrng = np.random.default_rng()",
    "threads": "import numpy as np, threading\na = np.random.rand(300, 300)\nb = a @ a\nnp.linalg.svd(a)\nt = threading.Thread(target=print, args=('x',))\nt.start(); t.join()",
    "background_thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
    "pools": (
        "import concurrent.futures, multiprocessing\nwith concurrent.futures.ThreadPoolExecutor(4) as pool: list(pool.map(abs, range(9)))\n"
        "with multiprocessing.Pool(2) as pool: print(pool.map(abs, [-1, 2]))"
    ),
    "subprocess": "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True).stdout)",
    "shadowed_names": "sum_ = sum\nlist_ = [1]\nid = 5\ninput = print\nstr_ = str\nargs = kwargs = answer = function = result = 1",
    "scipy": "import scipy.special, scipy.optimize, scipy.stats\nscipy.special.logsumexp([1, 2])\nscipy.stats.norm.pdf(0)",
    "widgets": "try:\n    import ipywidgets\n    ipywidgets.interact(lambda x: x, x=3)\nexcept ImportError: print('not installed')",
    "checks": "from check import check\nimport check as checking\nchecking.check('gibbs_principle.entropy', len)\ncheck",
    "timers": "import time, datetime, timeit\ntimeit.timeit('1', number=10)\ntime.sleep(0.05)\ndatetime.datetime.now()",
    "environment": "import os\nos.environ['OMP_NUM_THREADS'] = '4'\nos.environ['PYTHONHASHSEED'] = '1'\nos.getcwd(); os.listdir('.')",
}  # fmt: skip

REPLACED = {  # another way to write one of the functions
    "type_hints": ("entropy", "from __future__ import annotations\nfrom numpy.typing import NDArray\ndef entropy(q: NDArray[np.float64]) -> float:\n    q = q[q > 0]\n    return float(-np.sum(q * np.log(q)))"),
    "helpers": ("entropy", "def _term(x):\n    return 0.0 if x == 0 else -x * np.log(x)\nclass Entropy:\n    def __call__(self, q): return sum(map(_term, q))\nentropy = Entropy()"),
    "lambda": ("entropy", "entropy = lambda q: -sum(x * np.log(x) for x in q if x > 0)"),
    "generic": ("entropy", "def entropy(*args, **kwargs):\n    q, = args\n    return np.float64(-np.nansum(np.where(q > 0, q * np.log(np.where(q > 0, q, 1)), 0)))"),
    "warning_in_call": ("entropy", "import warnings\ndef entropy(q):\n    print('called with', q)\n    warnings.warn('slow')\n    with np.errstate(all='ignore'):\n        return -np.nansum(q * np.log(q))"),
    "warns_by_numpy": ("entropy", "def entropy(q):\n    return -np.nansum(q * np.log(q))"),
    "numba": ("entropy", "import numba\n@numba.njit\ndef entropy(q):\n    total = 0.0\n    for x in q:\n        if x > 0:\n            total -= x * np.log(x)\n    return total"),
    "numba_cached": ("entropy", "from numba import njit, prange\n@njit(parallel=True, fastmath=True)\ndef total(q):\n    s = 0.0\n    for i in prange(q.size):\n        if q[i] > 0: s -= q[i] * np.log(q[i])\n    return s\ndef entropy(q): return total(q)"),
    "slow_first_call": ("entropy", "import time\nwaited = []\ndef entropy(q):\n    if not waited:\n        time.sleep(6)\n        waited.append(1)\n    q = q[q > 0]\n    return -np.sum(q * np.log(q))"),
    "exit_guarded": ("entropy", "import sys\ndef entropy(q):\n    if q is None: sys.exit('no input')\n    q = q[q > 0]\n    return -(q @ np.log(q))\nif not callable(entropy): sys.exit(1)"),
    "timed": ("entropy", "%%time\ndef entropy(q):\n    q = q[q > 0]\n    return -(q @ np.log(q))"),
    "tried_in_the_cell": ("entropy", "def entropy(q):\n    q = q[q > 0]\n    return -(q @ np.log(q))\nprint(entropy(np.ones(2) / 2))\nassert np.isclose(entropy(np.ones(2) / 2), np.log(2))\nplt.plot([entropy(np.array([t, 1 - t])) for t in np.linspace(0, 1, 9)]);\nplt.show()"),
    "async_helper": ("entropy", "import asyncio\nasync def term(x): return -x * np.log(x) if x > 0 else 0.0\nasync def total(q): return sum([await term(x) for x in q])\ndef entropy(q): return asyncio.run(total(q))"),
    "decimal_and_back": ("entropy", "import math, fractions\ndef entropy(q): return math.fsum(-float(x) * math.log(x) for x in q.tolist() if x)"),
    "own_source": ("entropy", "import inspect\ndef entropy(q):\n    q = q[q > 0]\n    return -(q @ np.log(q))\nassert 'q @ np.log' in inspect.getsource(entropy)"),
    "another_file": ("entropy", "%%writefile helper.py\nimport numpy as np\ndef total(q):\n    q = q[q > 0]\n    return -(q @ np.log(q))"),
    "pool_in_the_function": ("entropy", "from concurrent.futures import ThreadPoolExecutor\ndef entropy(q):\n    with ThreadPoolExecutor(2) as pool:\n        return sum(pool.map(lambda x: -x * np.log(x) if x > 0 else 0.0, q))"),
    "list": ("posterior", "def posterior(log_joint):\n    w = np.exp(log_joint - log_joint.max(axis=0))\n    return (w / w.sum(axis=0)).tolist()"),
    "other_layout": ("posterior", "def posterior(log_joint):\n    w = np.exp(log_joint - log_joint.max(axis=0))\n    return np.asfortranarray((w / w.sum(axis=0))[::-1])[::-1].astype('>f8')"),
    "long_double": ("posterior", "def posterior(log_joint):\n    w = np.exp((log_joint - log_joint.max(axis=0)).astype(np.longdouble))\n    return w / w.sum(axis=0)"),
    "read_only": ("posterior", "def posterior(log_joint):\n    w = np.exp(log_joint - log_joint.max(axis=0))\n    w = w / w.sum(axis=0)\n    w.flags.writeable = False\n    return w"),
    "scipy": ("posterior", "from scipy.special import softmax\nposterior = lambda log_joint: softmax(log_joint, axis=0)"),
    "dataclass": ("quickscore", None),
}  # fmt: skip

AROUND_QUICKSCORE = """
import dataclasses, functools, itertools, typing
{code}
_plain = quickscore
@dataclasses.dataclass
class Result:
    value: typing.Any
    @property
    def answer(self): return self.value
@functools.wraps(_plain)
def quickscore(*args): return Result(_plain(*args)).answer
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as started:
        yield started


def grade(notebook: dict, sandbox: Sandbox) -> Graded:
    submission = parse(json.dumps(notebook).encode())
    return grade_submission(Task("ada", NAME, submission, nbformat.writes(SOURCE), 5, "", ""), sandbox)


def lost(graded: Graded) -> dict[str, str]:
    """Exercises without full points, with the reason."""
    return {r.exercise: r.reason for r in graded.report.exercises if r.points != r.max_points}


@pytest.mark.parametrize("name", BESIDE)
def test_cells_of_the_students_own(sandbox, name):
    """Does a cell beside the solutions cost nothing, whatever it does in an ordinary notebook?"""
    notebook = copy.deepcopy(SOLVED)
    for position in (0, len(notebook["cells"]) // 2):
        cell = {"cell_type": "code", "metadata": {}, "source": BESIDE[name], "outputs": []}
        notebook["cells"].insert(position, cell)
    graded = grade(notebook, sandbox)
    assert lost(graded) == {}
    assert graded.report.points <= FULL


@pytest.mark.parametrize("name", REPLACED)
def test_other_ways_to_write_it(sandbox, name):
    """Is a right function right, however it is written?"""
    notebook = copy.deepcopy(SOLVED)
    function, code = REPLACED[name]
    cell = solution_cell(notebook, function)
    cell["source"] = code or AROUND_QUICKSCORE.format(code="".join(cell["source"]))
    if name == "another_file":
        code = {
            "cell_type": "code",
            "metadata": {},
            "source": "from helper import total as entropy",
            "outputs": [],
        }
        notebook["cells"].insert(notebook["cells"].index(cell) + 1, code)
    assert lost(grade(notebook, sandbox)) == {}


def test_all_of_it_in_one_cell(sandbox):
    """May all functions stand in one cell, the first?"""
    notebook = copy.deepcopy(SOLVED)
    sources = {name: "".join(solution_cell(notebook, name)["source"]) for name in POINTS}
    for name in POINTS:
        solution_cell(notebook, name)["source"] = ""
    solution_cell(notebook, "entropy")["source"] = "\n\n".join(sources.values())
    assert lost(grade(notebook, sandbox)) == {}


def test_a_list_is_accepted_and_said_so(sandbox):
    """Is it told how a list in the place of an array is judged?"""
    notebook = copy.deepcopy(SOLVED)
    solution_cell(notebook, "posterior")["source"] = REPLACED["list"][1]
    (result,) = (r for r in grade(notebook, sandbox).report.exercises if r.grade_id == "check_posterior")
    assert any("accepted" in remark for remark in result.remarks)
