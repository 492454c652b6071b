"""Does the sandbox start in each way it can, say so when it can't, and survive what happens to its server?"""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from autograder.sandbox import Limits, Sandbox, SandboxUnavailable, Session, SessionLost, bubblewrap
from autograder.sandbox.inside.namespaces import HOME

SECONDS = 30


def answer(root: Session) -> object:
    session = root.fork()
    session.run("def answer():\n    return 42", "<answer>", SECONDS)
    return session.fork().call("answer", (), SECONDS).value


def works(sandbox: Sandbox) -> bool:
    with sandbox.submission() as root:
        return answer(root) == 42


def ends(pid: int) -> bool:
    """Whether a process ends soon."""
    deadline = time.monotonic() + 5
    while os.path.exists(f"/proc/{pid}"):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def inner_server(sandbox: Sandbox) -> int:
    """The fork server's process: the one child of bubblewrap."""
    (child,) = Path(f"/proc/{sandbox._server.pid}/task/{sandbox._server.pid}/children").read_text().split()
    return int(child)


class TestChoice:
    """Which isolation is taken."""

    def test_description(self, sandbox: Sandbox) -> None:
        """Is it said how submissions are isolated, and by which program?"""
        found = sandbox.probe()
        assert (found.isolation, found.problems) == ("nested", ())
        assert found.description == sandbox.kind
        assert found.description.startswith("each submission runs in namespaces of its own")
        assert found.program in bubblewrap.candidates()

    def test_no_nested_namespaces(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the kernel refuses nested namespaces, does each submission get a bubblewrap of its own?"""
        usual = bubblewrap._arguments
        monkeypatch.setattr(bubblewrap, "_arguments", lambda *args: ["--disable-userns", *usual(*args)])
        with Sandbox() as sandbox:
            found = sandbox.probe()
            assert (found.isolation, found.description) == ("bubblewrap", sandbox.kind)
            assert found.description.startswith("each submission runs in a bubblewrap of its own")
            assert "clone: " in found.problems[0]  # why
            with sandbox.submission() as root:
                assert answer(root) == 42
                assert root.run("open('/tmp/left', 'w').close()", "<leave>", SECONDS).error == ""
                server = inner_server(sandbox)
            assert ends(server)
            with sandbox.submission() as root:
                look = f"import os\nassert os.listdir('/tmp') == os.listdir('{HOME}') == []"
                assert root.run(look, "<look>", SECONDS).error == ""

    def test_no_program(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Is it said what to install where there is no bubblewrap?"""
        monkeypatch.setattr(bubblewrap, "candidates", list)
        with pytest.raises(SandboxUnavailable, match="apt-get install bubblewrap") as unavailable:
            Sandbox()
        assert "no bubblewrap program was found" in str(unavailable.value)

    @pytest.mark.parametrize("program", ["/bin/false", "/bin/sleep"])
    def test_program_that_does_not_work(self, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
        """Is a program that fails reported, and the next one taken?"""
        real = bubblewrap.candidates()
        monkeypatch.setattr(bubblewrap, "candidates", lambda: [program, *real])
        with Sandbox() as sandbox:
            assert works(sandbox)
            assert sandbox.probe().problems[0].startswith(f"{program} (nested): ")
        monkeypatch.setattr(bubblewrap, "candidates", lambda: [program])
        with pytest.raises(SandboxUnavailable, match=program):
            Sandbox()

    def test_package_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Is a package that the server needs named when it is not installed?"""
        monkeypatch.setattr(bubblewrap, "PACKAGES", ("numpy", "no_such_package"))
        with pytest.raises(SandboxUnavailable, match="no_such_package"):
            Sandbox()

    def test_bad_isolation(self) -> None:
        """Is a misspelt isolation refused, not taken for none?"""
        with pytest.raises(ValueError, match="expected isolation"):
            Sandbox(isolation="nnone")


class TestNoSandbox:
    """`--no-sandbox`."""

    @pytest.fixture
    def plain(self) -> Sandbox:
        with pytest.warns(RuntimeWarning, match="NO SANDBOX"):
            return Sandbox(Limits(processes=2000), isolation="none")

    def test_works_and_leaves_nothing(self, plain: Sandbox) -> None:
        """Do submissions run, one after another, with all processes and files gone at the end?"""
        assert plain.probe().description.startswith("NO SANDBOX")
        with plain:
            home = Path(plain._home)
            for _ in range(2):
                with plain.submission() as root:
                    assert answer(root) == 42
                    leave = (
                        "import os, time\nopen('left', 'w').close()\n"
                        "os.makedirs('closed/inner')\nos.symlink('/', 'closed/link')\nos.chmod('closed', 0)\n"
                        "if os.fork() == 0:\n    os.setsid()\n    time.sleep(60)"
                    )
                    assert root.run(leave, "<leave>", SECONDS).error == ""
                    assert (home / "left").exists()
                assert list(home.iterdir()) == []
            server = plain._server.pid
        assert ends(server)
        assert not home.exists()

    def test_kernel_limits_hold(self, plain: Sandbox) -> None:
        """Do memory and time limits hold without a sandbox too?"""
        with plain, plain.submission() as root:
            assert (
                root.fork().run("x = bytearray(10**11)", "<memory>", SECONDS).error
                == "stopped with MemoryError"
            )
            with pytest.raises(SessionLost, match="stopped after"):
                root.fork().run("while True: pass", "<loop>", 0.3)
            assert answer(root) == 42


class TestServer:
    """What may happen to the fork server."""

    def test_killed_between_submissions(self, sandbox: Sandbox) -> None:
        """Does the next submission start another server?"""
        os.kill(inner_server(sandbox), signal.SIGKILL)
        assert works(sandbox)

    def test_killed_during_a_submission(self, sandbox: Sandbox) -> None:
        """Is the submission lost with a reason, and the next one fine?"""
        with sandbox.submission() as root:
            session = root.fork()
            server = inner_server(sandbox)
            os.kill(server, signal.SIGKILL)
            assert ends(server)
            with pytest.raises(SessionLost, match="its process"):
                session.run("1", "<cell>", SECONDS)
            assert session.call("f", (), SECONDS).kind == "died"
        assert works(sandbox)

    def test_stopped(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        """Does a server that hangs cost a bounded time?"""
        monkeypatch.setattr("autograder.sandbox.sandbox.CONTROL_SECONDS", 0.2)
        monkeypatch.setattr("autograder.sandbox.sandbox.STOP_SECONDS", 0.2)
        server = inner_server(sandbox)
        os.kill(server, signal.SIGSTOP)
        assert works(sandbox)
        assert ends(server)

    def test_thread_that_started_it_ends(self) -> None:
        """May a sandbox be used from another thread than the one that made it?"""
        made = []
        thread = threading.Thread(target=lambda: made.append(Sandbox()))
        thread.start()
        thread.join()
        time.sleep(0.1)
        with made[0] as sandbox:
            assert works(sandbox)

    def test_grader_is_killed(self) -> None:
        """Does everything end when the grader is killed outright?"""
        program = (
            "import time\nfrom autograder.sandbox import Sandbox\nsandbox = Sandbox()\n"
            "with sandbox.submission() as root:\n"
            "    root.run('import os, time\\nfor i in range(5):\\n    if os.fork() == 0:\\n        time.sleep(99)', '<a>', 9)\n"
            "    print(sandbox._server.pid, flush=True)\n    time.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as grader:
            outer = int(grader.stdout.readline())
            (server,) = map(int, Path(f"/proc/{outer}/task/{outer}/children").read_text().split())
            below = Path(f"/proc/{server}/task/{server}/children").read_text().split()
            grader.kill()
        assert len(below) == 1
        assert all(ends(pid) for pid in (outer, server, *map(int, below)))

    def test_one_submission_at_a_time(self, sandbox: Sandbox) -> None:
        """Is a second submission refused while one runs?"""
        with (
            sandbox.submission(),
            pytest.raises(RuntimeError, match="one submission at a time"),
            sandbox.submission(),
        ):
            pass

    def test_error_in_the_grader(self, sandbox: Sandbox) -> None:
        """Does an error of the grader's own end the submission properly?"""
        with pytest.raises(KeyError), sandbox.submission() as root:
            raise KeyError(root.fork().pid)
        assert works(sandbox)

    def test_close_twice(self) -> None:
        """Can a sandbox be closed twice?"""
        sandbox = Sandbox()
        sandbox.close()
        sandbox.close()


class TestMounts:
    """What bubblewrap is told to show."""

    def test_the_courses_own_package_is_hidden(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Is everything of the course hidden that may lie among the installed packages?"""
        hidden_folders = ["lectures_lib", "autograder", "course-1.dist-info", "edited-2.dist-info"]
        hidden_files = [
            "__editable__.course.pth",
            "__editable___course_finder.py",
            "old.egg-link",
            "distutils.pth",
        ]
        shown = ["numpy", "numpy-2.dist-info", "six.py"]
        for name in [*hidden_folders, "numpy", "numpy-2.dist-info", "__pycache__"]:
            (tmp_path / name).mkdir()
        for name in [
            *hidden_files,
            "six.py",
            "__pycache__/__editable___course_finder.pyc",
            "__pycache__/six.pyc",
        ]:
            (tmp_path / name).write_text("x")
        (tmp_path / "course-1.dist-info/top_level.txt").write_text("autograder\nlectures_lib\n")
        (tmp_path / "edited-2.dist-info/direct_url.json").write_text("{}")
        (tmp_path / "numpy-2.dist-info/top_level.txt").write_text("numpy\n")
        monkeypatch.setattr(bubblewrap, "package_folders", lambda: [tmp_path])
        plan = bubblewrap.mounts()
        emptied = {Path(path).name for path in plan.empty_folders + plan.empty_files}
        assert emptied >= {*hidden_folders, *hidden_files, "__editable___course_finder.pyc"}
        assert emptied.isdisjoint({*shown, "six.pyc"})

    def test_nothing_of_the_course_is_shown(self) -> None:
        """Does only the inside part of the course's own files appear, and the check that students have anyway?"""
        repository = Path(bubblewrap.__file__).resolve().parents[2]
        packages = bubblewrap.package_folders()
        for outside, inside in bubblewrap.mounts().shown:
            path = Path(outside).resolve()
            if path.is_relative_to(repository) and path not in packages:
                assert path.parent.name == "inside" or path == repository / "autograder" / "check.py"
                assert inside.startswith("/opt/grading/inside/")
            assert not repository.is_relative_to(path)
