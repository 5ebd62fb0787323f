#include "services/fleet/io/report_outbox.h"

#include <catch2/catch.hpp>
#include <vector>

namespace homeport::fleet {
namespace {

struct Sent {
  int64_t id;
  uint32_t times;
  friend bool operator==(const Sent&, const Sent&) = default;
};

void Push(ReportOutbox* outbox, int64_t first, int64_t last) {
  for (int64_t id = first; id <= last; ++id) {
    ReportOutbox::Report report;
    report.id = id;
    outbox->Push(std::move(report));
  }
}

std::vector<Sent> SendAll(ReportOutbox* outbox) {
  std::vector<Sent> sent;
  while (const ReportOutbox::Report* report = outbox->Next()) {
    sent.push_back({report->id, report->times_sent});
  }
  return sent;
}

uint16_t PacketIdOf(const ReportOutbox& outbox, int64_t id) {
  for (const auto& report : outbox.reports()) {
    if (report.id == id) return report.packet_id;
  }
  return 0;
}

TEST_CASE("reports go out in order, no more than the window") {
  ReportOutbox outbox(3);
  Push(&outbox, 1, 5);
  CHECK(SendAll(&outbox) == std::vector<Sent>{{1, 1}, {2, 1}, {3, 1}});
  CHECK(outbox.in_flight() == 3);
  REQUIRE(outbox.Complete(PacketIdOf(outbox, 2)));
  CHECK(SendAll(&outbox) == std::vector<Sent>{{4, 1}});
}

TEST_CASE("after a lost connection the unacknowledged go again, in order, before newer ones") {
  ReportOutbox outbox(3);
  Push(&outbox, 1, 5);
  (void)SendAll(&outbox);
  REQUIRE(outbox.Complete(PacketIdOf(outbox, 2)));
  outbox.ConnectionLost();
  CHECK(SendAll(&outbox) == std::vector<Sent>{{1, 2}, {3, 2}, {4, 1}});
}

TEST_CASE("an answer counts once, and only for what is in flight") {
  ReportOutbox outbox(2);
  Push(&outbox, 1, 2);
  (void)SendAll(&outbox);
  const uint16_t first = PacketIdOf(outbox, 1);
  CHECK(outbox.Complete(first)->id == 1);
  CHECK_FALSE(outbox.Complete(first));
  const uint16_t second = PacketIdOf(outbox, 2);
  outbox.ConnectionLost();
  CHECK_FALSE(outbox.Complete(second));
  CHECK(outbox.size() == 1);
}

TEST_CASE("packet identifiers wrap around and never meet one in flight") {
  ReportOutbox outbox(2);
  Push(&outbox, 1, 1);
  const uint16_t held = outbox.Next()->packet_id;
  for (int64_t id = 2; id < 2 + 2 * int64_t{ReportOutbox::kPacketIdMax}; ++id) {
    Push(&outbox, id, id);
    const uint16_t packet_id = outbox.Next()->packet_id;
    if (packet_id == held || packet_id == 0 || packet_id > ReportOutbox::kPacketIdMax) {
      FAIL("identifier " << packet_id);
    }
    (void)outbox.Complete(packet_id);
  }
}

}  // namespace
}  // namespace homeport::fleet
