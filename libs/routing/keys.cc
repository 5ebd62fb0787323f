#include "libs/routing/keys.h"

#include "libs/base/hash.h"
#include "libs/base/strings.h"

namespace homeport::routing {
namespace {

std::string_view Between(std::string_view key, std::string_view prefix, std::string_view suffix) {
  if (key.size() <= prefix.size() + suffix.size()) return {};
  if (key.substr(0, prefix.size()) != prefix) return {};
  if (key.substr(key.size() - suffix.size()) != suffix) return {};
  return key.substr(prefix.size(), key.size() - prefix.size() - suffix.size());
}

}  // namespace

uint32_t PartitionOf(std::string_view device, uint32_t partitions) {
  return static_cast<uint32_t>(Hash64(device) % partitions);
}

std::string UplinkKey(uint32_t partition) { return fmt::format("hp:{{u:{:02}}}:up", partition); }

uint32_t BusPartitionOf(std::string_view topic, uint32_t partitions) {
  return static_cast<uint32_t>(Hash64(topic.substr(0, topic.find('/'))) % partitions);
}

std::string BusKey(uint32_t partition) { return fmt::format("hp:{{t:{:02}}}:bus", partition); }

std::string RetainedKey(uint32_t partition) { return fmt::format("hp:{{t:{:02}}}:ret", partition); }

std::string RetainedBytesKey(uint32_t partition) {
  return fmt::format("hp:{{t:{:02}}}:retbytes", partition);
}

std::string UplinkReceiptsKey(uint32_t partition, std::string_view pod) {
  return fmt::format("hp:{{u:{:02}}}:receipts:{}", partition, pod);
}

std::string BusReceiptsKey(uint32_t partition, std::string_view pod) {
  return fmt::format("hp:{{t:{:02}}}:receipts:{}", partition, pod);
}

std::string ReadersKey(uint32_t partition) {
  return fmt::format("hp:{{t:{:02}}}:readers", partition);
}

std::string ShareKey(uint32_t partition, std::string_view place, uint64_t group) {
  return fmt::format("hp:{{t:{:02}}}:share:{}:{:x}", partition, place, group);
}

std::string AdopterKey(std::string_view pod) { return fmt::format("hp:{{g:{}}}:adopter", pod); }

std::string InboxKey(std::string_view pod) { return fmt::format("hp:{{g:{}}}:inbox", pod); }

std::string SessionKey(std::string_view device) { return fmt::format("hp:{{d:{}}}:sess", device); }

std::string SessionField(std::string_view pod, uint64_t session, std::string_view suffix) {
  return fmt::format("{} {}{}", pod, session, suffix);
}

std::string ClientSuffix(std::string_view device, std::string_view client) {
  return client.empty() || client == device ? std::string() : fmt::format(" {}", client);
}

std::string KeptKey(std::string_view device, std::string_view client) {
  return fmt::format("hp:{{d:{}}}:kept:{}", device, client);
}

std::string QueueKey(std::string_view device, std::string_view client) {
  return fmt::format("hp:{{d:{}}}:queue:{}", device, client);
}

std::string ActionKey(std::string_view device, std::string_view request_id) {
  return fmt::format("hp:{{d:{}}}:action:{}", device, request_id);
}

std::string KeptOfPodKey(std::string_view pod) { return fmt::format("hp:{{g:{}}}:kept", pod); }

std::string WillsKey(std::string_view pod) { return fmt::format("hp:{{g:{}}}:wills", pod); }

std::string PlacesKey(std::string_view pod) { return fmt::format("hp:{{g:{}}}:places", pod); }

std::string PodKey(std::string_view pod) { return fmt::format("hp:pod:{}", pod); }

std::string_view DeviceOfSessionKey(std::string_view key) {
  return Between(key, "hp:{d:", "}:sess");
}

std::string_view PodOfInboxKey(std::string_view key) { return Between(key, "hp:{g:", "}:inbox"); }

}  // namespace homeport::routing
