#include "libs/runtime/stop_signal.h"

#include <sys/types.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <thread>

namespace homeport::runtime {
namespace {

TEST_CASE("a signal to the process ends the wait") {
  StopSignal stop;
  CHECK_FALSE(stop.WaitFor(0));
  REQUIRE(kill(getpid(), SIGTERM) == 0);
  CHECK(stop.Wait() == "SIGTERM");
  CHECK(stop.WaitFor(0));
}

TEST_CASE("a part may ask for the end; its first reason counts") {
  StopSignal stop;
  std::thread part([&stop] {
    stop.Request("listener failed");
    stop.Request("later");
  });
  CHECK(stop.Wait() == "listener failed");
  part.join();
  CHECK(stop.Wait() == "listener failed");
}

TEST_CASE("a broken pipe is no reason to die") {
  const StopSignal stop;
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  close(ends[0]);
  CHECK(write(ends[1], "x", 1) == -1);
  close(ends[1]);
}

}  // namespace
}  // namespace homeport::runtime
