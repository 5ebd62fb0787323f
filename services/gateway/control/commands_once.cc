#include "services/gateway/control/commands_once.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "libs/base/strings.h"
#include "libs/routing/keys.h"

namespace homeport::gateway {
namespace {

constexpr int64_t kRetryMs = 50;
constexpr size_t kFingerprintBytes = 16;

// What stands under a key: the payload's fingerprint, a letter, and what belongs to it.
constexpr char kUnderWay = 'u';  // whose it is
constexpr char kReplied = 'r';   // the device's reply
constexpr char kTimedOut = 't';

std::string Fingerprint(std::string_view payload) {
  return fmt::format("{:016x}", Hash64(payload));
}

// Whether the command has surely not reached its device.
bool NeverReached(CommandEnd end) {
  return end == CommandEnd::kOffline || end == CommandEnd::kNotSubscribed ||
         end == CommandEnd::kTooMany || end == CommandEnd::kUnavailable;
}

// What a record says; nothing while its command is under way.
std::optional<CommandResult> ResultOf(std::string_view record) {
  if (record.size() <= kFingerprintBytes) return std::nullopt;
  switch (record[kFingerprintBytes]) {
    case kReplied:
      return CommandResult{CommandEnd::kReplied, std::string(record.substr(kFingerprintBytes + 1))};
    case kTimedOut:
      return CommandResult{CommandEnd::kTimedOut, {}};
    default:
      return std::nullopt;
  }
}

}  // namespace

void CommandsOnce::Start(std::string_view request_id, CommandRequest request,
                         CommandTable::OnEnd on_end) {
  if (waiting_ >= c_.config.commands_max) {
    c_.probe.Refuse("commands_max");
    log::Refusal("command_refused", {{"device", request.device}, {"limit", "commands_max"}});
    return on_end({CommandEnd::kTooMany, {}});
  }
  ++waiting_;
  Call call;
  call.key = routing::ActionKey(request.device, request_id);
  call.pending = fmt::format("{}{}{}.{}", Fingerprint(request.payload), kUnderWay, c_.pod.str(),
                             ++last_number_);
  call.until_ms = c_.reactor.now().value + request.timeout_ms;
  call.request = std::move(request);
  call.on_end = std::move(on_end);
  Try(std::move(call));
}

void CommandsOnce::End(Call& call, CommandResult result) {
  --waiting_;
  call.on_end(std::move(result));
}

// Sets the record where there is none, and tells which is there.
void CommandsOnce::Try(Call call) {
  if (commands_.is_stopping()) return End(call, {CommandEnd::kStopping, {}});
  const std::string key = call.key;
  const std::string pending = call.pending;
  const std::string kept_s = std::to_string(c_.config.action_answer_s);
  redis_.Send({"SET", key, pending, "EX", kept_s, "NX", "GET"},
              [this, call = std::move(call)](const redis::Reply& reply) mutable {
                OnRecord(std::move(call), reply);
              });
}

void CommandsOnce::TryLater(Call call) {
  c_.reactor.After(kRetryMs, [this, call = std::move(call)]() mutable { Try(std::move(call)); });
}

void CommandsOnce::OnRecord(Call call, const redis::Reply& reply) {
  const bool is_late = c_.reactor.now().value >= call.until_ms;
  // Where the answer was lost the record may be there: then it is found to be this one's.
  if (reply.lost() && !is_late) return TryLater(std::move(call));
  if (!reply.ok()) return End(call, {CommandEnd::kUnavailable, {}});
  if (reply.is_nil() || reply.text() == call.pending) return Run(std::move(call));
  const std::string_view record = reply.text();
  if (record.substr(0, kFingerprintBytes) != call.pending.substr(0, kFingerprintBytes)) {
    return End(call, {CommandEnd::kOtherRequest, {}});
  }
  if (auto result = ResultOf(record)) {
    c_.probe.commands_repeated.Increment();
    return End(call, *std::move(result));
  }
  if (is_late) return End(call, {CommandEnd::kTimedOut, {}});
  TryLater(std::move(call));
}

void CommandsOnce::Run(Call call) {
  CommandRequest request = std::move(call.request);
  request.timeout_ms = std::max<int64_t>(call.until_ms - c_.reactor.now().value, 1);
  if (commands_.is_stopping()) {
    Record(call.key, call.pending, {CommandEnd::kUnavailable, {}});
    return End(call, {CommandEnd::kStopping, {}});
  }
  commands_.Start(std::move(request), [this, call = std::move(call)](CommandResult result) mutable {
    Record(call.key, call.pending, result);
    End(call, std::move(result));
  });
}

// What a gateway that stops leaves behind stays under way: the device may act.
void CommandsOnce::Record(const std::string& key, std::string_view pending,
                          const CommandResult& result) {
  if (result.end == CommandEnd::kStopping) return;
  if (NeverReached(result.end)) return redis_.Send({"DEL", key}, [](const redis::Reply&) {});
  const bool is_reply = result.end == CommandEnd::kReplied;
  const std::string record = fmt::format("{}{}{}", pending.substr(0, kFingerprintBytes),
                                         is_reply ? kReplied : kTimedOut, result.payload);
  const std::string kept_s = std::to_string(c_.config.action_answer_s);
  redis_.Send({"SET", key, record, "EX", kept_s}, [](const redis::Reply&) {});
}

}  // namespace homeport::gateway
