"""Do cells and calls behave as in a notebook, and are answers judged by their exact types?"""

import base64

import numpy as np
import pytest

from autograder.check import STUB, Outcome
from autograder.sandbox import Sandbox, Session, SessionLost, Source, WrongType

SECONDS = 20


def run(session: Session, source: str) -> list[dict]:
    """Run a cell that must go through, and return its outputs."""
    result = session.run(source, "<cell>", SECONDS)
    assert result.error == "", result
    return result.outputs


def text(session: Session, source: str) -> str:
    """What a cell prints."""
    return "".join(output["text"] for output in run(session, source) if output["output_type"] == "stream")


def call(session: Session, source: str, *args: object) -> Outcome:
    """Call the function f that a cell defines."""
    worker = session.fork()
    run(worker, source)
    return worker.call("f", args, SECONDS)


class TestCells:
    """Running cells."""

    def test_state_stays(self, root: Session) -> None:
        """Does a later cell see what an earlier one has defined?"""
        session = root.fork()
        run(session, "x = 3")
        assert text(session, "print(x + 1)") == "4\n"

    def test_forks_are_independent(self, root: Session) -> None:
        """Does a copy start from the same state and leave the original alone?"""
        session = root.fork()
        run(session, "x = [1]")
        copy = session.fork()
        run(copy, "x.append(2)")
        assert text(copy.fork(), "print(x)") == "[1, 2]\n"
        assert text(session, "print(x)") == "[1]\n"

    def test_last_expression(self, root: Session) -> None:
        """Is the value of the last expression shown, with a count as in a notebook?"""
        session = root.fork()
        run(session, "1 + 1;")
        (output,) = run(session, "{'a': 1}")
        assert output == {
            "output_type": "execute_result",
            "data": {"text/plain": "{'a': 1}"},
            "metadata": {},
            "execution_count": 2,
        }

    def test_streams_in_order(self, root: Session) -> None:
        """Do outputs keep their order across streams and displays?"""
        source = "import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')\ndisplay(4)"
        kinds = [output.get("name", output["output_type"]) for output in run(root.fork(), source)]
        assert kinds == ["stdout", "stderr", "stdout", "display_data"]

    def test_display_of_html(self, root: Session) -> None:
        """Do rich displays arrive?"""
        (output,) = run(root.fork(), "from IPython.display import HTML, display\ndisplay(HTML('<b>x</b>'))")
        assert output["data"]["text/html"] == "<b>x</b>"

    @pytest.mark.parametrize("magic", ["", "%matplotlib inline\n"])
    def test_figure(self, root: Session, magic: str) -> None:
        """Does a cell's figure become an image, with the magic of a notebook and without?"""
        session = root.fork()
        outputs = run(
            session, magic + "import matplotlib.pyplot as plt\nplt.plot([1, 2], label='$x^2$')\nplt.legend();"
        )
        (figure,) = outputs
        assert base64.b64decode(figure["data"]["image/png"]).startswith(b"\x89PNG")
        assert run(session, "1;") == []

    def test_magics(self, root: Session) -> None:
        """Do the magics that students use work?"""
        session = root.fork()
        assert "per loop" in text(session, "%timeit -n1 -r1 sum([1, 2])")
        assert "Wall time" in text(session, "%time sum([1, 2])")
        assert "Wall time" in text(session, "%%time\nx = 1")
        assert text(session, "print(get_ipython() is not None)") == "True\n"

    def test_top_level_await(self, root: Session) -> None:
        """Can a cell await, and a copy of its state again?"""
        session = root.fork()
        source = "import asyncio\nawait asyncio.sleep(0)\nprint('done')"
        assert text(session, source) == "done\n"
        assert text(session.fork(), source) == "done\n"
        assert text(session, source) == "done\n"

    def test_check_is_a_stub(self, root: Session) -> None:
        """Do a release's imports and checks run, without effect?"""
        assert run(root.fork(), "from check import check\ncheck('a.b', len)") == []

    @pytest.mark.parametrize(
        ("source", "name"),
        [
            ("1 / 0", "ZeroDivisionError"),
            ("raise SystemExit(1)", "SystemExit"),
            ("exit = quit = None\nraise KeyboardInterrupt", "KeyboardInterrupt"),
            ("def f(:", "SyntaxError"),
            ("  x = 1\n y", "IndentationError"),
            ("raise BaseException('a')", "BaseException"),
            ("class E(Exception):\n    def __str__(self):\n        raise ValueError\nraise E", "E"),
            ("%no_such_magic", "UsageError"),
        ],
    )
    def test_errors_end_the_cell_alone(self, root: Session, source: str, name: str) -> None:
        """Is an exception, exit or interrupt an error of that cell, and the session goes on?"""
        session = root.fork()
        result = session.run(source, "<mistake>", SECONDS)
        if name != "UsageError":  # IPython prints that one
            assert result.error == f"stopped with {name}"
            assert result.outputs[0]["ename"] == name
        assert text(session, "print('on')") == "on\n"

    def test_traceback_shows_only_the_students_frames(self, root: Session) -> None:
        """Does a traceback name cells and lines, and nothing of the machinery?"""
        session = root.fork()
        run(session, "import numpy as np\ndef f(x):\n    return np.linalg.inv(x)")
        result = session.run("y = 1\nf(np.zeros((2, 2)))", "<use>", SECONDS)
        assert result.outputs[-1]["traceback"] == [
            "Traceback (most recent call last):",
            "  <use>, line 2, in <module>",
            "    f(np.zeros((2, 2)))",
            "  <cell>, line 3, in f",
            "    return np.linalg.inv(x)",
            "LinAlgError: Singular matrix",
        ]

    def test_deep_traceback_is_short(self, root: Session) -> None:
        """Is the traceback of an endless recursion cut in the middle?"""
        result = root.fork().run("def f(n):\n    return f(n + 1)\nf(0)", "<deep>", SECONDS)
        assert result.error == "stopped with RecursionError"
        assert len(result.outputs[-1]["traceback"]) < 60

    @pytest.mark.parametrize(
        "command", ["!ls /", "%pip install numpy", "!pip install numpy", "files = !ls", "%ls"]
    )
    def test_shell_commands_do_nothing(self, root: Session, command: str) -> None:
        """Is there no shell, and does the cell go on after a command, as it would after one that failed?"""
        printed = text(root.fork(), f"{command}\nprint('on')")
        assert "[not run: " in printed
        assert printed.endswith("on\n")

    @pytest.mark.parametrize("source", ["exit()", "quit", "get_ipython().ask_exit()"])
    def test_leaving_does_nothing(self, root: Session, source: str) -> None:
        """Does `exit` neither end the session nor fail?"""
        session = root.fork()
        run(session, source)
        assert text(session, "print('on')") == "on\n"

    def test_loggers_keep_their_stream(self, root: Session) -> None:
        """Does what holds on to a stream write into the cell that runs?"""
        session = root.fork()
        assert (
            text(session, "import logging, sys\nlogging.basicConfig(stream=sys.stdout)\nlogging.warning('a')")
            == "WARNING:root:a\n"
        )
        assert text(session, "logging.warning('b')") == "WARNING:root:b\n"

    def test_help(self, root: Session) -> None:
        """Is help printed, not paged?"""
        session = root.fork()
        assert "Return the number of items" in text(session, "help(len)")
        assert "Return the number of items" in text(session, "len?")

    def test_show(self, root: Session) -> None:
        """Is a figure shown once, where the cell shows it?"""
        outputs = run(
            root.fork(), "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nprint('after')"
        )
        assert [output["output_type"] for output in outputs] == ["display_data", "stream"]

    def test_random_numbers_are_the_same_each_time(self, sandbox: Sandbox) -> None:
        """Do the global random states start alike in every submission, and go on alike in copies?"""
        source = "import random\nimport numpy as np\nprint(random.random(), np.random.rand(), hash('a'))"
        printed = []
        for _ in range(2):
            with sandbox.submission() as root:
                session = root.fork()
                first = text(session, source)
                copies = [text(session.fork(), source) for _ in range(2)]
                assert copies[0] == copies[1] != first
                printed.append([first, *copies])
        assert printed[0] == printed[1]

    def test_unencodable_text(self, root: Session) -> None:
        """Does text that is no valid Unicode arrive with marks in its place?"""
        assert text(root.fork(), "print('a\\ud800b')") == "a?b\n"

    @pytest.mark.parametrize(
        "source", ["x = '\ud800'", "x = 1\0", "x = 1\r\ny = 2\x0c", "", "\n\n", "# only a comment", "é = '→'"]
    )
    def test_odd_sources(self, root: Session, source: str) -> None:
        """Does a cell with odd characters, or with none, cost nothing but itself?"""
        session = root.fork()
        session.run(source, "<odd>", SECONDS)
        assert text(session, "print('on')") == "on\n"

    def test_text_subclasses(self, root: Session) -> None:
        """Are strings of other classes printed like strings?"""
        assert text(root.fork(), "import sys\nimport numpy as np\nsys.stdout.write(np.str_('ab'));") == "ab"


class TestBounds:
    """Outputs above the limits."""

    def test_long_line(self, root: Session) -> None:
        """Is the start of a huge line kept, and the rest counted?"""
        outputs = run(root.fork(), "print('x' * 30_000_000)")
        assert outputs[0]["text"] == "x" * 65536
        assert outputs[-1]["text"] == f"[not kept: {30_000_000 - 65536 + 1} characters of stdout]\n"

    def test_many_displays(self, root: Session) -> None:
        """Are only so many displays kept?"""
        outputs = run(root.fork(), "for i in range(100): display(i)")
        assert [o["output_type"] for o in outputs] == ["display_data"] * 20 + ["stream"]
        assert outputs[-1]["text"] == "[not kept: 80 displayed values]\n"

    def test_large_display(self, root: Session) -> None:
        """Is a display that is too large left out, and said so?"""
        (note,) = run(root.fork(), "from IPython.display import HTML\nHTML('x' * 5_000_000)")[-1:]
        assert "5000000 bytes of text/html" in note["text"]

    def test_alternating_streams(self, root: Session) -> None:
        """Is the number of pieces bounded?"""
        source = "import sys\nfor i in range(1000):\n    sys.stdout.write('o')\n    sys.stderr.write('e')"
        assert len(run(root.fork(), source)) <= 201

    def test_huge_figure(self, root: Session) -> None:
        """Does a figure that does not fit cost only its image?"""
        session = root.fork()
        result = session.run(
            "import matplotlib.pyplot as plt\nplt.figure(figsize=(400, 400));", "<huge>", SECONDS
        )
        assert result.error == "stopped with MemoryError"
        assert text(session, "print('on')") == "on\n"


class TestCalls:
    """Calling the student's functions."""

    def test_value(self, root: Session) -> None:
        """Does a plain answer come back, with the arguments as they are after the call?"""
        source = (
            "def f(x, y):\n    x[0] = 9\n    return {'sum': x + y, 'list': [1, 2.5, None, 'a', (True, 1j)]}"
        )
        outcome = call(root, source, np.zeros(2), 1.0)
        assert outcome.kind == "value"
        np.testing.assert_array_equal(outcome.value["sum"], [10, 1])
        assert outcome.value["list"] == [1, 2.5, None, "a", (True, 1j)]
        np.testing.assert_array_equal(outcome.arguments_after[0], [9, 0])
        assert outcome.arguments_after[1] == 1.0

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ("return 1 / 0", Outcome("raised", error="ZeroDivisionError", message="division by zero")),
            ("raise SystemExit('bye')", Outcome("raised", error="SystemExit", message="bye")),
            ("raise KeyboardInterrupt", Outcome("raised", error="KeyboardInterrupt")),
            (f"raise {STUB}", Outcome("raised", error=STUB)),
            ("return {1, 2}", Outcome("wrong_type", error="set")),
            ("return (i for i in [1])", Outcome("wrong_type", error="generator")),
            ("return f", Outcome("wrong_type", error="function")),
            ("return 10**400", Outcome("wrong_type", error="int of 1329 bits")),
            ("a = []; a.append(a); return a", Outcome("wrong_type", error="list")),
            ("return np.array([None])", Outcome("wrong_type", error="NoneType")),
            ("return np.float64(0.5)", Outcome("value", value=np.float64(0.5))),
            ("return np.float32(0.5)", Outcome("value", value=np.float32(0.5))),
            ("print('x' * 10**6); import warnings; warnings.warn('w'); return 1", Outcome("value", value=1)),
            ("import os; os.write(1, b'x' * 10**6); os.write(2, b'x'); return 1", Outcome("value", value=1)),
        ],
    )
    def test_kinds(self, root: Session, body: str, expected: Outcome) -> None:
        """Is each way to answer told apart?"""
        outcome = call(root, f"import numpy as np\ndef f():\n    {body}")
        assert outcome == expected._replace(arguments_after=())
        assert type(outcome.value) is type(expected.value)

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ("class Lie(float):\n        def __eq__(self, other): return True\n    return Lie(1)", np.float64(1)),
            ("class Lie(np.float64):\n        def __eq__(self, other): return True\n    return Lie(1)", np.float64(1)),
            ("class Lie(int): pass\n    return Lie(1)", np.int64(1)),
            (
                "class Lie:\n        def __eq__(self, other): return True\n        __float__ = lambda self: 1.0\n    return Lie()",
                np.float64(1),
            ),
            (
                "class Lie(np.ndarray):\n        def __array_function__(self, *a, **k): return True\n"
                "    return np.zeros(2).view(Lie)",
                np.zeros(2),
            ),
            (
                "class Lie(tuple):\n        def __eq__(self, other): return True\n        __len__ = lambda self: 9\n"
                "        __iter__ = lambda self: iter('no')\n    return Lie([0.5, True])",
                (0.5, True),
            ),
            ("import collections\n    return collections.namedtuple('Pair', 'a b')(1.0, [2.0])", (1.0, [2.0])),
            ("return np.matrix([[1.0, 2.0]])", np.array([[1.0, 2.0]])),
            ("return np.ma.masked_invalid([1.0, np.nan])", np.array([1.0, 0.0])),
            ("import fractions\n    return np.array([fractions.Fraction(1, 2), 10**30])", np.array([0.5, 1e30])),
            ("import array\n    return array.array('d', [1.0])", np.array([1.0])),
        ],
    )  # fmt: skip
    def test_numbers_in_other_types(self, root: Session, body: str, expected: object) -> None:
        """Does a value of another type arrive as the plain numbers that it holds, and never as what it says of itself?"""
        outcome = call(root, f"import numpy as np\ndef f():\n    {body}")
        assert (outcome.kind, outcome.error) == ("value", "")
        assert type(outcome.value) is type(expected)
        np.testing.assert_equal(outcome.value, expected)

    @pytest.mark.parametrize(
        "body",
        [
            "class Lie(str): pass\n    return [1, {'a': Lie('x')}]",
            "class Lie(dict):\n        def __getitem__(self, key): return 1\n    return Lie()",
            "class Lie:\n        def __array__(self, *a, **k): raise SystemError\n    return Lie()",
            "class Lie:\n        def __float__(self): raise SystemError\n    return [Lie()]",
        ],
    )
    def test_lying_objects(self, root: Session, body: str) -> None:
        """Is an object without numbers a wrong type?"""
        outcome = call(root, f"import numpy as np\ndef f():\n    {body}")
        assert outcome == Outcome("wrong_type", error="Lie", arguments_after=())

    @pytest.mark.parametrize(("source", "what"), [("pass", ""), ("f = 3", "int"), ("f = None", "NoneType")])
    def test_missing(self, root: Session, source: str, what: str) -> None:
        """Is a function that is not there told apart from one that fails?"""
        assert call(root, source) == Outcome("missing", error=what)

    def test_argument_as_it_was(self, root: Session) -> None:
        """Is an argument after the call the given object itself, unless any bit of it is another?"""
        given = np.array([0.0, np.nan]), np.array([0.0, np.nan])
        outcome = call(root, "def f(x, y):\n    y[0] = -0.0", *given)
        assert outcome.arguments_after[0] is given[0]
        assert np.signbit(outcome.arguments_after[1]).tolist() == [True, False]
        assert not np.signbit(given[1]).any()

    def test_argument_that_became_something_else(self, root: Session) -> None:
        """Is an argument that is no plain data any more marked as such?"""
        outcome = call(root, "def f(x):\n    x.append(f)\n    return 1", [1])
        assert outcome.arguments_after == (WrongType("function"),)

    def test_source_as_argument(self, root: Session) -> None:
        """Does a function given as source text arrive as a function?"""
        source = Source(
            "log_p", "import numpy as np\ndef log_p(x):\n    return -np.sum((x - m) ** 2)", {"m": np.ones(2)}
        )
        outcome = call(root, "def f(log_p, x):\n    return log_p(x)", source, np.zeros(2))
        assert outcome.value == -2.0
        assert outcome.arguments_after[0] is source

    def test_timeout(self, root: Session) -> None:
        """Is a call that does not return a timeout, and the state it came from intact?"""
        session = root.fork()
        run(session, "def f(x):\n    while x: pass\n    return x")
        worker = session.fork()
        assert worker.call("f", (1,), 0.3) == Outcome("timeout", error="stopped after 0.3 s")
        assert worker.call("f", (0,), 0.3).kind == "died"
        assert session.fork().call("f", (0,), SECONDS).value == 0

    def test_death(self, root: Session) -> None:
        """Is the reason of a crash reported?"""
        outcome = call(root, "import ctypes\ndef f():\n    ctypes.string_at(0)")
        assert outcome == Outcome("died", error="its process ended (segmentation fault)")

    def test_warnings_as_errors(self, root: Session) -> None:
        """Does a right answer count where the notebook turns warnings into errors, as it does in the student's check()?"""
        source = (
            "import numpy as np, warnings\nnp.seterr(all='raise')\nwarnings.simplefilter('error')\n"
            "def f(x):\n    warnings.warn('slow')\n    return np.where(x > 0, np.log(x), 0.0)"
        )
        outcome = call(root.fork(), source, np.array([0.0, 1.0]))
        assert outcome.kind == "value"
        assert outcome.value.tolist() == [0.0, 0.0]

    def test_numba(self, root: Session) -> None:
        """Do compiled functions work, with a cache on disk and parallel loops?"""
        source = (
            "import numba\nimport numpy as np\n"
            "@numba.njit(parallel=True)\ndef f(x):\n    s = 0.0\n    for i in numba.prange(len(x)):\n        s += x[i]\n    return s"
        )
        worker = root.fork()
        run(worker, source)
        assert worker.call("f", (np.ones(5),), 60).value == 5.0

    def test_processes_of_its_own(self, root: Session) -> None:
        """May a student's code use subprocesses and a pool?"""
        source = (
            "import multiprocessing, subprocess, sys\ndef square(x):\n    return x * x\n"
            "def f():\n    with multiprocessing.get_context('fork').Pool(2) as pool:\n        squares = pool.map(square, [1, 2, 3])\n"
            "    return squares, subprocess.run([sys.executable, '-S', '-c', 'raise SystemExit(3)']).returncode"
        )
        assert call(root, source).value == ([1, 4, 9], 3)


def test_closed_session(root: Session) -> None:
    """Does a session that was closed say so?"""
    session = root.fork()
    session.close()
    session.close()
    with pytest.raises(SessionLost, match="closed"):
        session.run("1", "<cell>", 1)
