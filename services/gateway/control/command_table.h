#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "homeport/internal/v1/envelope.pb.h"
#include "services/gateway/flow/delivery.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// A request to a device, and how it ended.
struct CommandRequest {
  std::string device;
  std::string hub;   // through whose session it goes where the device has none; empty: no hub's
  std::string verb;  // get | set | action
  std::string payload;
  int64_t timeout_ms = 5000;
};

// Who answers: a device, or a hub for its child.
struct Replier {
  std::string_view session;     // the device whose session it is
  std::string_view child = {};  // empty: the device speaks for itself

  [[nodiscard]] std::string_view device() const { return child.empty() ? session : child; }
};

// What it published.
struct Reply {
  std::string_view request;  // of the topic
  std::string_view payload;
  bool cbor = false;
};

enum class CommandEnd : uint8_t {
  kReplied,        // payload is the device's reply
  kOffline,        // no session, or it ended before delivery
  kNotSubscribed,  // connected, but not listening for this verb
  kTimedOut,       // no reply in time; the device may still act
  kTooMany,        // commands_max of this shard, or the device's queue is full
  kUnavailable,    // Redis did not answer
  kStopping,       // the gateway is
  kOtherRequest,   // of CommandsOnce: another payload had the request id
};

struct CommandResult {
  CommandEnd end = CommandEnd::kTimedOut;
  std::string payload;
};

// Both ends of commands: those begun here that await their reply, and those for devices of this
// shard. The request part of the topic is "<pod>.<correlation>" of the asking shard, so a reply
// finds its way without a table at the device's end. Shard's thread only.
class CommandTable {
 public:
  using OnEnd = absl::AnyInvocable<void(CommandResult)>;

  CommandTable(ShardContext& context, Delivery& delivery) : c_(context), delivery_(delivery) {}

  // `on_end` is called exactly once, on the shard's thread.
  void Start(CommandRequest request, OnEnd on_end);

  // Ends everything pending as kStopping, and refuses what comes.
  void EndAll();
  [[nodiscard]] bool is_stopping() const { return stopping_; }

  // The device's end.
  void OnCommand(const internal::v1::Command& command);
  void OnReply(const Replier& replier, const Reply& reply);
  // The asking end.
  void OnAnswer(const internal::v1::CommandAnswer& answer);

 private:
  struct Pending {
    std::string device;
    std::string hub;  // the only other one that may answer for it
    OnEnd on_end;
    net::TimerId timer = 0;
    int64_t started_us = 0;
  };

  void Locate(uint64_t correlation, CommandRequest request);
  void OnLocated(uint64_t correlation, CommandRequest request,
                 absl::StatusOr<std::optional<SessionLocation>> location);
  void End(uint64_t correlation, const Replier& replier, CommandResult result);
  void Answer(const internal::v1::Command& command, internal::v1::CommandAnswer::Result result);

  ShardContext& c_;
  Delivery& delivery_;
  absl::flat_hash_map<uint64_t, Pending> pending_;
  uint64_t last_correlation_ = 0;
  bool stopping_ = false;
};

}  // namespace homeport::gateway
