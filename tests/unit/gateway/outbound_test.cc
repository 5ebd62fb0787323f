#include "services/gateway/session/outbound.h"

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

namespace homeport::gateway {
namespace {

using mqtt::Awaiting;
using mqtt::Qos;

OutMessage Message(Qos qos) {
  OutMessage out;
  out.message = std::make_shared<BusMessage>();
  out.qos = qos;
  return out;
}

std::vector<uint16_t> SendAll(Outbound& outbound, size_t window) {
  std::vector<uint16_t> ids;
  while (const Outbound::Entry* entry = outbound.Next(window)) ids.push_back(entry->packet_id);
  return ids;
}

TEST_CASE("no more than the window is under way") {
  Outbound outbound;
  for (int i = 0; i < 5; ++i) outbound.Push(Message(Qos::kAtLeastOnce), {});
  CHECK(SendAll(outbound, 2) == std::vector<uint16_t>{1, 2});
  CHECK(outbound.waiting() == 3);
  CHECK(outbound.Complete(1, Awaiting::kPuback));
  CHECK_FALSE(outbound.Complete(1, Awaiting::kPuback));
  CHECK_FALSE(outbound.Complete(2, Awaiting::kPubcomp));
  CHECK(SendAll(outbound, 2) == std::vector<uint16_t>{3});
}

TEST_CASE("the bytes of what waits are known") {
  Outbound outbound;
  const auto push = [&](size_t bytes) {
    auto message = std::make_shared<BusMessage>();
    message->set_payload(std::string(bytes, 'x'));
    OutMessage out;
    out.message = std::move(message);
    out.qos = Qos::kAtLeastOnce;
    outbound.Push(std::move(out), {});
  };
  push(1);
  push(10);
  push(100);
  CHECK(outbound.waiting_bytes() == 111);
  REQUIRE(outbound.Next(10) != nullptr);
  CHECK(outbound.waiting_bytes() == 110);
  REQUIRE(outbound.Next(10) != nullptr);
  outbound.DropLast();
  CHECK(outbound.waiting_bytes() == 100);
  CHECK(outbound.Complete(1, Awaiting::kPuback));
  CHECK(outbound.waiting_bytes() == 100);
  REQUIRE(outbound.Next(10) != nullptr);
  CHECK(outbound.waiting_bytes() == 0);
}

TEST_CASE("where kept messages may come, others have ids of the upper half") {
  Outbound outbound;
  outbound.ExpectKept();
  outbound.Push(Message(Qos::kAtLeastOnce), {});
  outbound.Push(Message(Qos::kAtLeastOnce), {.number = 1, .bytes = 5});
  CHECK(SendAll(outbound, 2) == std::vector<uint16_t>{32'768, 1});
}

TEST_CASE("an answer fits the QoS of its message") {
  Outbound outbound;
  outbound.Push(Message(Qos::kAtLeastOnce), {});
  outbound.Push(Message(Qos::kExactlyOnce), {});
  CHECK(SendAll(outbound, 2) == std::vector<uint16_t>{1, 2});
  CHECK(outbound.Fits(1, Awaiting::kPuback));
  CHECK_FALSE(outbound.Fits(1, Awaiting::kPubrec));
  CHECK_FALSE(outbound.Fits(1, Awaiting::kPubcomp));
  CHECK(outbound.Fits(2, Awaiting::kPubrec));
  CHECK_FALSE(outbound.Fits(2, Awaiting::kPuback));
  CHECK_FALSE(outbound.Fits(2, Awaiting::kPubcomp));
  CHECK(outbound.Received(2));
  CHECK(outbound.Fits(2, Awaiting::kPubrec));
  CHECK(outbound.Fits(2, Awaiting::kPubcomp));
  CHECK_FALSE(outbound.Fits(2, Awaiting::kPuback));
  CHECK(outbound.Fits(3, Awaiting::kPuback));
}

TEST_CASE("a kept message has the id of its number, others use the upper half") {
  Outbound outbound;
  outbound.Push(Message(Qos::kAtLeastOnce), {.number = 7, .bytes = 10});
  outbound.Push(Message(Qos::kAtLeastOnce), {});
  outbound.Push(Message(Qos::kExactlyOnce), {.number = 32'768, .bytes = 10});
  outbound.SetStored(32'768);
  CHECK(SendAll(outbound, 10) == std::vector<uint16_t>{7, 32'768, 1});
  CHECK(outbound.last_sent_number() == 32'768);
  const auto kept = outbound.Complete(7, Awaiting::kPuback);
  REQUIRE(kept);
  CHECK(kept->number == 7);
  CHECK(kept->bytes == 10);
}

TEST_CASE("a kept QoS 2 message waits until it is stored, and what is behind it with it") {
  Outbound outbound;
  outbound.Push(Message(Qos::kAtLeastOnce), {.number = 1, .bytes = 10});
  outbound.Push(Message(Qos::kExactlyOnce), {.number = 2, .bytes = 10});
  outbound.Push(Message(Qos::kAtLeastOnce), {.number = 3, .bytes = 10});
  outbound.Push(Message(Qos::kExactlyOnce), {.number = 4, .bytes = 10});
  CHECK(SendAll(outbound, 10) == std::vector<uint16_t>{1});
  outbound.SetStored(4);
  outbound.SetStored(99);
  CHECK(SendAll(outbound, 10).empty());
  outbound.SetStored(2);
  CHECK(SendAll(outbound, 10) == std::vector<uint16_t>{2, 3, 4});
}

TEST_CASE("PUBREC leaves the id in use until PUBCOMP") {
  Outbound outbound;
  outbound.Push(Message(Qos::kExactlyOnce), {});
  REQUIRE(SendAll(outbound, 1) == std::vector<uint16_t>{1});
  CHECK(outbound.Received(1));
  CHECK(outbound.Received(1));
  CHECK_FALSE(outbound.Complete(1, Awaiting::kPubrec));
  CHECK(outbound.Complete(1, Awaiting::kPubcomp));
  CHECK(outbound.empty());
}

TEST_CASE("what an earlier connection left: released messages first, then those sent again") {
  Outbound outbound;
  Outbound::Entry sent;
  sent.out = Message(Qos::kAtLeastOnce);
  sent.kept = {.number = 1, .bytes = 10};
  sent.out.again = true;
  Outbound::Entry released;
  released.kept = {.number = 2, .bytes = 0};
  Outbound::Entry unsent;
  unsent.out = Message(Qos::kAtLeastOnce);
  unsent.kept = {.number = 3, .bytes = 10};
  for (const Outbound::Entry& entry : {sent, released, unsent}) outbound.Restore(entry);

  std::vector<uint16_t> to_release;
  outbound.VisitReleased([&](uint16_t id) { to_release.push_back(id); });
  CHECK(to_release == std::vector<uint16_t>{2});
  CHECK(outbound.last_sent_number() == 1);
  const Outbound::Entry* first = outbound.Next(10);
  REQUIRE(first != nullptr);
  CHECK(first->out.again);
  CHECK(first->packet_id == 1);
  const Outbound::Entry* second = outbound.Next(10);
  REQUIRE(second != nullptr);
  CHECK_FALSE(second->out.again);
  CHECK(second->packet_id == 3);
  CHECK(outbound.Complete(2, Awaiting::kPubcomp));
}

TEST_CASE("another member of its group may have what the client of an ended session has not") {
  Outbound outbound;
  const auto push = [&outbound](Qos qos, std::string_view topic, bool is_shared,
                                bool again = false) {
    auto message = std::make_shared<BusMessage>();
    message->set_topic(std::string(topic));
    OutMessage out;
    out.message = std::move(message);
    out.qos = qos;
    out.again = again;
    if (is_shared) out.shared = std::make_shared<SharedDelivery>();
    outbound.Push(std::move(out), {});
  };
  push(Qos::kAtLeastOnce, "sent", true);
  push(Qos::kAtLeastOnce, "acknowledged", true);
  push(Qos::kExactlyOnce, "sent, QoS 2", true);
  push(Qos::kExactlyOnce, "received", true);
  push(Qos::kAtLeastOnce, "its own", false);
  push(Qos::kExactlyOnce, "waits, QoS 2", true);
  push(Qos::kExactlyOnce, "sent before, QoS 2", true, true);
  push(Qos::kAtLeastOnce, "waits", true);
  CHECK(SendAll(outbound, 5) == std::vector<uint16_t>{1, 2, 3, 4, 5});
  REQUIRE(outbound.Complete(2, Awaiting::kPuback));
  REQUIRE(outbound.Received(4));
  std::vector<std::string> topics;
  outbound.VisitForOthers([&](const OutMessage& out) { topics.push_back(out.message->topic()); });
  CHECK(topics == std::vector<std::string>{"sent", "waits, QoS 2", "waits"});
}

TEST_CASE("a kept message waits while one that is as many numbers older has its id") {
  constexpr uint64_t kRound = 32'767;
  Outbound outbound;
  outbound.Push(Message(Qos::kAtLeastOnce), {1, 10});
  outbound.Push(Message(Qos::kAtLeastOnce), {1 + kRound, 10});
  CHECK(SendAll(outbound, 10) == std::vector<uint16_t>{1});
  CHECK(outbound.Complete(1, Awaiting::kPuback));
  CHECK(SendAll(outbound, 10) == std::vector<uint16_t>{1});
}

TEST_CASE("a message that need not be sent frees its place in the window") {
  Outbound outbound;
  outbound.Push(Message(Qos::kAtLeastOnce), {});
  outbound.Push(Message(Qos::kAtLeastOnce), {});
  REQUIRE(outbound.Next(1) != nullptr);
  outbound.DropLast();
  CHECK(SendAll(outbound, 1) == std::vector<uint16_t>{2});
}

}  // namespace
}  // namespace homeport::gateway
