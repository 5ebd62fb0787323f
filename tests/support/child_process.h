#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace homeport::testing {

// A program run by a test; killed when the test is done with it, or dies. Its output goes to a
// file. One thread.
class ChildProcess {
 public:
  struct Options {
    std::vector<std::string> command;
    std::string output;  // appended to
    std::string user;    // run as this user; "" = ours
  };
  explicit ChildProcess(const Options& options);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  [[nodiscard]] bool Running() const;
  void Signal(int signal) const;
  // To the process and then to its children.
  void SignalFamily(int signal) const;
  // Waits for its end; the exit code, or -signal. REQUIRES: not waited for before.
  int Wait();
  // Signal and Wait.
  int End(int signal);

 private:
  pid_t pid_ = -1;
};

// Runs a command to its end; its exit code.
int RunCommand(const ChildProcess::Options& options);

}  // namespace homeport::testing
