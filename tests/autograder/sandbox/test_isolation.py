"""What can a submission see, reach and leave behind?"""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograder.sandbox import Limits, Sandbox, Session
from autograder.sandbox.bubblewrap import INSIDE_UID, UNPRIVILEGED
from autograder.sandbox.inside.namespaces import HOME

SECONDS = 60
REPOSITORY = Path(__file__).resolve().parents[3]
SECRET = "a-secret-of-the-trusted-side"


@pytest.fixture(scope="module", params=["auto", "bubblewrap"])
def submission(request: pytest.FixtureRequest) -> Iterator[tuple[Sandbox, Session]]:
    """A submission in both ways to isolate: namespaces of its own, and a bubblewrap of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOGRADER_TEST_SECRET", SECRET)
        with Sandbox(Limits(), isolation=request.param) as sandbox, sandbox.submission() as root:
            yield sandbox, root


@pytest.fixture
def student(submission: tuple[Sandbox, Session]) -> Session:
    return submission[1].fork()


def ask(session: Session, source: str) -> object:
    """What the function `answer` that a cell defines returns."""
    assert session.run(source, "<ask>", SECONDS).error == ""
    outcome = session.call("answer", (), SECONDS)
    assert outcome.kind == "value", outcome
    return outcome.value


WALK = """
import os, stat
def answer():
    words = [word.encode() for word in WORDS]
    found = []
    for folder, folders, files in os.walk("/", followlinks=False):
        if folder == "/proc":
            folders.clear()
            continue
        library = folder.startswith(("/opt/site-packages/", "/opt/python/", "/usr/"))
        for name in folders + files:
            path = os.path.join(folder, name)
            if any(word in name.encode(errors="replace") for word in words):
                try:
                    hidden = os.path.isdir(path) and not os.listdir(path) or not os.path.isdir(path) and not open(path).read()
                except OSError:
                    hidden = True
                if not hidden:
                    found.append(path)
        for name in files:
            path = os.path.join(folder, name)
            if library and not folder.endswith((".dist-info", "__pycache__")):
                continue
            try:
                status = os.lstat(path)
                if not stat.S_ISREG(status.st_mode) or status.st_size > 5_000_000:
                    continue
                with open(path, "rb") as file:
                    text = file.read()
            except OSError:
                continue
            if any(word in text for word in words) and not library:
                found.append(path)
            elif library and any(word in text for word in SECRETS):
                found.append(path)
    return found
"""


class TestReading:
    """Reading what is not for students."""

    def test_files(self, student: Session) -> None:
        """Does no file's name or text lead to the course, its references or a secret?"""
        words = ["lectures_lib", "gradebook", "hidden_seed", "variational", SECRET, str(REPOSITORY)]
        secrets = [b"lectures_lib", SECRET.encode()]
        assert ask(student, f"WORDS = {words}\nSECRETS = {secrets}\n" + WALK) == []

    def test_the_walk_can_find_something(self, student: Session) -> None:
        """Would the walk above notice a file?"""
        student.run(
            "open('/tmp/a', 'w').write('see lectures_lib')\nopen('/tmp/gradebook.db', 'w').write('x')",
            "<put>",
            9,
        )
        source = "WORDS = ['lectures_lib', 'gradebook']\nSECRETS = []\n" + WALK
        assert sorted(ask(student, source)) == ["/tmp/a", "/tmp/gradebook.db"]

    @pytest.mark.parametrize(
        "path",
        [
            str(REPOSITORY),
            str(Path.home()),
            "/root",
            "/srv",
            "/etc/passwd",
            "/etc/shadow",
            "/etc/hostname",
            "/var",
            "/run",
            "/sys",
            "/boot",
            "/mnt",
            "/bin/sh",
        ],
    )
    def test_host_files(self, student: Session, path: str) -> None:
        """Are the machine's files not there?"""
        assert ask(student, f"import os\ndef answer():\n    return os.path.lexists({path!r})") is False

    @pytest.mark.parametrize(
        "name", ["lectures_lib", "autograder", "autograder.exercises.gibbs_principle", "solutions"]
    )
    def test_imports(self, student: Session, name: str) -> None:
        """Can neither the references nor the grader be imported?"""
        assert student.run(f"import {name}", "<import>", SECONDS).error == "stopped with ModuleNotFoundError"

    def test_environment(self, student: Session) -> None:
        """Does the environment hold only what the sandbox puts there?"""
        names = ask(student, "import os\ndef answer():\n    return dict(os.environ)")
        assert set(names) <= {
            "HOME", "IPYTHONDIR", "LANG", "MPLBACKEND", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "PYTHONHASHSEED", "PWD",
            "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
            "LD_LIBRARY_PATH", "LC_CTYPE",
        }  # fmt: skip
        assert SECRET not in str(names)

    def test_command_line(self, student: Session) -> None:
        """Does the command line name nothing of the course?"""
        arguments = str(ask(student, "import sys\ndef answer():\n    return sys.orig_argv + sys.path"))
        assert str(REPOSITORY) not in arguments
        assert "lectures_lib" not in arguments

    def test_file_descriptors(self, student: Session) -> None:
        """Is the session's own socket the only thing that is open?"""
        source = (
            "import os, stat\ndef answer():\n    found = []\n    for fd in range(0, 1000):\n"
            "        try: mode = os.fstat(fd).st_mode\n        except OSError: continue\n"
            "        found.append((fd, 'socket' if stat.S_ISSOCK(mode) else os.major(os.fstat(fd).st_rdev)))\n    return found"
        )
        descriptors = ask(student, source)
        assert descriptors[:3] == [(0, 1), (1, 1), (2, 1)]  # major 1: /dev/null
        assert [kind for _, kind in descriptors[3:]] == ["socket"]

    def test_memory(self) -> None:
        """Does the memory of a session, which is a copy of the fork server's, hold nothing of the course?

        Seen through /proc, which is there only in a bubblewrap of its own; the server is the same in both. The
        path of the installed packages is no secret: it stands in every compiled file.
        """
        words = ["lectures_lib", "gradebook", "hidden_seed", SECRET]
        source = (
            f"words = {[word[::-1] for word in words]}\n"  # backwards, so that they are not here themselves
            "def answer(extra):\n    found = []\n    kept = extra * 1000\n"
            "    with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb', 0) as memory:\n"
            "        for line in maps.read().splitlines():\n"
            "            start, end = (int(n, 16) for n in line.split()[0].split('-'))\n"
            "            if ' rw' not in line or '[v' in line: continue\n"
            "            memory.seek(start)\n            data = memory.read(end - start)\n"
            "            found += [w[::-1] for w in words + ['dnif em'] if data.find(w[::-1].encode()) >= 0]\n"
            "            del data\n    return sorted(set(found))"
        )
        with Sandbox(Limits(), isolation="bubblewrap") as sandbox, sandbox.submission() as root:
            root.run(source, "<scan>", SECONDS)
            outcome = root.call("answer", ("me find",), SECONDS)
            assert outcome.value == ["me find"]  # given as an argument, so the scan can find things


class TestProcesses:
    """Other processes."""

    def test_proc(self, sandbox: Sandbox) -> None:
        """Is there no list of processes, mounts or memory maps?"""
        with sandbox.submission() as root:
            assert ask(root, "import os\ndef answer():\n    return os.listdir('/proc')") == ["cpuinfo"]

    def test_memory_of_others(self, submission: tuple[Sandbox, Session], student: Session) -> None:
        """Can no memory of the processes above, the server's and the keeper's, be read, written or traced?"""
        source = (
            "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
            "def answer(end):\n    done = []\n    for pid in range(1, end):\n"
            "        for name in ('mem', 'environ', 'maps', 'fd/3', 'root', 'cwd'):\n"
            "            path = f'/proc/{pid}/{name}'\n            try:\n"
            "                os.listdir(path) if name in ('root', 'cwd') else open(path, 'rb').read(1)\n"
            "                done.append((pid, name))\n            except OSError: pass\n"
            "        if libc.ptrace(16, pid, 0, 0) == 0: done.append((pid, 'ptrace'))\n"
            "    return done"
        )
        student.run(source, "<look>", SECONDS)
        assert student.call("answer", (submission[1].pid,), SECONDS).value == []

    def test_what_the_kernel_says(self, submission: tuple[Sandbox, Session], student: Session) -> None:
        """Do all of its processes have no capabilities, no root, no way to new privileges, and the filter?"""
        student.run("import os, time\nif os.fork() == 0: time.sleep(60)", "<fork>", SECONDS)
        below = _family(submission[0]._server.pid)
        filtered = [fields for fields in below if fields["Seccomp"] == "2"]
        assert len(filtered) >= 3
        for fields in filtered:
            assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
            assert fields["NoNewPrivs"] == "1"
        for fields in below:
            assert "0" not in fields["Uid"].split()
            if os.geteuid() == 0:
                assert fields["Uid"].split() == [str(UNPRIVILEGED)] * 4
                assert fields["Groups"].split() in ([], [str(UNPRIVILEGED)])

    def test_identity(self, student: Session) -> None:
        """Is the student nobody in particular, and cannot become root?"""
        source = (
            "import os\ndef answer():\n    refused = 0\n    for change in (os.setuid, os.setgid, os.seteuid, os.setegid):\n"
            "        try: change(0)\n        except OSError: refused += 1\n    return os.getuid(), os.geteuid(), os.getgid(), refused"
        )
        assert ask(student, source) == (INSIDE_UID, INSIDE_UID, INSIDE_UID, 4)


def _family(pid: int) -> list[dict[str, str]]:
    """The fields of /proc/<pid>/status for all processes that come from one."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                text = Path(f"/proc/{name}/status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            found[int(name)] = {k: v.strip() for k, v in (line.split(":", 1) for line in text.splitlines())}
    family = {pid}
    while True:
        more = {p for p, fields in found.items() if int(fields["PPid"]) in family} - family
        if not more:
            return [found[p] for p in family - {pid}]
        family |= more


TIMES = """
import os, time
places = ["/dev", os.sys.executable, *("/dev/" + name for name in ("null", "zero", "full", "random", "urandom", "tty"))]
changes = (os.utime, lambda p: os.utime(p, (1, 1)), lambda p: open(p, "r+b", 0).write(b"x"), lambda p: open(p, "rb", 0).read(1))
def times():
    return [(s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns) for s in map(os.stat, places)]
def answer():
    before = times()
    time.sleep(0.01)
    for place in places:
        for change in changes:
            try: change(place)
            except OSError: pass
    return times() == before, len(before)
"""


class TestWriting:
    """Changing what is not the student's."""

    def test_places(self, student: Session) -> None:
        """Can a file be made in the three temporary places alone?"""
        source = (
            "import os\ndef answer():\n    found = []\n    for folder, folders, files in os.walk('/'):\n"
            "        if folder == '/proc': folders.clear()\n"
            "        try: open(os.path.join(folder, 'probe'), 'w').close()\n        except OSError: continue\n"
            "        os.unlink(os.path.join(folder, 'probe'))\n        found.append(folder)\n    return sorted(found)"
        )
        assert ask(student, source) == ["/dev/shm", HOME, "/tmp"]

    def test_files(self, student: Session) -> None:
        """Can no file that is there be changed, removed or replaced?"""
        source = (
            "import inside.session, numpy, os\ndef answer():\n    refused = 0\n"
            "    for path in (inside.session.__file__, numpy.__file__, os.__file__, os.sys.executable):\n"
            "        for change in (lambda: open(path, 'a'), lambda: os.unlink(path), lambda: os.rename(path, '/tmp/x'),\n"
            "                       lambda: os.chmod(path, 0o777), lambda: os.truncate(path, 0)):\n"
            "            try: change()\n            except OSError: refused += 1\n    return refused"
        )
        assert ask(student, source) == 20

    def test_times(self, student: Session) -> None:
        """Can nothing be written into the times of a file or device that others see, whoever owns it?"""
        same, count = ask(student, TIMES)
        assert same
        assert count == 8

    def test_devices(self, student: Session) -> None:
        """Are there only harmless devices, and can none be made?"""
        source = (
            "import os, stat\ndef answer():\n    try: os.mknod('/tmp/d', stat.S_IFBLK | 0o600, os.makedev(8, 0)); made = True\n"
            "    except OSError: made = False\n    return sorted(os.listdir('/dev')), made"
        )
        names, made = ask(student, source)
        assert set(names) <= {
            "null", "zero", "full", "random", "urandom", "tty", "shm", "pts", "ptmx", "fd", "core", "stdin", "stdout",
            "stderr", "console",
        }  # fmt: skip
        assert not made


class TestNetwork:
    """Reaching the network."""

    @pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET"])
    def test_sockets(self, student: Session, family: str) -> None:
        """Can no socket be made that leads outside?"""
        cell = f"import socket\nsocket.socket(socket.{family}, socket.SOCK_RAW if 'PACKET' in '{family}' else socket.SOCK_DGRAM)"
        assert student.run(cell, "<net>", SECONDS).error == "stopped with PermissionError"

    def test_names(self, student: Session) -> None:
        """Does a download fail at once?"""
        cell = "import urllib.request\nurllib.request.urlopen('http://192.0.2.1/', timeout=5)"
        assert student.run(cell, "<net>", SECONDS).error == "stopped with URLError"

    def test_sockets_of_the_machine(self, student: Session) -> None:
        """Are the machine's abstract Unix sockets out of reach?"""
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("\0autograder-test-socket")
            listening.listen()
            cell = "import socket\nsocket.socket(socket.AF_UNIX).connect('\\0autograder-test-socket')"
            assert student.run(cell, "<net>", SECONDS).error == "stopped with ConnectionRefusedError"


class TestStayingBehind:
    """What one submission could leave for the next."""

    LEAVE = """
import os, sys, builtins, numpy, threading, time, random, matplotlib.pyplot as plt
home = os.path.expanduser("~")
os.makedirs(home + "/.ipython/profile_default/startup")
for path in (home + "/.ipython/profile_default/startup/00.py", "/tmp/left", "/dev/shm/left", home + "/sitecustomize.py"):
    open(path, "w").write("raise SystemExit")
numpy.testing.assert_allclose = numpy.allclose = lambda *a, **k: True
numpy.random.seed(5); random.seed(5)
builtins.print = lambda *a: None
sys.modules["check"] = None
os.environ["LEFT"] = "1"
plt.rcParams["figure.dpi"] = 7
sys.path.insert(0, "/tmp")
get_ipython().ast_transformers.append(None)
get_ipython().input_transformers_post.append(lambda lines: [])
os.umask(0o777)
left = 1
if os.fork() == 0:
    os.setsid()
    while True:
        try: open("/tmp/left", "w").write("x")
        except OSError: pass
        time.sleep(0.01)
threading.Thread(target=time.sleep, args=(99,), daemon=True).start()
"""
    LOOK = """
import builtins, check, os, sys, random, numpy, matplotlib.pyplot as plt
def answer():
    mask = os.umask(0)
    os.umask(mask)
    return (
        [os.listdir(place) for place in ("/tmp", "/dev/shm", os.path.expanduser("~"))],
        numpy.allclose(1, 2), builtins.print.__name__, "LEFT" in os.environ, plt.rcParams["figure.dpi"] == 7,
        "/tmp" in sys.path, len(get_ipython().ast_transformers), "left" in globals(), oct(mask),
        random.random(), numpy.random.rand(), get_ipython().execution_count, len(In),
    )
"""

    def test_nothing_stays(self, sandbox: Sandbox) -> None:
        """Does the next submission find everything as the first one did?"""
        with sandbox.submission() as root:
            before = ask(root.fork(), self.LOOK)
        assert before[0] == [[], [], []]
        with sandbox.submission() as root:
            assert root.fork().run(self.LEAVE, "<leave>", SECONDS) == ([], "")
        with sandbox.submission() as root:
            assert ask(root.fork(), self.LOOK) == before


def test_processes_are_gone(sandbox: Sandbox, running: Callable[[], list[int]]) -> None:
    """Is the fork server alone after a submission, when its end is reported?"""
    for _ in range(3):
        with sandbox.submission() as root:
            root.run(
                "import os, time\nfor i in range(20):\n    if os.fork() == 0: time.sleep(99)",
                "<forks>",
                SECONDS,
            )
            assert len(running()) > 20
        assert len(running()) == 1
