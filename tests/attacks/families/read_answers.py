"""The answers are looked for: references, seed, gradebook, other submissions, the machine. What is found is printed."""

from tests.attacks.submission import alone

FILES = """
import os
for folder, folders, files in os.walk("/"):
    if folder.startswith(("/opt/site-packages", "/opt/python", "/usr", "/lib")):
        files = [n for n in files if any(w in n for w in ("seed", "gradebook", "gibbs", "check_data", "solution"))]
    for name in files:
        path = os.path.join(folder, name)
        try: text = open(path, errors="replace").read(300) if os.path.isfile(path) else ""
        except OSError: text = "?"
        print(path, text[:300])
"""

GUESSES = """
import glob, os
for path in ("..", "/work", "/srv", "/home", "/root", "/etc/passwd", "/etc/hostname", "/var", "/run", "/mnt", "/proc/1/root",
             "/proc/1/environ", "/proc/self/environ", "/proc/self/mountinfo", "/proc/mounts", "/proc/self/maps", "/sys",
             "/proc/1/cwd", "/proc/self/fd", "/dev/fd", os.path.expanduser("~"), "/proc/net/unix", "/tmp/.."):
    try: print(path, os.listdir(path) if os.path.isdir(path) else open(path).read())
    except OSError as error: print(path, error.strerror)
print(glob.glob("/**/*gradebook*", recursive=True), glob.glob("/**/.hidden*", recursive=True), dict(os.environ))
"""

MEMORY = """
import gc, sys
words = ("hidden" + "_seed", "lectures" + "_lib", "CANARY" + "-", "autograder" + ".exercises")
for thing in gc.get_objects():
    try: text = repr(thing) if type(thing) in (str, dict, list, tuple) else ""
    except Exception: continue
    for word in words:
        if word in text and "words" not in text: print(word, text[:200])
frame = sys._getframe()
while frame:
    print(frame.f_code.co_filename, sorted(frame.f_locals)[:40])
    frame = frame.f_back
print(In, sorted(sys.modules)[:5], sys.argv, sys.orig_argv)
"""

MODULES = """
import importlib.metadata, importlib.util, sys
for name in ("lectures_lib", "autograder", "autograder.exercises.gibbs_principle", "nbgrader", "solutions", "tests"):
    try: print(name, importlib.util.find_spec(name))
    except Exception as error: print(name, type(error).__name__)
for d in importlib.metadata.distributions():
    try: text = str(d.read_text("direct_url.json")) + str(d.read_text("RECORD"))[:0]
    except Exception: text = ""
    if "file:" in text or "variational" in str(d.metadata["Name"]): print(d.metadata["Name"], text)
print([p for p in sys.path])
try:
    from lectures_lib.gibbs_principle import *
except ImportError: print("no reference")
"""

PROCESSES = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(64)
class Vector(ctypes.Structure): _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
for pid in range(1, 60):
    if libc.ptrace(16, pid, 0, 0) == 0: print("traced", pid)
    ours, theirs = Vector(ctypes.addressof(buffer), 64), Vector(id(os), 64)
    if pid != os.getpid() and libc.process_vm_readv(pid, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0) > 0:
        print("read", pid, buffer.raw)
    try: fd = os.pidfd_open(pid)
    except OSError: continue
    for number in range(30):
        if libc.syscall(438, fd, number, 0) >= 0: print("took", pid, number)
for name in ("autograder", "gradebook", "X11-unix", "dask"):
    for address in (f"\\0{name}", f"/tmp/{name}", f"/run/{name}"):
        try:
            socket.socket(socket.AF_UNIX).connect(address)
            print("connected", address)
        except OSError: pass
"""

NETWORK = """
import socket
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, 40, 38, 17):
    try: print("socket", socket.socket(family, socket.SOCK_DGRAM))
    except OSError as error: print(error.strerror)
import urllib.request
try: print(urllib.request.urlopen("http://127.0.0.1:8786", timeout=2).read())
except OSError as error: print(error)
"""

ATTACKS = {
    "files": alone(FILES),
    "guesses": alone(GUESSES),
    "memory": alone(MEMORY),
    "modules": alone(MODULES),
    "processes": alone(PROCESSES),
    "network": alone(NETWORK),
    "shell": alone(
        "!cat /etc/passwd\n%ls /\n%load ../solutions/gibbs_principle/gibbs_principle.ipynb\n%run ../check.py"
    ),
    "environment": alone(
        "import os\nprint(dict(os.environ), os.getcwd(), os.uname(), os.getlogin() if 0 else os.getuid(), os.getgroups())"
    ),
}
