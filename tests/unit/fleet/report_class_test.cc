#include "services/fleet/sim/report_class.h"

#include <catch2/catch.hpp>

namespace homeport::fleet {
namespace {

struct Row {
  const char* name;
  ReportClass rules;
  double silent_s;  // since the last report, of the value 20
  double value;
  bool due;
};

constexpr Row kRows[] = {
    {"a switch that flipped is due at once", report_class::kOnOff, 0, 21, true},
    {"a switch that did not is not", report_class::kOnOff, 3599, 20, false},
    {"but after an hour it is", report_class::kOnOff, 3600, 20, true},
    {"a warmer room waits for the shortest interval", report_class::kTemperature, 9.9, 22, false},
    {"and is due after it", report_class::kTemperature, 10, 22, true},
    {"a change below the threshold is none", report_class::kTemperature, 60, 20.9, false},
    {"a change of exactly the threshold is one", report_class::kTemperature, 60, 19, true},
    {"a battery reports any change, once an hour at most", report_class::kBattery, 3599, 19, false},
    {"and no sooner than that", report_class::kBattery, 3600, 19, true},
};

TEST_CASE("a report is due by change, not before the minimum, always at the maximum") {
  for (const Row& row : kRows) {
    INFO(row.name);
    ReportGate gate;
    gate.Reported(1000, 20);
    CHECK(gate.Due(row.rules, 1000 + row.silent_s, row.value) == row.due);
  }
}

TEST_CASE("what was never reported is due, and stalest of all") {
  const ReportGate gate;
  CHECK(gate.Due(report_class::kBattery, 0, 0));
  ReportGate old;
  old.Reported(0, 0);
  CHECK(gate.Staleness(report_class::kBattery, 1e6) > old.Staleness(report_class::kOnOff, 1e6));
}

}  // namespace
}  // namespace homeport::fleet
