"""The state folder of a stack: where everything lies, which ports are its own, its env file."""

import fcntl
import hashlib
import json
import os
import pwd
import random
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

# A unix socket's path may have 107 characters; ours end in at most 20 more than the folder.
SOCKET_FOLDER_MAX = 87
# Below Linux's range for outgoing connections, so that a port stays free between two runs.
PORTS = range(20000, 32000)


class StackError(Exception):
    """Something the user can act on; the message says what failed and what to do."""


class State:
    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        self._ports = {}
        self._lock = None

    # ---- folders ----

    def path(self, *parts):
        return self.folder.joinpath(*parts)

    def create(self):
        for name in ("log", "pki", "tokens"):
            self.path(name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700 if os.getuid() else 0o711)
        for name in ("pki", "tokens"):
            self.path(name).chmod(0o700)
        ports = self.path("ports.json")
        if ports.exists():
            self._ports = json.loads(ports.read_text())

    def data_folder(self, name, user=None):
        """The folder of a data store: <state>/<name>, or one under /var/tmp with a link from there,
        where sockets would get too long a path or `user` cannot reach the state folder."""
        link = self.path(name)
        if len(str(link)) <= SOCKET_FOLDER_MAX and (user is None or self._reachable_by(user)):
            link.mkdir(exist_ok=True)
            return link
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        folder = Path(f"/var/tmp/homeport-{digest}-{name}")
        if link.is_symlink():
            self._claim(folder, user)
            return folder
        if link.exists():
            raise StackError(f"{link} is in the way: it should be a link to {folder}; remove it")
        self._claim(folder, user)
        shutil.rmtree(folder)  # the data of a state folder that was removed
        self._claim(folder, user)
        link.symlink_to(folder)
        return folder

    def _claim(self, folder, user):
        # /var/tmp is everybody's: a folder of that name must be ours, not somebody's trap.
        owners = {os.getuid()} | ({pwd.getpwnam(user).pw_uid} if user else set())
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.lstat().st_uid not in owners:
            raise StackError(f"{folder} belongs to somebody else; use another --state")

    def _reachable_by(self, user):
        return subprocess.run(["setpriv", f"--reuid={user}", "--clear-groups", "test", "-x",
                               str(self.folder)], stderr=subprocess.DEVNULL).returncode == 0

    # ---- ports ----

    def port(self, name):
        """A free loopback port, the same one each time `name` is asked for in this state folder."""
        if name not in self._ports:
            taken = set(self._ports.values())
            for candidate in random.sample(PORTS, 200):
                if candidate not in taken and _can_bind(candidate):
                    self._ports[name] = candidate
                    break
            else:
                raise StackError("no free port between 20000 and 32000")
            write_atomically(self.path("ports.json"), json.dumps(self._ports, indent=1))
        return self._ports[name]

    def address(self, name):
        return f"127.0.0.1:{self.port(name)}"

    # ---- one stack at a time ----

    def lock(self):
        """Takes the folder for this process. Raises StackError when another stack holds it."""
        lock = open(self.path("lock"), "a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise StackError(f"a stack already runs in {self.folder}: ./dev down stops it, "
                             "or choose another --state") from None
        self._lock = lock
        self._lock.seek(0)
        self._lock.truncate()
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    @property
    def locked(self):
        return self._lock is not None

    def holder(self):
        """The process id of the running stack, or None."""
        try:
            with open(self.path("lock")) as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    return None
                except OSError:
                    return int(file.read() or 0) or None
        except FileNotFoundError:
            return None

    # ---- env ----

    def write_env(self, variables):
        lines = [f"{key}={_quote(str(value))}\n" for key, value in variables.items()]
        write_atomically(self.path("env"), "".join(lines))

    def read_env(self):
        return dict(word.split("=", 1) for word in
                    shlex.split(self.path("env").read_text(), comments=True))

    def remove_env(self):
        self.path("env").unlink(missing_ok=True)


def write_atomically(path, text, mode=0o600):
    temporary = path.with_name(path.name + ".new")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
    temporary.chmod(mode)
    temporary.replace(path)


def _quote(value):
    safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+,-"
    if value and all(c in safe for c in value):
        return value
    return "'" + value.replace("'", "'\\''") + "'"


def _can_bind(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False
