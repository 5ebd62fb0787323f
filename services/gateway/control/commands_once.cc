#include "services/gateway/control/commands_once.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "libs/base/strings.h"
#include "libs/routing/keys.h"

namespace homeport::gateway {
namespace {

constexpr int64_t kPauseMsMin = 25;
constexpr int64_t kPauseMsMax = 800;
constexpr int64_t kWriteMs = 60'000;
constexpr size_t kFingerprintBytes = 16;

// What stands under a key: the payload's fingerprint, a letter, and what belongs to it.
constexpr char kUnderWay = 'u';  // whose it is
constexpr char kReplied = 'r';   // the device's reply
constexpr char kTimedOut = 't';

// Puts a value in the place of the one that is expected, or nothing where it is empty.
const redis::Script& SettleScript() {
  static const redis::Script script(
      "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
      "if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end "
      "redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) return 1");
  return script;
}

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
  if (calls_.size() + writes_ >= c_.config.commands_max) {
    c_.probe.Refuse("commands_max");
    log::Refusal("command_refused", {{"device", request.device}, {"limit", "commands_max"}});
    return on_end({CommandEnd::kTooMany, {}});
  }
  if (commands_.is_stopping()) return on_end({CommandEnd::kStopping, {}});
  const uint64_t number = ++last_number_;
  Call& call = calls_[number];
  call.key = routing::ActionKey(request.device, request_id);
  call.pending =
      fmt::format("{}{}{}.{}", Fingerprint(request.payload), kUnderWay, c_.pod.str(), number);
  call.until_ms = c_.reactor.now().value + request.timeout_ms;
  call.pause_ms = kPauseMsMin;
  call.request = std::move(request);
  call.on_end = std::move(on_end);
  Try(number);
}

void CommandsOnce::EndAll() {
  std::vector<uint64_t> waiting;
  for (const auto& [number, call] : calls_) {
    if (!call.has_begun) waiting.push_back(number);
  }
  for (const uint64_t number : waiting) {
    Settle(calls_[number], {});
    End(number, {CommandEnd::kStopping, {}});
  }
}

void CommandsOnce::End(uint64_t number, CommandResult result) {
  auto call = calls_.extract(number);
  if (!call.empty()) call.mapped().on_end(std::move(result));
}

// Sets the record where there is none, and tells which is there.
void CommandsOnce::Try(uint64_t number) {
  const auto found = calls_.find(number);
  if (found == calls_.end()) return;
  const std::string kept_s = std::to_string(c_.config.action_answer_s);
  redis_.Send({"SET", found->second.key, found->second.pending, "EX", kept_s, "NX", "GET"},
              [this, number](const redis::Reply& reply) { OnRecord(number, reply); });
}

void CommandsOnce::TryLater(uint64_t number) {
  Call& call = calls_[number];
  const int64_t left_ms = call.until_ms - c_.reactor.now().value;
  c_.reactor.After(std::clamp<int64_t>(left_ms, 1, call.pause_ms), [this, number] { Try(number); });
  call.pause_ms = std::min(2 * call.pause_ms, kPauseMsMax);
}

void CommandsOnce::OnRecord(uint64_t number, const redis::Reply& reply) {
  const auto found = calls_.find(number);
  if (found == calls_.end()) return;
  Call& call = found->second;
  const bool is_late = c_.reactor.now().value >= call.until_ms;
  if (!reply.ok()) {
    call.may_be_set |= reply.lost();
    if (reply.lost() && !is_late) return TryLater(number);
    if (call.may_be_set) Settle(call, {});
    return End(number, {CommandEnd::kUnavailable, {}});
  }
  // Where an answer was lost the record may be this one's.
  const bool is_ours = reply.is_nil() || reply.text() == call.pending;
  if (is_ours && is_late) {
    Settle(call, {});
    return End(number, {CommandEnd::kTimedOut, {}});
  }
  if (is_ours) return Run(number);
  const std::string_view record = reply.text();
  if (record.substr(0, kFingerprintBytes) != call.pending.substr(0, kFingerprintBytes)) {
    return End(number, {CommandEnd::kOtherRequest, {}});
  }
  if (auto result = ResultOf(record)) {
    c_.probe.commands_repeated.Increment();
    return End(number, *std::move(result));
  }
  if (is_late) return End(number, {CommandEnd::kTimedOut, {}});
  TryLater(number);
}

void CommandsOnce::Run(uint64_t number) {
  Call& call = calls_[number];
  if (commands_.is_stopping()) {
    Settle(call, {});
    return End(number, {CommandEnd::kStopping, {}});
  }
  call.has_begun = true;
  CommandRequest request = std::move(call.request);
  request.timeout_ms = call.until_ms - c_.reactor.now().value;
  commands_.Start(std::move(request),
                  [this, number](CommandResult result) { OnRun(number, std::move(result)); });
}

// What a gateway that stops leaves behind stays under way: the device may act.
void CommandsOnce::OnRun(uint64_t number, CommandResult result) {
  const Call& call = calls_[number];
  if (NeverReached(result.end)) {
    Settle(call, {});
  } else if (result.end != CommandEnd::kStopping) {
    const bool is_reply = result.end == CommandEnd::kReplied;
    Settle(call, fmt::format("{}{}{}", call.pending.substr(0, kFingerprintBytes),
                             is_reply ? kReplied : kTimedOut, result.payload));
  }
  End(number, std::move(result));
}

void CommandsOnce::Settle(const Call& call, std::string value) {
  ++writes_;
  Write({call.key, call.pending, std::move(value), c_.reactor.now().value + kWriteMs});
}

void CommandsOnce::Write(Record record) {
  std::vector<std::string> arguments = {"1", record.key, record.pending, record.value,
                                        std::to_string(c_.config.action_answer_s)};
  redis_.Eval(SettleScript(), std::move(arguments),
              [this, record = std::move(record)](const redis::Reply& reply) mutable {
                if (reply.ok() || c_.reactor.now().value >= record.until_ms) {
                  --writes_;
                  if (reply.ok()) return;
                  c_.probe.Refuse("action_not_noted");
                  log::Refusal("action_not_noted", {{"key", record.key},
                                                    {"reason", reply.error()},
                                                    {"next", "a repeat of it times out"}});
                  return;
                }
                c_.reactor.After(kPauseMsMax, [this, record = std::move(record)]() mutable {
                  Write(std::move(record));
                });
              });
}

}  // namespace homeport::gateway
