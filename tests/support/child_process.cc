#include "tests/support/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "libs/base/check.h"
#include "libs/base/strings.h"

extern char** environ;

namespace homeport::testing {
namespace {

// setpriv ties the child's life to ours, and changes the user: PostgreSQL does not run as root.
std::vector<std::string> WithPrivileges(const ChildProcess::Options& options) {
  std::vector<std::string> command = {"setpriv", "--pdeathsig", "KILL"};
  if (!options.user.empty()) {
    command.insert(command.end(),
                   {"--reuid=" + options.user, "--regid=" + options.user, "--clear-groups"});
  }
  command.insert(command.end(), options.command.begin(), options.command.end());
  return command;
}

}  // namespace

ChildProcess::ChildProcess(const Options& options) {
  std::vector<std::string> command = WithPrivileges(options);
  std::vector<char*> argv;
  for (std::string& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  HP_CHECK(posix_spawn_file_actions_init(&actions) == 0);
  HP_CHECK(posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, options.output.c_str(),
                                            O_WRONLY | O_CREAT | O_APPEND, 0666) == 0);
  HP_CHECK(posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO) == 0);
  HP_CHECK(posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) End(SIGKILL);
}

bool ChildProcess::Running() const {
  siginfo_t info{};
  HP_CHECK(waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0);
  return info.si_pid == 0;
}

void ChildProcess::Signal(int signal) const {
  HP_CHECK(pid_ > 0);
  kill(pid_, signal);
}

void ChildProcess::SignalFamily(int signal) const {
  Signal(signal);
  if (signal == SIGSTOP) {  // what it was about to start is its child once it stands still
    siginfo_t stopped{};
    while (waitid(P_PID, static_cast<id_t>(pid_), &stopped, WSTOPPED | WNOWAIT) != 0 &&
           errno == EINTR) {
    }
  }
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", pid_));
  for (pid_t child = 0; children >> child;) kill(child, signal);
}

int ChildProcess::Wait() {
  HP_CHECK(pid_ > 0);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0) continue;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int ChildProcess::End(int signal) {
  Signal(signal);
  if (signal != SIGKILL) Signal(SIGCONT);
  return Wait();
}

int RunCommand(const ChildProcess::Options& options) { return ChildProcess(options).Wait(); }

}  // namespace homeport::testing
