#include "services/fleet/io/report_outbox.h"

#include <algorithm>

namespace homeport::fleet {

ReportOutbox::Report* ReportOutbox::Next() {
  if (in_flight_ == reports_.size() || in_flight_ >= window_) return nullptr;
  const auto begin = reports_.begin();
  const auto end = begin + static_cast<std::ptrdiff_t>(in_flight_);
  const auto in_use = [&](uint16_t id) {
    return std::any_of(begin, end, [id](const Report& r) { return r.packet_id == id; });
  };
  do {
    last_packet_id_ =
        last_packet_id_ == kPacketIdMax ? 1 : static_cast<uint16_t>(last_packet_id_ + 1);
  } while (in_use(last_packet_id_));
  Report& report = reports_[in_flight_++];
  report.packet_id = last_packet_id_;
  ++report.times_sent;
  return &report;
}

std::optional<ReportOutbox::Report> ReportOutbox::Complete(uint16_t packet_id) {
  const auto end = reports_.begin() + static_cast<std::ptrdiff_t>(in_flight_);
  const auto found = std::find_if(
      reports_.begin(), end, [packet_id](const Report& r) { return r.packet_id == packet_id; });
  if (found == end) return std::nullopt;
  std::optional<Report> report(std::move(*found));
  reports_.erase(found);
  --in_flight_;
  return report;
}

}  // namespace homeport::fleet
