#include "libs/runtime/stop_signal.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <limits>

#include "libs/base/check.h"
#include "libs/base/clock.h"

namespace homeport::runtime {
namespace {

constexpr int64_t kForever = -1;

int OpenSignalFd() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  HP_CHECK(pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0);
  std::signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

// poll's timeout until `end`, rounded to what it can express.
int TimeoutUntil(MonoMs end, int64_t timeout_ms) {
  if (timeout_ms == kForever) return -1;
  const int64_t left = end - SystemClock().Now();
  return static_cast<int>(std::clamp<int64_t>(left, 0, std::numeric_limits<int>::max()));
}

}  // namespace

StopSignal::StopSignal()
    : signal_fd_(OpenSignalFd()), event_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  HP_CHECK(signal_fd_ >= 0 && event_fd_ >= 0);
}

StopSignal::~StopSignal() {
  close(signal_fd_);
  close(event_fd_);
}

void StopSignal::Request(std::string_view reason) {
  {
    absl::MutexLock lock(&mutex_);
    if (!reason_.empty()) return;
    reason_ = reason;
  }
  const uint64_t one = 1;
  HP_CHECK(write(event_fd_, &one, sizeof(one)) == sizeof(one));
}

void StopSignal::ReadSignal() {
  signalfd_siginfo info{};
  if (read(signal_fd_, &info, sizeof(info)) != sizeof(info)) return;
  Request(info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
}

std::string StopSignal::Wait() {
  while (!WaitFor(kForever)) {
  }
  absl::MutexLock lock(&mutex_);
  return reason_;
}

bool StopSignal::WaitFor(int64_t timeout_ms) {
  const MonoMs end = SystemClock().Now() + std::max<int64_t>(timeout_ms, 0);
  while (true) {
    pollfd waits[] = {{signal_fd_, POLLIN, 0}, {event_fd_, POLLIN, 0}};
    const int ready = poll(waits, std::size(waits), TimeoutUntil(end, timeout_ms));
    if (ready > 0 && waits[0].revents != 0) ReadSignal();
    {
      absl::MutexLock lock(&mutex_);
      if (!reason_.empty()) return true;
    }
    if (timeout_ms != kForever && SystemClock().Now() >= end) return false;
  }
}

}  // namespace homeport::runtime
