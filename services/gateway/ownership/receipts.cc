#include "services/gateway/ownership/receipts.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "libs/base/strings.h"
#include "libs/routing/keys.h"
#include "services/gateway/session/client_key.h"

namespace homeport::gateway {
namespace {

using Entry = mqtt::InboundQos2Ids::Entry;

constexpr int64_t kCompanyMs = 50;  // after the death of a pod all its sessions ask

// The number in front of `text`, which it loses; 0 where there is none.
uint64_t TakeNumber(std::string_view& text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return error == std::errc() ? number : 0;
}

std::string_view TakeWord(std::string_view& text) {
  const size_t space = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, space);
  text.remove_prefix(std::min(space + 1, text.size()));
  return word;
}

// "<packet id>" or "<packet id>?<number>"; packet id 0 where it is neither.
Entry ParseEntry(std::string_view word) {
  Entry entry;
  const uint64_t id = TakeNumber(word);
  const bool is_stored = word.empty();
  if (!is_stored && word.front() != '?') return entry;
  if (!is_stored) word.remove_prefix(1);
  const uint64_t number = is_stored ? 0 : TakeNumber(word);
  if (id > 65'535 || !word.empty() || (!is_stored && number == 0)) return entry;
  entry.packet_id = static_cast<uint16_t>(id);
  entry.number = static_cast<uint32_t>(number);
  return entry;
}

}  // namespace

bool ReceivedRecord::all_stored() const {
  return std::all_of(entries.begin(), entries.end(),
                     [](const Entry& entry) { return entry.number == 0; });
}

std::string FormatReceived(const Session& session) {
  std::string text = fmt::format("{} {}", session.epoch, session.kept()->received);
  for (const Entry& entry : session.cold->from_device_qos2.entries()) {
    text += fmt::format(" {}", entry.packet_id);
    if (entry.number != 0) text += fmt::format("?{}", entry.number);
  }
  return text;
}

ReceivedRecord ParseReceived(std::string_view text) {
  ReceivedRecord record;
  std::string_view epoch = TakeWord(text);
  std::string_view last = TakeWord(text);
  record.epoch = TakeNumber(epoch);
  record.last = static_cast<uint32_t>(TakeNumber(last));
  while (!text.empty()) {
    const Entry entry = ParseEntry(TakeWord(text));
    if (entry.packet_id != 0) record.entries.push_back(entry);
  }
  return record;
}

void RestoreReceived(const ReceivedRecord& record, mqtt::InboundQos2Ids& ids) {
  constexpr size_t kAll = 65'535;
  for (const Entry& entry : record.entries) {
    if (entry.number == 0) static_cast<void>(ids.Insert(entry, kAll));
  }
}

std::string MakeReceipt(const Identity& identity, uint64_t epoch, Entry publish) {
  internal::v1::Receipts one;
  internal::v1::Receipt& receipt = *one.add_receipts();
  receipt.set_client(ClientKey(identity.device, identity.client));
  receipt.set_epoch(epoch);
  receipt.set_number(publish.number);
  receipt.set_packet_id(publish.packet_id);
  return one.SerializeAsString();
}

Doubt MakeDoubt(std::string_view pod, const Identity& identity, uint64_t epoch,
                std::string_view received) {
  return {std::string(pod), ClientKey(identity.device, identity.client), epoch,
          ParseReceived(received)};
}

std::vector<uint16_t> Settle(const Doubt& doubt, const PodReceipts& receipts) {
  std::vector<uint16_t> ids;
  const auto found = receipts.find(doubt.client);
  if (found == receipts.end()) return ids;
  const ReceivedRecord& record = doubt.record;
  for (const internal::v1::Receipt& receipt : found->second) {
    const Entry publish{static_cast<uint16_t>(receipt.packet_id()), receipt.number()};
    const bool was_on_its_way =
        std::find(record.entries.begin(), record.entries.end(), publish) != record.entries.end();
    // The record is of this epoch, or of one before it: then nothing of this one was noted yet.
    const bool is_unnoted = receipt.epoch() == record.epoch
                                ? publish.number > record.last || was_on_its_way
                                : receipt.epoch() == doubt.epoch;
    if (is_unnoted) ids.push_back(publish.packet_id);
  }
  return ids;
}

void Receipts::Read(const std::string& pod, OnRead on_read) {
  const auto [asked, is_first] = next_.try_emplace(pod);
  asked->second.push_back(std::move(on_read));
  if (is_first) BeginSoon(pod);
}

void Receipts::BeginSoon(const std::string& pod) {
  reactor_.After(kCompanyMs, [this, pod] { Begin(pod); });
}

void Receipts::Begin(const std::string& pod) {
  auto reading = std::make_shared<Reading>();  // shared by the answers of Redis
  reading->asked = std::exchange(next_[pod], {});
  reading->open = size_t{uplink_partitions_} + bus_partitions_;
  const auto read = [&](const std::string& key) {
    redis_.Send({"LRANGE", key, "0", "-1"},
                [this, pod, reading](const redis::Reply& reply) { OnReply(pod, reading, reply); });
  };
  for (uint32_t i = 0; i < uplink_partitions_; ++i) read(routing::UplinkReceiptsKey(i, pod));
  for (uint32_t i = 0; i < bus_partitions_; ++i) read(routing::BusReceiptsKey(i, pod));
}

void Receipts::OnReply(const std::string& pod, const std::shared_ptr<Reading>& reading,
                       const redis::Reply& reply) {
  reading->failed |= !reply.ok();
  for (size_t i = 0; reply.ok() && i < reply.size(); ++i) {
    internal::v1::Receipts batch;
    const std::string_view bytes = reply[i].text();
    if (!batch.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) continue;
    for (internal::v1::Receipt& receipt : *batch.mutable_receipts()) {
      reading->found[receipt.client()].push_back(std::move(receipt));
    }
  }
  if (--reading->open > 0) return;
  const bool is_wanted_again = !next_[pod].empty();
  if (!is_wanted_again) next_.erase(pod);
  for (OnRead& on_read : reading->asked) on_read(reading->failed ? nullptr : &reading->found);
  if (is_wanted_again) BeginSoon(pod);
}

}  // namespace homeport::gateway
