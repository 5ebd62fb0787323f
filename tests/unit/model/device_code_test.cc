#include "libs/model/device_code.h"

#include <catch2/catch.hpp>

namespace homeport::model {
namespace {

TEST_CASE("a device's codes are translated") {
  struct Row {
    int64_t device;
    Verb verb;
    int32_t code;
  };
  const Row row = GENERATE(
      Row{0, Verb::kSet, 0}, Row{1, Verb::kSet, 1}, Row{-4001, Verb::kGet, -704030013},
      Row{-4002, Verb::kSet, -704030023}, Row{-4003, Verb::kSet, -704040003},
      Row{-4003, Verb::kGet, -704040003}, Row{-4003, Verb::kAction, -704040005},
      Row{-4004, Verb::kSet, -704002000}, Row{-4005, Verb::kSet, -704220043},
      Row{-4006, Verb::kAction, -704220035}, Row{-4007, Verb::kSet, -704042001},
      Row{-9999, Verb::kSet, -704053036}, Row{-702000000, Verb::kSet, 0},
      Row{-702010000, Verb::kAction, 1},
      // A maker's own, one of the platform, and what no status is.
      Row{-5001, Verb::kSet, -5001}, Row{-704030992, Verb::kSet, -704030992},
      Row{int64_t{-1} << 40, Verb::kSet, INT32_MIN}, Row{int64_t{1} << 40, Verb::kSet, INT32_MAX});
  CAPTURE(row.device);
  CHECK(FromDevice(row.device, row.verb) == row.code);
}

}  // namespace
}  // namespace homeport::model
