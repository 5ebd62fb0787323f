"""Processes of a stack: start, readiness, restart on death, orderly stop."""

import json
import os
import signal
import subprocess
import threading
import time

from .state import StackError, write_atomically

POLL_SECONDS = 0.05
BACKOFF_SECONDS = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)
STABLE_SECONDS = 10.0
# A part does not outlive the thread that started it, whatever ends that.
MORTAL = ("setpriv", "--pdeathsig", "SIGKILL", "--")


class Part:
    """One process of the stack. A subclass says how it is started and when it is ready."""

    name = ""
    stage = 0  # parts of a higher stage use those of lower ones, and are stopped before them
    start_seconds = 30.0
    stop_seconds = 20.0
    stop_signal = signal.SIGTERM

    def command(self):
        raise NotImplementedError

    def prepare(self):
        """Before each start, restarts included."""

    def ready(self):
        return True


class Running:
    def __init__(self, part, log_path):
        self.part = part
        self.log_path = log_path
        self.process = None
        self.started = 0.0
        self.failures = 0
        self.retry_at = 0.0
        self.restarts = 0
        self.asked = None  # by which signal it is to end

    def start(self):
        self.part.prepare()
        self.asked = None
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*MORTAL, *self.part.command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, env={**os.environ, "no_proxy": "127.0.0.1,localhost"})
        self.started = time.monotonic()

    def dead(self):
        return self.process is not None and self.process.poll() is not None

    def ask_to_end(self, number):
        if self.process is None or self.asked == signal.SIGKILL:
            return
        if self.process.poll() is None:
            self.asked = number
            self.process.send_signal(number)

    def ask_to_stop(self):
        self.ask_to_end(self.part.stop_signal)

    def ended_as_asked(self):
        """Whether it ended because it was asked to, and cleanly unless it was killed."""
        wanted = -signal.SIGKILL if self.asked == signal.SIGKILL else 0
        return self.asked is not None and self.process.returncode == wanted

    def await_stop(self):
        """Waits, then insists. Returns the exit code, None where it was never started."""
        if self.process is None:
            return None
        try:
            return self.process.wait(self.part.stop_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def log_tail(self, lines=15):
        try:
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""


class Supervisor:
    """Starts parts in order, restarts dead ones on a thread of its own, stops stage by stage.

    `changed` is called (from the supervisor's thread) after a restart; `say` gets lines for people.
    """

    def __init__(self, state, restart=True, changed=lambda: None, say=print):
        self._state = state
        self._restart = restart
        self._changed = changed
        self._say = say
        self._running = []
        self._wrong_ends = []
        self._stopping, self._stopped = threading.Event(), threading.Event()
        self._mutex = threading.RLock()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="supervisor")

    def start(self, part):
        """Starts `part` and waits until it is ready."""
        running = Running(part, self._state.path("log", part.name + ".log"))
        running.start()
        with self._mutex:
            self._running.append(running)
            self._save_pids()
        deadline = time.monotonic() + part.start_seconds
        while not part.ready():
            if running.dead():
                raise StackError(f"{part.name} ended with code {running.process.returncode} while "
                                 f"starting; its log is {running.log_path}:\n{running.log_tail()}")
            if time.monotonic() > deadline:
                raise StackError(f"{part.name} was not ready after {part.start_seconds:.0f} s; "
                                 f"its log is {running.log_path}:\n{running.log_tail()}")
            time.sleep(POLL_SECONDS)

    def watch(self):
        self._thread.start()

    def pid(self, name):
        running = self._find(name)
        return running.process.pid if running and running.process else None

    def dead(self):
        """Names of parts that have ended and are not running again."""
        with self._mutex:
            return [r.part.name for r in self._running if r.dead()]

    def restarts(self):
        with self._mutex:
            return {r.part.name: r.restarts for r in self._running if r.restarts}

    def wrong_ends(self):
        """A line for each part that ended unasked, or otherwise than it was asked to."""
        return list(self._wrong_ends)

    def kill(self, name, number):
        """Ends a part by a signal; it is restarted like any that dies."""
        with self._mutex:
            self._find(name).ask_to_end(number)

    def stop(self, name):
        """Stops one part for good; returns its exit code."""
        with self._mutex:
            running = self._find(name)
            if running is None:
                return None
            self._running.remove(running)
        running.ask_to_stop()
        code = running.await_stop()
        self._note_end(running)
        self._save_pids()
        return code

    def stop_all(self):
        with self._mutex:
            self._stopping.set()
        for stage in sorted({r.part.stage for r in self._running}, reverse=True):
            together = [r for r in self._running if r.part.stage == stage]
            for running in together:
                running.ask_to_stop()
            for running in together:
                running.await_stop()
                self._note_end(running)
        self._running.clear()
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self._state.path("pids.json").unlink(missing_ok=True)

    def _find(self, name):
        with self._mutex:
            return next((r for r in self._running if r.part.name == name), None)

    def _note_end(self, running):
        if running.process is not None and not running.ended_as_asked():
            self._wrong_ends.append(
                f"{running.part.name} ended with code {running.process.returncode}")

    def _watch(self):
        try:
            while not self._stopping.wait(POLL_SECONDS):
                with self._mutex:
                    for running in self._running:
                        if running.dead() and not self._stopping.is_set():
                            self._revive(running)
        finally:
            self._stopped.wait()  # what this thread has started lives as long as the thread

    def _revive(self, running):
        now = time.monotonic()
        if not running.retry_at:
            self._note_end(running)
            running.failures = 0 if now - running.started > STABLE_SECONDS else running.failures + 1
            delay = BACKOFF_SECONDS[min(running.failures, len(BACKOFF_SECONDS) - 1)]
            running.retry_at = now + delay
            what = f"restarting in {delay:.1f} s" if self._restart else "stays so (--no-restart)"
            self._say(f"{running.part.name} ended with code {running.process.returncode}: {what}")
        if not self._restart or now < running.retry_at:
            return
        running.retry_at = 0.0
        running.restarts += 1
        try:
            running.start()
        except (OSError, StackError) as error:
            self._say(f"{running.part.name} could not be started again: {error}")
            return
        self._save_pids()
        self._changed()

    def _save_pids(self):
        with self._mutex:
            pids = {r.part.name: [r.process.pid, start_time(r.process.pid)]
                    for r in self._running if r.process.poll() is None}
        write_atomically(self._state.path("pids.json"), json.dumps(pids))


def start_time(pid):
    """When the process began, in clock ticks since boot: with the pid it names one process."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def stop_left_over(state):
    """Ends processes of an earlier stack whose supervisor is gone. Returns their names."""
    try:
        pids = json.loads(state.path("pids.json").read_text())
    except (FileNotFoundError, ValueError):
        return []
    alive = {name: pid for name, (pid, born) in pids.items() if born and start_time(pid) == born}
    for signal_number, seconds in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        for pid in alive.values():
            _signal(pid, signal_number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(_is_alive(pid) for pid in alive.values()):
            time.sleep(POLL_SECONDS)
    state.path("pids.json").unlink(missing_ok=True)
    return sorted(alive)


def family(pid):
    """`pid` and all its descendants: a store is more than its first process."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    parent = int(file.read().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(entry))
            except (FileNotFoundError, ProcessLookupError):
                continue
    found, queue = [], [pid]
    while queue:
        found.append(queue.pop())
        queue.extend(children.get(found[-1], ()))
    return found


def _signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
