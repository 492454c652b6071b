"""Something is left for the next submission. Each of them also looks for what another may have left, and prints it."""

from tests.attacks.submission import alone, beside

LOOK = """
import builtins, glob, os, random, socket, sys
import numpy as np
found = [p for place in ("/tmp", "/dev/shm", os.path.expanduser("~")) for p in glob.glob(place + "/**", recursive=True, include_hidden=True)]
found = [p for p in found if os.path.normpath(p) not in ("/tmp", "/dev/shm", os.environ["HOME"])]
for pid in range(4, 300):
    try: os.kill(pid, 0)
    except OSError: continue
    if pid != os.getpid(): found.append(pid)
try: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).connect("\\0left"); found.append("socket")
except OSError: pass
if "LEFT" in os.environ or hasattr(builtins, "LEFT") or hasattr(np, "LEFT") or random.random() != 0.8444218515250481: found.append("state")
if found: print("FOUND", found)
"""

LEAVE = {
    "startup": """
for path in ("~/.ipython/profile_default/startup/00.py", "~/.ipython/profile_default/ipython_config.py", "~/.bashrc",
             "~/.local/lib/python3.11/site-packages/usercustomize.py", "~/.matplotlib/matplotlibrc", "~/.numba/x.nbi"):
    path = os.path.expanduser(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").write("import os; os._exit(1)")
""",
    "files": """
for place in ("/tmp", "/dev/shm", os.path.expanduser("~")):
    os.mkdir(place + "/left")
    os.symlink("/", place + "/link")
    os.mkfifo(place + "/pipe")
    open(place + "/left/x", "w").write("LEFT")
    os.chmod(place + "/left", 0)
    os.chmod(place, 0)
""",
    "daemon": """
import signal, time
if os.fork() == 0:
    os.setsid()
    for number in range(1, 65):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    if os.fork() == 0:
        while True:
            os.environ["LEFT"] = "1"
            time.sleep(0.01)
    os._exit(0)
""",
    "threads": """
import threading, time
def stay():
    while True:
        np.LEFT = builtins.LEFT = 1
        time.sleep(0.001)
for _ in range(5): threading.Thread(target=stay).start()
""",
    "at_exit": """
import atexit, signal, weakref
def stay(*_):
    open("/tmp/at-exit", "w").write("LEFT")
    os.fork()
atexit.register(stay)
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1): signal.signal(number, stay)
""",
    "globals": """
builtins.LEFT = np.LEFT = 1
os.environ["LEFT"] = "1"
random.seed(5)
np.random.seed(5)
sys.path.insert(0, "/tmp")
sys.modules["numpy.linalg"] = None
os.umask(0o777)
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
get_ipython().ast_transformers.append("LEFT")
""",
    "shared_memory": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
made = [libc.shmget(1234, 4096, 0o1666), libc.semget(1234, 1, 0o1666), libc.msgget(1234, 0o1666)]
if max(made) >= 0: print("FOUND", made)
from multiprocessing import shared_memory
kept = shared_memory.SharedMemory("left", create=True, size=1000)
""",
    "socket": """
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind("\\0left")
if os.fork() == 0:
    while True: server.recv(10)
""",
    "in_flight": """
import array
pair = socket.socketpair()  # each end is on its way in the other, and a named socket with them
named = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
named.bind("\\0left")
for end in pair:
    end.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno() for s in (*pair, named)]))])
for s in (*pair, named): os.close(s.detach())
""",
    "renamed": """
import ctypes, time
for name in (b"python", b"\\xff\\xfe", b"a\\rb"):
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(15, name, 0, 0, 0)
        while True: time.sleep(1)
""",
}

ATTACKS = {name: beside(LOOK + code) for name, code in LEAVE.items() if name != "globals"}
ATTACKS |= {f"{name}_alone": alone(LOOK + code) for name, code in LEAVE.items()}
