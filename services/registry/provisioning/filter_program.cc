#include "services/registry/provisioning/filter_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <vector>

#include "absl/time/clock.h"
#include "libs/base/clock.h"
#include "libs/base/strings.h"

extern char** environ;

namespace homeport::registry {
namespace {

constexpr size_t kOutputBytesMax = 64 * 1024;

absl::Status Failed(const std::string& program, std::string_view why) {
  return absl::UnavailableError(fmt::format("{}: {}", program, why));
}

// Our end of the program's standard input and output.
class Conversation {
 public:
  explicit Conversation(int fd) : fd_(fd) {}
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;
  ~Conversation() { ::close(fd_); }

  // Empty when the program has closed its output in time.
  [[nodiscard]] std::string_view Run(std::string_view input, int64_t deadline_us,
                                     std::string* output) {
    for (;;) {
      pollfd waiting{fd_, static_cast<short>(input.empty() ? POLLIN : POLLIN | POLLOUT), 0};
      const int64_t left_ms = (deadline_us - MonotonicMicros()) / 1000;
      if (left_ms <= 0 || ::poll(&waiting, 1, static_cast<int>(left_ms)) == 0) return "timed out";
      if ((waiting.revents & POLLOUT) != 0 && !input.empty()) {
        const ssize_t sent = ::send(fd_, input.data(), input.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) input.remove_prefix(static_cast<size_t>(sent));
        if (sent < 0 && errno != EAGAIN) input = {};  // it does not read on
        if (input.empty()) ::shutdown(fd_, SHUT_WR);
      }
      if ((waiting.revents & (POLLIN | POLLHUP)) == 0) continue;
      char bytes[4096];
      const ssize_t got = ::recv(fd_, bytes, sizeof bytes, MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EAGAIN)) return {};
      if (got > 0) output->append(bytes, static_cast<size_t>(got));
      if (output->size() > kOutputBytesMax) return "wrote more than 64 KiB";
    }
  }

 private:
  int fd_;
};

// What this process was given, less its own settings: passwords are among them.
std::vector<char*> Environment() {
  std::vector<char*> variables;
  for (char** at = environ; *at != nullptr; ++at) {
    if (!std::string_view(*at).starts_with("HOMEPORT_")) variables.push_back(*at);
  }
  variables.push_back(nullptr);
  return variables;
}

// Its process id; 0 when it cannot be run.
pid_t Start(const std::string& program, const std::string& argument, int fd) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
  std::string name = program;
  std::string days = argument;
  char* arguments[] = {name.data(), days.data(), nullptr};
  pid_t child = 0;
  const int error =
      ::posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, Environment().data());
  posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? child : 0;
}

}  // namespace

absl::StatusOr<std::string> RunFilter(const std::string& program, const std::string& argument,
                                      const std::string& input, int64_t timeout_ms) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return Failed(program, "no sockets left");
  }
  Conversation conversation(ends[0]);
  const pid_t child = Start(program, argument, ends[1]);
  ::close(ends[1]);
  if (child == 0) return Failed(program, "cannot be run");
  std::string output;
  const int64_t deadline_us = MonotonicMicros() + timeout_ms * 1000;
  std::string_view wrong = conversation.Run(input, deadline_us, &output);
  int status = 0;
  pid_t ended = 0;
  while (wrong.empty() && (ended = ::waitpid(child, &status, WNOHANG)) == 0) {
    if (MonotonicMicros() > deadline_us) wrong = "has not ended in time";
    absl::SleepFor(absl::Milliseconds(1));
  }
  if (!wrong.empty()) {
    ::kill(child, SIGKILL);
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
  }
  if (!wrong.empty()) return Failed(program, wrong);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return Failed(program, "failed");
  return output;
}

}  // namespace homeport::registry
