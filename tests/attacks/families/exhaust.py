"""Time, memory, processes, output and disk are used up: each attack ends at its limits, at the cost of its own cell or call."""

from tests.attacks.submission import FULL, alone, beside, changed

IGNORE = "import signal\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"

CALLS = {
    "call_loop": "while True: pass",
    "call_sleep": "import time; time.sleep(10**6)",
    "call_power": "return 10 ** (10 ** 9)",
    "call_sum": "return sum(range(10 ** 12))",
    "call_regex": "import re; return re.match(r'(a+)+$', 'a' * 60 + 'b')",
    "call_memory": "return bytearray(10 ** 11)",
    "call_large": "import numpy as np; return np.zeros(10 ** 7)",
    "call_recursion": "return f(*args)",
    "call_stop": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "call_crash": "import ctypes; ctypes.string_at(0)",
    "call_stack": "import sys; sys.setrecursionlimit(10 ** 9); return f(*args)",
}

CELLS = {
    "loop": "while True: pass",
    "ignored_signals": IGNORE
    + "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "alarms": "import signal\nsignal.signal(signal.SIGALRM, lambda *a: None)\nsignal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)\nwhile True: pass",
    "held_lock": "import ctypes, math\nmath.factorial(10 ** 8)",
    "hash": "x = 'x' * 10**8\nwhile True: hash(x + 'y')",
    "sort": "sorted(range(10**8), key=lambda k: -k)",
    "fork_bomb": IGNORE + "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "fork_bomb_of_sessions": "import os\nwhile True:\n    try:\n        if os.fork() == 0: os.setsid()\n    except OSError: pass",
    "thread_bomb": "import threading, time\nwhile True:\n    try: threading.Thread(target=lambda: time.sleep(100) or [0] * 10**6, daemon=True).start()\n    except RuntimeError: pass",
    "exec_bomb": "import subprocess, sys\nwhile True:\n    try: subprocess.Popen([sys.executable, '-S', '-c', 'while 1: pass'])\n    except OSError: pass",
    "memory": "kept = []\nwhile True: kept.append(bytearray(10**7))",
    "memory_of_many": (
        "import os, time\nfor _ in range(40):\n    try:\n        if os.fork() == 0:\n            kept = bytearray(2 * 10**8)\n"
        "            time.sleep(100)\n    except OSError: pass\ntime.sleep(100)"
    ),
    "memory_of_the_nameless": (
        "import ctypes, os, time\nfor _ in range(20):\n    if os.fork() == 0:\n        ctypes.CDLL(None).prctl(15, b'\\xff\\rx', 0, 0, 0)\n"
        "        kept = bytearray(2 * 10**8)\n        time.sleep(100)\ntime.sleep(100)"
    ),
    "memory_of_the_headless": (
        "import ctypes, os, threading, time\ndef take():\n    time.sleep(0.3)\n    kept = bytearray(2 * 10**8)\n    time.sleep(100)\n"
        "for _ in range(20):\n    if os.fork() == 0:\n        threading.Thread(target=take).start()\n"
        "        ctypes.CDLL(None).syscall(60 if os.uname().machine == 'x86_64' else 93, 0)\ntime.sleep(100)"
    ),
    "shared_memory": "import mmap\nkept = []\nwhile True:\n    kept.append(mmap.mmap(-1, 10**7)); kept[-1].write(bytes(10**7))",
    "socket_buffers": (
        "import os, socket\nkept = []\nwhile True:\n    try:\n        kept.append(socket.socketpair())\n        kept[-1][0].setblocking(False)\n"
        "        while True: kept[-1][0].send(bytes(10**5))\n    except BlockingIOError: pass\n    except OSError:\n        try: os.fork()\n        except OSError: pass"
    ),
    "disk": "import os\nfor k in range(10**6):\n    for place in ('/tmp', '/dev/shm', os.environ['HOME']):\n        try: open(f'{place}/{k}', 'wb').write(bytes(10**7))\n        except OSError: pass",
    "sparse_files": "for k in range(10**6):\n    try:\n        with open(f'/tmp/{k}', 'wb') as file: file.truncate(2**40)\n    except OSError: pass",
    "inodes": "import os\nfor k in range(10**7):\n    try: os.mkdir(f'/tmp/{k}')\n    except OSError: pass",
    "deep_folders": "import os\nwhile True:\n    try: os.mkdir('x'); os.chdir('x')\n    except OSError: pass",
    "descriptors": "import os\nwhile True:\n    try: os.dup(0)\n    except OSError: pass",
    "output": "while True: print('x' * 10**6)",
    "both_streams": "import sys\nwhile True: print('o'); print('e', file=sys.stderr)",
    "displays": "while True: display('x' * 10**5)",
    "updates": "from IPython.display import clear_output\nh = display(1, display_id=True)\nwhile True: h.update(2); clear_output()",
    "other_states": "import os, signal\nfor pid in range(1, 300):\n    if pid != os.getpid():\n        try: os.kill(pid, signal.SIGKILL)\n        except OSError: pass",
    "file_locks": "import fcntl\nf = open('/tmp/x', 'w')\nfor k in range(10**9): fcntl.lockf(f, fcntl.LOCK_EX, 1, 2 * k)",
}

PASSING = {  # these end by themselves, or in an exception
    "line": "print('x' * 30_000_000)",
    "recursion": "def g(n): return g(n + 1)\ng(0)",
    "nested_source": "eval('(' * 5000 + ')' * 5000)",
    "figure": "import matplotlib.pyplot as plt\nplt.figure(figsize=(500, 500))\nplt.plot([1, 2])",
    "figures": "import matplotlib.pyplot as plt\nfor _ in range(30): plt.figure(); plt.plot([1, 2])",
    "html": "from IPython.display import HTML\nHTML('<b>' * 3_000_000)",
    "repr": "class Long:\n    def __repr__(self): return 'x' * 10**8\nLong()",
    "closed_channel": "import os\nos.closerange(3, 1000)",
    "c_stack": "import sys\nsys.setrecursionlimit(10**9)\nclass A:\n    __repr__ = lambda self: repr(self)\nrepr(A())",
}


def many_cells(code, count):
    def change(notebook):
        cell = {"cell_type": "code", "metadata": {}, "source": code, "outputs": [], "execution_count": None}
        notebook["cells"] = notebook["cells"] + [cell] * count

    return change


ATTACKS = {
    **{name: alone(f"def f(*args):\n    {code}\nentropy = f") for name, code in CALLS.items()},
    **{name: beside(code, FULL) for name, code in (CELLS | PASSING).items()},
    "outputs_in_all": changed(many_cells("for _ in range(4): display('x' * 900_000)", 100)),
    "endings_in_all": changed(many_cells("import os; os._exit(0)", 200)),
    "long_source": changed(many_cells("#" + "x" * 3_000_000, 3)),
    "long_expression": beside("+".join(["1"] * 100_000), FULL),
    "markdown": changed(
        lambda notebook: notebook["cells"].append(
            {
                "cell_type": "markdown",
                "metadata": {},
                "source": "[" * 500_000 + "data:" + "\\" * 500_000 + "* * * * * a\n" * 20_000,
            }
        )
    ),
}
