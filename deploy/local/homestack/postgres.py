"""The stack's private PostgreSQL: its own cluster, reached over a unix socket in its folder."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

from .process import Part
from .state import StackError, write_atomically

# Debian keeps the server's programs out of PATH.
BIN = Path("/usr/lib/postgresql/15/bin")
USER = "homeport"
DATABASE = "homeport"


class PostgresServer(Part):
    name = "postgres"
    stop_signal = signal.SIGINT  # "fast" shutdown: ends sessions, then a checkpoint

    def __init__(self, state, shared_buffers_mb):
        # PostgreSQL refuses to run as root: then it runs as the user Debian's package made.
        self._user = "postgres" if os.getuid() == 0 else None
        self._folder = state.data_folder("postgres", self._user)
        self._data = self._folder / "data"
        self._password_file = state.path("tokens", "postgres.password")
        self.port = state.port("postgres")
        self._shared_buffers_mb = shared_buffers_mb
        if not (BIN / "postgres").exists():
            raise StackError(f"{BIN}/postgres is missing: install the Debian package postgresql-15")

    def address(self):
        return f"host={self._folder} port={self.port} user={USER} dbname={DATABASE}"

    def command(self):
        return self._as_user(str(BIN / "postgres"), "-D", str(self._data), "-k", str(self._folder),
                             "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
                             "-c", "max_connections=100", "-c", f"shared_buffers={self._shared_buffers_mb}MB",
                             "-c", "max_wal_size=8GB", "-c", "wal_compression=lz4",
                             "-c", "log_min_messages=warning")

    def prepare(self):
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        self._end_orphans()
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def ready(self):
        return subprocess.run([BIN / "pg_isready", "-q", "-h", self._folder, "-p", str(self.port)],
                              ).returncode == 0

    def _as_user(self, *command):
        if not self._user:
            return list(command)
        return ["setpriv", f"--reuid={self._user}", f"--regid={self._user}", "--init-groups",
                "--pdeathsig", "keep", *command]

    def _initialise(self):
        if self._data.exists():
            shutil.rmtree(self._data)  # an initdb that was cut short
        if not self._password_file.exists():
            write_atomically(self._password_file, secrets.token_urlsafe(24))
        password = self._folder / "password"
        write_atomically(password, self._password_file.read_text() + "\n")
        if self._user:
            owner = pwd.getpwnam(self._user)
            for path in (self._folder, password):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        self._folder.chmod(0o700)
        self._run("initdb", "-D", self._data, "-U", USER, "-E", "UTF8", "--locale=C.UTF-8",
                  "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}",
                  "--no-sync")
        password.unlink()
        self._run("postgres", "--single", "-D", self._data, "postgres",
                  text=f"CREATE DATABASE {DATABASE}\n")

    def _run(self, program, *arguments, text=""):
        result = subprocess.run(self._as_user(str(BIN / program), *map(str, arguments)), input=text,
                                capture_output=True, text=True, cwd="/")
        if result.returncode != 0:
            raise StackError(f"{program} failed in {self._folder}:\n{result.stdout}{result.stderr}")

    def _end_orphans(self):
        """A killed postmaster's children hold the shared memory, and with it the next start."""
        orphans = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                   if _working_folder(pid) == str(self._data)]
        for pid in orphans:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + 5
        while any(_working_folder(p) == str(self._data) for p in orphans):
            if time.monotonic() > deadline:
                return
            time.sleep(0.02)


class Database:
    """Reads of the stack's own tools, through psql."""

    def __init__(self, address):
        self._address = address

    def rows(self, sql, seconds=60):
        """The rows of one query that may take so long, each a list of strings."""
        result = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1",
             "-d", self._address, "-c", sql], capture_output=True, text=True,
            timeout=seconds)
        if result.returncode != 0:
            raise StackError(f"psql failed: {result.stderr.strip()}")
        return [line.split("\t") for line in result.stdout.splitlines()]

    def number(self, sql):
        return int(self.rows(sql)[0][0] or 0)


def _working_folder(pid):
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""
