#include "libs/shadow/loop_detector.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "libs/base/strings.h"
#include "tests/unit/shadow/harness.h"

namespace homeport::shadow {
namespace {

constexpr uint64_t kApp = 1;
constexpr uint64_t kDevice = 2;

struct Step {
  uint64_t writer;
  const char* desired;   // nullptr: not in the update
  const char* reported;  // the same
};

// The steps in turn, `times` over, `step_ms` apart: how many were blocked, and the fights told.
struct Outcome {
  int blocked = 0;
  std::vector<std::string> fights;
};

Outcome Run(const std::vector<Step>& steps, int times, int64_t step_ms, const LoopLimits& limits) {
  LoopDetector detector;
  Outcome outcome;
  int64_t now_ms = 1'700'000'000'000;
  for (int i = 0; i < times; ++i) {
    for (const Step& step : steps) {
      now_ms += step_ms;
      json::Object desired;
      json::Object reported;
      if (step.desired != nullptr) desired = O(step.desired);
      if (step.reported != nullptr) reported = O(step.reported);
      const LoopUpdate update{step.desired != nullptr ? &desired : nullptr,
                              step.reported != nullptr ? &reported : nullptr, step.writer, now_ms};
      if (detector.Blocks(update, limits)) {
        ++outcome.blocked;
        continue;
      }
      if (std::string leaf = detector.Note(update, limits); !leaf.empty()) {
        outcome.fights.push_back(leaf);
      }
    }
  }
  return outcome;
}

TEST_CASE("writers that undo each other are stopped") {
  struct Row {
    const char* name;
    std::vector<Step> steps;
    const char* leaf;
  };
  const Row row = GENERATE(
      Row{"the device reports otherwise each time",
          {{kApp, R"({"on":true})", nullptr}, {kDevice, nullptr, R"({"on":false})"}},
          "on"},
      Row{"both write desired",
          {{kApp, R"({"on":true})", nullptr}, {kDevice, R"({"on":false})", nullptr}},
          "on"},
      Row{"the device obeys and takes it back",
          {{kApp, R"({"light":{"on":false}})", nullptr},
           {kDevice, nullptr, R"({"light":{"on":false}})"},
           {kDevice, nullptr, R"({"light":{"on":true}})"}},
          "light.on"},
      Row{"lists", {{kApp, R"({"l":[1,2]})", nullptr}, {kDevice, nullptr, R"({"l":[1]})"}}, "l"});
  INFO(row.name);
  const LoopLimits limits{.rounds_max = 10, .window_ms = 10'000};
  const Outcome outcome = Run(row.steps, 40, 20, limits);
  CHECK(outcome.blocked >= 40);
  CHECK(outcome.fights == std::vector<std::string>{row.leaf});
}

TEST_CASE("honest traffic is never stopped") {
  struct Row {
    const char* name;
    std::vector<Step> steps;
  };
  const Row row = GENERATE(
      Row{"a slider and a device that follows",
          {{kApp, R"({"v":1})", nullptr},
           {kDevice, nullptr, R"({"v":1})"},
           {kApp, R"({"v":2})", nullptr},
           {kDevice, nullptr, R"({"v":2})"}}},
      Row{"a device that follows two steps behind",
          {{kApp, R"({"v":1})", nullptr},
           {kApp, R"({"v":2})", nullptr},
           {kApp, R"({"v":3})", nullptr},
           {kDevice, nullptr, R"({"v":1})"},
           {kDevice, nullptr, R"({"v":2})"},
           {kDevice, nullptr, R"({"v":3})"}}},
      Row{"readings under a wish that is not met yet",
          {{kDevice, nullptr, R"({"t":18})"}, {kDevice, nullptr, R"({"t":19})"}}},
      Row{"a wish withdrawn by the device that obeyed",
          {{kApp, R"({"on":true})", nullptr}, {kDevice, R"({"on":null})", R"({"on":true})"}}},
      Row{"a device that repeats the wish in both sections",
          {{kApp, R"({"on":true})", nullptr},
           {kDevice, R"({"on":true})", R"({"on":true})"},
           {kApp, R"({"on":false})", nullptr},
           {kDevice, R"({"on":false})", R"({"on":false})"}}},
      Row{"one writer that changes its mind",
          {{kApp, R"({"on":true})", nullptr}, {kApp, R"({"on":false})", nullptr}}},
      Row{"other leaves",
          {{kApp, R"({"a":{"x":1}})", nullptr}, {kDevice, nullptr, R"({"a":{"y":2},"x":3})"}}});
  INFO(row.name);
  const LoopLimits limits{.rounds_max = 3, .window_ms = 1'000'000};
  const Outcome outcome = Run(row.steps, 100, 5, limits);
  CHECK(outcome.blocked == 0);
  CHECK(outcome.fights.empty());
}

TEST_CASE("writers that race for ever newer values undo nothing") {
  std::vector<std::string> values;
  for (int i = 0; i < 200; ++i) values.push_back(fmt::format(R"({{"n":{}}})", i));
  std::vector<Step> steps;
  for (size_t i = 0; i < values.size(); ++i) {
    steps.push_back({i % 2 == 0 ? kApp : kDevice, values[i].c_str(), nullptr});
  }
  const Outcome outcome = Run(steps, 1, 5, {.rounds_max = 3, .window_ms = 1'000'000});
  CHECK(outcome.blocked == 0);
  CHECK(outcome.fights.empty());
}

TEST_CASE("a fight that takes its time is none") {
  const std::vector<Step> fight = {{kApp, R"({"on":true})", nullptr},
                                   {kDevice, nullptr, R"({"on":false})"}};
  CHECK(Run(fight, 40, 400, {.rounds_max = 10, .window_ms = 5'000}).blocked == 0);
}

TEST_CASE("after the window the leaf is free again, and giving in always is") {
  const LoopLimits limits{.rounds_max = 2, .window_ms = 1000};
  LoopDetector detector;
  const json::Object on = O(R"({"on":true})");
  const json::Object off = O(R"({"on":false})");
  int64_t now_ms = 5000;
  for (int i = 0; i < 2; ++i) {
    CHECK(detector.Note({&on, nullptr, kApp, now_ms}, limits).empty());
    CHECK(detector.Note({nullptr, &off, kDevice, now_ms}, limits) == (i == 1 ? "on" : ""));
  }
  CHECK(detector.Blocks({&on, nullptr, kApp, now_ms}, limits));
  CHECK(detector.Blocks({&off, nullptr, kDevice, now_ms}, limits));
  CHECK(detector.Blocks({nullptr, &off, kDevice, now_ms}, limits));
  CHECK_FALSE(detector.Blocks({nullptr, &on, kDevice, now_ms}, limits));
  const json::Object withdrawn = O(R"({"on":null})");
  CHECK_FALSE(detector.Blocks({&withdrawn, nullptr, kApp, now_ms}, limits));
  CHECK_FALSE(detector.idle(now_ms, limits));
  now_ms += 1000;
  CHECK(detector.idle(now_ms, limits));
  CHECK_FALSE(detector.Blocks({&on, nullptr, kApp, now_ms}, limits));
}

TEST_CASE("it watches a bounded number of leaves") {
  const LoopLimits limits{.rounds_max = 1, .window_ms = 1000, .leaves_max = 2};
  LoopDetector detector;
  const json::Object wish = O(R"({"a":1})");
  CHECK(detector.Note({&wish, nullptr, kApp, 1}, limits).empty());
  const json::Object others = O(R"({"b":1,"c":1})");
  CHECK(detector.Note({&others, nullptr, kApp, 2}, limits).empty());
  const json::Object contradiction = O(R"({"a":2})");
  CHECK(detector.Note({nullptr, &contradiction, kDevice, 3}, limits).empty());
  const json::Object again = O(R"({"c":2})");
  CHECK(detector.Note({nullptr, &again, kDevice, 3}, limits) == "c");
}

TEST_CASE("turned off it never blocks") {
  CHECK(Run({{kApp, R"({"on":true})", nullptr}, {kDevice, nullptr, R"({"on":false})"}}, 40, 1,
            {.rounds_max = 0})
            .blocked == 0);
}

}  // namespace
}  // namespace homeport::shadow
