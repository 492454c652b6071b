"""Run by root as a program: makes a few paths reachable for an ordinary user, and becomes that user.

Root's own folders (an interpreter below /root, say) cannot be entered by another user. In a mount namespace
of its own, this binds them under /tmp, gives up root for good, and executes the rest of the command line.

    stage.py '{"/private/python": "/tmp/0"}' 65534 COMMAND...
"""

import ctypes
import json
import os
import stat
import sys

CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 1 << 14, 1 << 18


def _call(function: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        sys.exit(f"{function}: {os.strerror(number)}")


def main() -> None:
    """Stage the paths of the first argument, become the user of the second, execute the rest."""
    user = int(sys.argv[2])
    _call("unshare", CLONE_NEWNS)
    # Opened in the new namespace, since mounts of another can't be bound, but before /tmp is covered.
    places = {os.open(source, os.O_PATH): target for source, target in json.loads(sys.argv[1]).items()}
    _call("mount", b"", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)
    _call("mount", b"tmpfs", b"/tmp", b"tmpfs", ctypes.c_ulong(0), b"size=1m,mode=0755")
    os.umask(0o022)
    for descriptor, target in places.items():
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
        source = f"/proc/self/fd/{descriptor}".encode()
        _call("mount", source, target.encode(), None, ctypes.c_ulong(MS_BIND), None)
        os.close(descriptor)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    os.execv(sys.argv[3], sys.argv[3:])


if __name__ == "__main__":
    main()
