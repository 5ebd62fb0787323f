"""/livez names a reactor that stands still, and the pod is live again when it turns. A gateway that was
stopped as a whole, and wakes up, is not taken for one whose reactor is stuck."""

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

from homestack.pods import http_get

import harness
from harness import check, check_equal, eventually

STUCK_MS = 3000
EVENTS_MAX = 256  # that a reactor asks for at once, which tells its thread from gRPC's
EPOLL_WAITS = {"x86_64": {232, 281}, "aarch64": {22}}
SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17


def run(arguments):
    if os.uname().machine not in EPOLL_WAITS:
        raise harness.Skipped("system calls have other numbers here")
    settings = {"loop-stuck-ms-max": STUCK_MS, "reactors": 1}
    with harness.stack(arguments.bin, gateways=1, gateway_settings=settings) as stack:
        gateway, pid = stack.gateways[0], stack.pid("gateway-0")
        check_equal(livez(gateway), (200, "ok\n"), "/livez of a gateway that is well")
        asleep(gateway, pid)
        with held(reactor_of(pid)):
            status, text = eventually(lambda: livez(gateway)[0] != 200 and livez(gateway),
                                      "/livez fails", 4 * STUCK_MS / 1000)
            check_equal(status, 503, "the status of /livez")
            check(text.startswith("reactor 0: has not turned for "), f"what is stuck: {text}")
            check_equal(http_get(f"http://{gateway.metrics}/readyz")[0], 503, "/readyz meanwhile")
        eventually(lambda: livez(gateway)[0] == 200, "/livez when the reactor turns again")


def asleep(gateway, pid):
    os.kill(pid, signal.SIGSTOP)
    time.sleep(2 * STUCK_MS / 1000)  # the time it stands still is what is tried
    os.kill(pid, signal.SIGCONT)
    check_equal(livez(gateway), (200, "ok\n"), "/livez right after the gateway woke up")


def livez(gateway):
    return http_get(f"http://{gateway.metrics}/livez")


def reactor_of(pid):
    """The thread that waits for events as a reactor does."""
    def find():
        for task in Path(f"/proc/{pid}/task").iterdir():
            words = (task / "syscall").read_text().split()
            if (len(words) > 3 and words[0].isdigit() and int(words[0]) in EPOLL_WAITS[os.uname().machine]
                    and int(words[3], 16) == EVENTS_MAX):
                return int(task.name)
        return None
    return eventually(find, "the reactor's thread")


@contextlib.contextmanager
def held(thread):
    """Stops one thread, as a debugger does."""
    libc = ctypes.CDLL(None, use_errno=True)
    ptrace = libc.ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if ptrace(SEIZE, thread, None, None) != 0:
        raise harness.Skipped(f"threads may not be traced: {os.strerror(ctypes.get_errno())}")
    ptrace(INTERRUPT, thread, None, None)
    os.waitpid(thread, 0x40000000)  # __WALL
    try:
        yield
    finally:
        ptrace(DETACH, thread, None, None)
