#include "services/fleet/sim/report_class.h"

#include <cmath>

namespace homeport::fleet {

bool ReportGate::Due(const ReportClass& rules, double now_s, double value) const {
  const double silent_s = now_s - reported_s_;
  if (silent_s >= rules.max_s) return true;
  if (silent_s < rules.min_s) return false;
  const double moved = std::abs(value - value_);
  return moved > 0 && moved >= rules.change;
}

double ReportGate::Staleness(const ReportClass& rules, double now_s) const {
  return (now_s - reported_s_) / rules.max_s;
}

}  // namespace homeport::fleet
