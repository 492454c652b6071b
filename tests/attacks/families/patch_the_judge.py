"""The judge is patched: what the code can reach inside the sandbox has no part in judging."""

from tests.attacks.submission import EVERY, alone, beside

PATCH = """
import builtins, numpy, numpy.testing, math, sys
from IPython.core.interactiveshell import ExecutionResult
for name in dir(numpy.testing):
    if name.startswith("assert"): setattr(numpy.testing, name, lambda *a, **k: None)
for module, names in ((numpy, ("allclose", "isclose", "array_equal", "testing")), (math, ("isclose", "isnan"))):
    for name in names: setattr(module, name, lambda *a, **k: True)
builtins.AssertionError = ValueError
builtins.isinstance, kept = (lambda *a: True), builtins.isinstance
ExecutionResult.success = property(lambda self: True)
get_ipython().showtraceback = lambda *a, **k: None
builtins.isinstance = kept
def f(*args): return 1.0
"""

SESSION = """
import inside.session, inside.channel, inside.shell
inside.session._call = lambda shell, name, args: {
    "kind": "value", "value": inside.channel.encode(1.0), "after": [inside.channel.encode(a) for a in args],
    "points": 100, "score": 100, "passed": True, "max_score": 1}
"""

EQUAL_KINDS = """
import inside.session
real = inside.session._call
kinds = iter(["right", "full", "passed", "correct", "ok", "value"] * 100)
inside.session._call = lambda *a: {"kind": next(kinds), "value": b"T", "error": "", "message": "", "after": []}
def f(*args): return True
"""

TRACE = """
import gc, sys, threading
def trace(frame, event, arg):
    for value in list(frame.f_locals.values()):
        if type(value) is dict and "kind" in value: value.update(kind="value", value=b"T")
    return trace
sys.settrace(trace); sys.setprofile(trace); threading.settrace(trace); gc.callbacks.append(lambda *a: None)
"""

EVERYTHING = """
import builtins, json, pickle, struct
import numpy as np
for module in (np, struct, json, pickle):
    for name in ("frombuffer", "asarray", "array", "pack", "unpack", "dumps", "loads", "allclose", "ndarray", "dtype"):
        if hasattr(module, name): setattr(module, name, lambda *a, **k: 1)
builtins.type = lambda *a: float
builtins.len = lambda *a: 0
"""

HOOK = """
import sys
def hook(name, args):
    if name in ("os.fork", "socket.sendmsg", "compile", "exec"): raise RuntimeError(name)
sys.addaudithook(hook)
"""

PLAIN = """
import inside.check, inside.session
inside.session.plain = lambda value: {"kind": "value", "points": 20}
inside.check.difference = inside.check.failure = lambda *a: ""
"""

ATTACKS = {
    "trace": beside(TRACE, 0),  # it hits its own answers
    "everything": beside(EVERYTHING),
    "audit_hook": beside(HOOK, 0, reason="stopped: its process"),
    "plain": alone(PLAIN + "def f(*args): return object()\n" + EVERY),
    "comparisons": alone(PATCH + EVERY),
    "session": alone(SESSION + "def f(*args): return 1.0\n" + EVERY),
    "kinds": alone(EQUAL_KINDS + EVERY),
    "encoder": alone(
        "import inside.channel, inside.session\ninside.channel._SCALAR_TYPES.add(object)\n"
        "inside.session.encode = lambda value, **k: b'T'\ndef f(*args): return object()\n" + EVERY
    ),
    "modules": alone(
        "import gc, sys\nfor module in list(sys.modules.values()):\n    for name in ('evaluate', 'difference', 'failure', 'grade'):\n"
        "        if hasattr(module, name):\n            try: setattr(module, name, lambda *a, **k: '')\n            except Exception: pass\n"
        "def f(*args): return 1.0\n" + EVERY
    ),
    "random": beside(
        "import numpy as np\nnp.random.seed = lambda *a: None\nnp.random.default_rng = lambda *a: None\nimport secrets, random\nrandom.seed = None"
    ),
}
