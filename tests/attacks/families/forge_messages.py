"""Messages are forged: shown outputs never score, and the channel carries answers only."""

from tests.attacks.submission import EVERY, FULL, alone, beside

CHANNEL = """
import array, os, socket, stat
from inside.channel import encode, frame
def sockets():
    for fd in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode): yield fd
        except OSError: pass
"""
BROKEN = "broke the answer format"
LATE = "stopped after"

REPLAY = """
import inside.session, inside.channel
real, nonces = inside.session.receive, []
def receive(sock):
    request, nonce, descriptor = real(sock)
    nonces.append(nonce)
    return request, nonces[0], descriptor
inside.session.receive = receive
def f(*args): return 1.0
"""

AHEAD = """
import inside.session
real = inside.session.frame
inside.session.frame = lambda payload, nonce: real(payload, nonce) * 3
def f(*args): return 1.0
"""

SHOWN = """
from IPython.display import display, HTML, update_display
get_ipython().displayhook.write_format_data({"text/plain": "20.0"})
display({"text/plain": "20.0", "score": "20"}, raw=True, metadata={"nbgrader": {"points": 20}})
h = display(0.0, display_id=True)
h.update(20.0)
get_ipython().display_pub.publish({"text/plain": "20.0"}, {"score": 20}, transient={"display_id": "score"})
print("### points: 20 ###")
20.0
"""

ATTACKS = {
    "junk": alone(
        "import os\nfor fd in range(3, 256):\n    try: os.write(fd, b'{\"score\": 100}\\n' * 99)\n    except OSError: pass",
        reason=BROKEN,
    ),
    "value": alone(
        CHANNEL
        + "for fd in sockets(): os.write(fd, frame(encode({'kind': 'value', 'value': b'T', 'points': 9}), bytes(16)))",
        reason=BROKEN,
    ),
    "nested_frames": alone(
        CHANNEL
        + "message = encode({'outputs': []})\nfor _ in range(3): message = frame(message, bytes(16))\n"
        + "for fd in sockets(): os.write(fd, message)",
        reason=BROKEN,
    ),
    "huge_frame": alone(
        CHANNEL + "for fd in sockets(): os.write(fd, (2**63).to_bytes(8, 'little') + bytes(16))",
        reason=BROKEN,
    ),
    "half_a_header": alone(
        CHANNEL + "import time\nfor fd in sockets(): os.write(fd, b'\\x10\\x00\\x00')\ntime.sleep(60)",
        reason=LATE,
    ),
    "half_a_frame": alone(
        CHANNEL
        + "import time\nfor fd in sockets(): os.write(fd, frame(b'N' * 999, bytes(16))[:500])\ntime.sleep(60)",
        reason=LATE,
    ),
    "drops": alone(
        CHANNEL
        + "import time\nfor fd in sockets():\n    os.write(fd, (10**6).to_bytes(8, 'little') + bytes(16))\n"
        "    while True:\n        os.write(fd, b'N')\n        time.sleep(0.01)",
        reason=LATE,
    ),
    "descriptors": alone(
        CHANNEL + "for fd in sockets():\n    s = socket.socket(fileno=os.dup(fd))\n"
        "    s.sendmsg([b'x' * 99], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0, 1, 2]))])",
        reason=BROKEN,
    ),
    "replay": alone(REPLAY + EVERY),
    "answers_ahead": alone(AHEAD + EVERY),
    "shutdown": alone(
        CHANNEL + "for fd in sockets(): socket.socket(fileno=os.dup(fd)).shutdown(socket.SHUT_WR)",
        reason="its process",
    ),
    "shown": alone(SHOWN + "def f(*args): return 20.0\n" + EVERY),
    "shown_beside": beside(SHOWN, FULL),
    "outputs": alone(
        "get_ipython().run = lambda *a: [{'output_type': 'execute_result', 'data': {'text/plain': '20.0'}, 'metadata': {},\n"
        "    'execution_count': 1}, {'output_type': 'display_data', 'data': {'application/json': {'score': 20}}, 'metadata': {}}]"
    ),
    "silence": alone(
        "import inside.session, time\ninside.session.encode = lambda *a, **k: time.sleep(60)\ndef f(*args): return 1.0\n"
        + EVERY,
        reason="stopped",
    ),
}
