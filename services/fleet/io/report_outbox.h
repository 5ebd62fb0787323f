#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

namespace homeport::fleet {

// The QoS 1 messages of one device from their making to their PUBACK, oldest first. After a lost
// connection those in flight are due again before anything newer, in their order and marked as
// duplicates: nothing is lost, nothing overtakes. Pure: no I/O, no clock.
class ReportOutbox {
 public:
  struct Report {
    int64_t id = 0;  // the owner's
    std::string topic;
    std::string payload;
    int64_t made_us = 0;
    int64_t sent_us = 0;      // the owner's, of the latest sending
    uint32_t times_sent = 0;  // above 1: to be marked DUP
    uint16_t packet_id = 0;   // valid in flight
  };

  // Identifiers above this are the owner's, for messages it does not keep.
  static constexpr uint16_t kPacketIdMax = 59'998;

  // At most `window` reports are in flight. REQUIRES: 0 < window < kPacketIdMax.
  explicit ReportOutbox(size_t window) : window_(window) {}

  void Push(Report report) { reports_.push_back(std::move(report)); }

  // The next report to send; it counts as in flight from now on. Null when all are in flight or the
  // window is full. Valid until the outbox changes.
  [[nodiscard]] Report* Next();

  // Removes the report in flight under this identifier; nullopt when there is none.
  std::optional<Report> Complete(uint16_t packet_id);

  // What was in flight is due again.
  void ConnectionLost() { in_flight_ = 0; }

  [[nodiscard]] size_t size() const { return reports_.size(); }
  [[nodiscard]] bool empty() const { return reports_.empty(); }
  [[nodiscard]] size_t in_flight() const { return in_flight_; }
  [[nodiscard]] const std::deque<Report>& reports() const { return reports_; }

 private:
  const size_t window_;
  std::deque<Report> reports_;
  size_t in_flight_ = 0;  // this many at the front
  uint16_t last_packet_id_ = 0;
};

}  // namespace homeport::fleet
