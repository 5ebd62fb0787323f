#include "libs/runtime/lifecycle.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "libs/base/strings.h"

namespace homeport::runtime {
namespace {

using Journal = std::vector<std::string>;

Step Recorded(Journal& journal, const std::string& name, absl::Status result = {}) {
  return {.name = name,
          .start =
              [&journal, name, result] {
                journal.push_back("start " + name);
                return result;
              },
          .stop = [&journal, name] { journal.push_back("stop " + name); }};
}

TEST_CASE("parts start in order and stop in reverse, once") {
  Journal journal;
  Lifecycle lifecycle;
  for (const char* name : {"a", "b", "c"}) lifecycle.Add(Recorded(journal, name));
  CHECK(lifecycle.Start().ok());
  lifecycle.Stop();
  lifecycle.Stop();
  CHECK(journal == Journal{"start a", "start b", "start c", "stop c", "stop b", "stop a"});
}

TEST_CASE("a failed start stops what was started and names the step") {
  Journal journal;
  Lifecycle lifecycle;
  lifecycle.Add(Recorded(journal, "a"));
  lifecycle.Add(Recorded(journal, "b", absl::UnavailableError("no redis")));
  lifecycle.Add(Recorded(journal, "c"));
  const absl::Status status = lifecycle.Start();
  CHECK(status.code() == absl::StatusCode::kUnavailable);
  CHECK(Message(status) == "b: no redis");
  CHECK(journal == Journal{"start a", "start b", "stop a"});
}

TEST_CASE("either function may be missing, and destruction stops") {
  Journal journal;
  {
    Lifecycle lifecycle;
    lifecycle.Add({.name = "only_start", .start = [] { return absl::OkStatus(); }});
    lifecycle.Add({.name = "only_stop", .stop = [&journal] { journal.push_back("stopped"); }});
    CHECK(lifecycle.Start().ok());
  }
  CHECK(journal == Journal{"stopped"});
}

TEST_CASE("a stop that overruns ends the process with code 1") {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    Lifecycle lifecycle;
    lifecycle.Add({.name = "stuck", .stop = [] { pause(); }, .stop_ms_max = 10});
    (void)lifecycle.Start();
    lifecycle.Stop();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 1);
}

}  // namespace
}  // namespace homeport::runtime
