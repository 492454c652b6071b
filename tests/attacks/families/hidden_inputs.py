"""Hidden instances are to be learned: kept from one call for the next, or told to whoever reads the results."""

from tests.attacks.submission import EVERY, alone, beside

TELL = """
import os, socket, sys, threading, time, warnings, logging
def f(*args):
    text = "TOLD " + " ".join(repr(getattr(a, "tolist", lambda: a)()) for a in args)
    print(text); print(text, file=sys.stderr); warnings.warn(text); logging.error(text)
    display(text)
    for place in ("/tmp", "/dev/shm", os.environ["HOME"]):
        open(place + "/told", "a").write(text)
    for fd in (0, 1, 2): os.write(fd, text.encode())
    sys.__stdout__ and sys.__stdout__.write(text)
    get_ipython().displayhook(text)
"""

WAIT = """
import os, time
if os.fork() == 0:  # waits for what the checks will leave, to print it
    while True:
        for place in ("/tmp/told", "/dev/shm/told"):
            try: print(open(place).read())
            except OSError: pass
        time.sleep(0.01)
"""

LISTEN = """
import os, socket
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind("\\0told")
if os.fork() == 0:
    while True: print(server.recv(10_000))
def f(*args):
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(repr(args).encode(), "\\0told")
    return 1.0
"""

SHAPES = """
import numpy as np
def f(q, *args):
    lengths = [int(abs(x) * 10**9) % 2**31 for x in np.ravel(q)[:14]]
    return np.zeros((0, *lengths))
"""

NAN = """
import numpy as np, struct
def f(q, *args):
    bits = struct.unpack("<Q", struct.pack("<d", float(np.ravel(q)[0])))[0]
    return np.array([0x7FF8000000000000 | bits >> 14], dtype="u8").view("f8")
"""

KEEP = """
import os, pickle, mmap
shared = mmap.mmap(-1, 10**6)
def f(*args):
    path = "/dev/shm/seen"
    seen = pickle.load(open(path, "rb")) if os.path.exists(path) else []
    pickle.dump([*seen, args], open(path, "wb"))
    shared.write(repr(args).encode()[:100])
    return float(len(seen))
"""

LATER = """
import glob
for path in ("/dev/shm/seen", "/tmp/told", "/dev/shm/told"):
    for found in glob.glob(path): print(found, open(found, "rb").read())
print("later", bytes(shared[:200]).strip(b"\\0"))
"""

ATTACKS = {
    "outputs": alone(TELL + "    return text\n" + EVERY),
    "exception": alone(TELL + "    raise ValueError(text)\n" + EVERY),
    "own_exception": alone(
        TELL + "    raise type('T' + text.encode().hex()[:150], (Exception,), {})(text)\n" + EVERY
    ),
    "values": alone(
        TELL + "    return [list(a.tolist()) if hasattr(a, 'tolist') else a for a in args]\n" + EVERY
    ),
    "another_process": alone(WAIT + TELL + "    return 1.0\n" + EVERY),
    "socket": alone(LISTEN + EVERY),
    "shapes": alone(SHAPES + EVERY),
    "lengths": alone("def f(q, *args): return [0.0] * int(abs(float(q.flat[0])) * 10**5 % 10**5)\n" + EVERY),
    "not_a_number": alone(NAN + EVERY),
    "exit_status": alone(
        "import os\ndef f(q, *args): os._exit(int(abs(float(q.flat[0])) * 1000) % 256)\n" + EVERY
    ),
    "type_name": alone(
        "def f(q, *args): return type('T' + repr(q.tolist()).encode().hex()[:50], (), {})()\n" + EVERY
    ),
    "time": alone(
        "import time\ndef f(q, *args): time.sleep(abs(float(q.flat[0])) % 1); return 1.0\nentropy = f"
    ),
    "kept": alone(KEEP + EVERY),
    "kept_and_read": beside(KEEP + LATER),
    "session": alone(
        "import inside.session\nreal, kept = inside.session.receive, []\n"
        "def receive(sock):\n    request, nonce, fd = real(sock)\n    kept.append(repr(request))\n"
        "    if request[0] == 'call': kept.extend(repr(inside.session.decode(data, sources=True)) for data in request[2])\n"
        "    if request[0] == 'run': print('TOLD', kept)\n    return request, nonce, fd\ninside.session.receive = receive\n"
        "def f(*args): return str(kept)\n" + EVERY
    ),
}
