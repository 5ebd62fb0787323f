#include "services/registry/core/downlinks.h"

#include <catch2/catch.hpp>
#include <utility>

namespace homeport::registry {
namespace {

internal::v1::InboxItem Item(const std::string& topic, size_t payload_bytes = 1) {
  internal::v1::InboxItem item;
  item.mutable_deliver()->set_topic(topic);
  item.mutable_deliver()->set_payload(std::string(payload_bytes, 'x'));
  return item;
}

std::string Topics(const InboxEntry& entry) {
  internal::v1::InboxBatch batch;
  REQUIRE(batch.ParseFromString(entry.batch));
  CHECK(batch.version() == 1);
  std::string topics = entry.pod + ":";
  for (const auto& item : batch.items()) topics += item.deliver().topic();
  return topics;
}

TEST_CASE("items of one pod share an entry, in order") {
  Downlinks downlinks;
  downlinks.Add("p", Item("a"));
  downlinks.Add("q", Item("b"));
  downlinks.Add("p", Item("c"));
  REQUIRE(downlinks.entries().size() == 2);
  CHECK(Topics(downlinks.entries()[0]) == "p:ac");
  CHECK(Topics(downlinks.entries()[1]) == "q:b");
}

TEST_CASE("a full entry is followed by another") {
  Downlinks downlinks;
  downlinks.Add("p", Item("a", kInboxEntryBytes));
  downlinks.Add("p", Item("b"));
  downlinks.Add("p", Item("c"));
  REQUIRE(downlinks.entries().size() == 2);
  CHECK(Topics(downlinks.entries()[1]) == "p:bc");
}

TEST_CASE("appending keeps the order per pod") {
  Downlinks first;
  Downlinks second;
  first.Add("p", Item("a"));
  second.Add("q", Item("b"));
  second.Add("p", Item("c"));
  const size_t bytes = first.bytes() + second.bytes();
  first.Append(std::move(second));
  CHECK(Topics(first.entries()[0]) == "p:ac");
  CHECK(Topics(first.entries()[1]) == "q:b");
  CHECK(first.bytes() == bytes);
}

TEST_CASE("stored bytes give the same entries, or an error where they are cut") {
  Downlinks downlinks;
  CHECK(downlinks.Encode().empty());
  downlinks.Add("p", Item("a"));
  downlinks.Add("q", Item("b"));
  const std::string bytes = downlinks.Encode();
  const auto decoded = Downlinks::Decode(bytes);
  REQUIRE(decoded.ok());
  CHECK(decoded->Encode() == bytes);
  const size_t first_entry = 8 + 1 + downlinks.entries()[0].batch.size();
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    INFO(cut);
    CHECK(Downlinks::Decode(bytes.substr(0, cut)).ok() == (cut == first_entry));
  }
}

}  // namespace
}  // namespace homeport::registry
