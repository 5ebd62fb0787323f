#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Every Redis key of Homeport. The hash tag {…} keeps what one script touches in one cluster slot.
namespace homeport::routing {

// The partition of a device: Hash64(device) mod `partitions`. `partitions` is fixed for the life of
// a deployment: changing it would reorder a device's messages.
[[nodiscard]] uint32_t PartitionOf(std::string_view device, uint32_t partitions);

// hp:{u:NN}:up — the uplink stream of a partition.
[[nodiscard]] std::string UplinkKey(uint32_t partition);
// hp:{g:<pod>}:inbox — everything going down to a pod.
[[nodiscard]] std::string InboxKey(std::string_view pod);
// hp:{d:<device>}:sess — a hash: `e` the epoch counter; `x` while the device is disabled; `k` where
// a session of the device may outlive, or have outlived, its connection; and for each of its
// sessions a field "<pod> <session>", followed by ClientSuffix, whose value is the epoch. A session
// ends by the removal of its own field, whatever else has happened to the record.
[[nodiscard]] std::string SessionKey(std::string_view device);
[[nodiscard]] std::string SessionField(std::string_view pod, uint64_t session,
                                       std::string_view suffix);
// " <client>", empty where the client id is the device id.
[[nodiscard]] std::string ClientSuffix(std::string_view device, std::string_view client);
// hp:{d:<device>}:kept:<client> — a hash: a session that outlives its connection
// (services/gateway/ownership/session_store.h); hp:{d:<device>}:queue:<client> — its messages, by
// number.
[[nodiscard]] std::string KeptKey(std::string_view device, std::string_view client);
[[nodiscard]] std::string QueueKey(std::string_view device, std::string_view client);
// hp:{d:<device>}:action:<request id> — what a command of that id has come to
// (services/gateway/control/commands_once.h).
[[nodiscard]] std::string ActionKey(std::string_view device, std::string_view request_id);
// What another pod takes over when this one has died: hp:{g:<pod>}:kept — a set of its
// kept sessions; hp:{g:<pod>}:wills — a hash of its clients' wills.
[[nodiscard]] std::string KeptOfPodKey(std::string_view pod);
[[nodiscard]] std::string WillsKey(std::string_view pod);
// hp:{g:<pod>}:places — a hash: up to where the pod has read each partition of the bus.
[[nodiscard]] std::string PlacesKey(std::string_view pod);
// hp:pods — a set of all pods that may have left something behind.
inline constexpr std::string_view kPodsKey = "hp:pods";
// hp:events — there while a client of some pod follows lifecycle events.
inline constexpr std::string_view kEventsKey = "hp:events";
// hp:load — a hash: how many sessions each pod has, "<sessions> <Unix ms>".
inline constexpr std::string_view kLoadKey = "hp:load";
// hp:pod:<pod> — the lease of a pod; exists while the pod lives.
[[nodiscard]] std::string PodKey(std::string_view pod);

// The partition of a topic, or of a filter whose first level is no wildcard: by that level.
[[nodiscard]] uint32_t BusPartitionOf(std::string_view topic, uint32_t partitions);
// hp:{t:NN}:share:<place>:<group> — which pod delivers the message at `place` of that partition to
// a shared subscription (services/gateway/pubsub/shared_claims.h); `group` is a hash of its name and
// filter. Places repeat between partitions.
[[nodiscard]] std::string ShareKey(uint32_t partition, std::string_view place, uint64_t group);
// hp:{g:<pod>}:adopter — held by the pod that takes over what <pod> has left.
[[nodiscard]] std::string AdopterKey(std::string_view pod);
inline constexpr uint32_t kBusPartitionsMax = 1024;
// hp:{t:NN}:bus — messages between clients; hp:{t:NN}:ret — its retained messages, by topic.
[[nodiscard]] std::string BusKey(uint32_t partition);
[[nodiscard]] std::string RetainedKey(uint32_t partition);
// hp:{t:NN}:retbytes — how many bytes these are.
[[nodiscard]] std::string RetainedBytesKey(uint32_t partition);
// hp:{u:NN}:receipts:<pod>, hp:{t:NN}:receipts:<pod> — a list: which QoS 2 publishes of sessions
// that outlive their connections are in the last batches with any that the pod has appended there
// (services/gateway/ownership/receipts.h).
[[nodiscard]] std::string UplinkReceiptsKey(uint32_t partition, std::string_view pod);
[[nodiscard]] std::string BusReceiptsKey(uint32_t partition, std::string_view pod);
// hp:{t:NN}:readers — the pods that read the partition, by when they said so last (Unix ms).
[[nodiscard]] std::string ReadersKey(uint32_t partition);

inline constexpr std::string_view kBlockedField = "x";
inline constexpr std::string_view kBatchField = "b";
// … or this one, where nobody waits for what is in the batch: its reader may let it wait for
// others.
inline constexpr std::string_view kPatientBatchField = "p";

// The device of a session key, the pod of an inbox key; empty where `key` is not of that form.
[[nodiscard]] std::string_view DeviceOfSessionKey(std::string_view key);
[[nodiscard]] std::string_view PodOfInboxKey(std::string_view key);

}  // namespace homeport::routing
