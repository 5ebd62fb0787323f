#include "services/gateway/control/command_table.h"

#include <charconv>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/strings.h"
#include "libs/json/cbor.h"
#include "libs/json/parse.h"
#include "libs/json/print.h"

namespace homeport::gateway {
namespace {

using internal::v1::CommandAnswer;

CommandEnd EndOf(CommandAnswer::Result result) {
  switch (result) {
    case CommandAnswer::RESULT_REPLIED:
      return CommandEnd::kReplied;
    case CommandAnswer::RESULT_NOT_SUBSCRIBED:
      return CommandEnd::kNotSubscribed;
    case CommandAnswer::RESULT_QUEUE_FULL:
      return CommandEnd::kTooMany;
    default:
      return CommandEnd::kOffline;
  }
}

CommandAnswer::Result ResultOf(DeliveryResult result) {
  switch (result) {
    case DeliveryResult::kNotSubscribed:
      return CommandAnswer::RESULT_NOT_SUBSCRIBED;
    case DeliveryResult::kQueueFull:
      return CommandAnswer::RESULT_QUEUE_FULL;
    default:
      return CommandAnswer::RESULT_OFFLINE;
  }
}

constexpr json::ParseLimits kReplyLimits{
    .depth_max = 16, .bytes_max = 256 * 1024, .nodes_max = 16'384};

// Empty where it is none, which is no reply either.
std::string JsonOf(std::string_view bytes) {
  json::Value value;
  return json::ReadCbor(bytes, kReplyLimits, value) ? json::Print(value) : std::string();
}

}  // namespace

void CommandTable::EndAll() {
  stopping_ = true;
  while (!pending_.empty()) {
    const auto first = pending_.begin();
    const std::string device = first->second.device;
    End(first->first, {device}, {CommandEnd::kStopping, {}});
  }
}

void CommandTable::Start(CommandRequest request, OnEnd on_end) {
  if (stopping_) return on_end({CommandEnd::kStopping, {}});
  if (pending_.size() >= c_.config.commands_max) {
    c_.probe.Refuse("commands_max");
    log::Refusal("command_refused", {{"device", request.device}, {"limit", "commands_max"}});
    return on_end({CommandEnd::kTooMany, {}});
  }
  const uint64_t correlation = ++last_correlation_;
  Pending& pending = pending_[correlation];
  pending.device = request.device;
  pending.hub = request.hub;
  pending.on_end = std::move(on_end);
  pending.started_us = MonotonicMicros();
  pending.timer = c_.reactor.After(request.timeout_ms, [this, correlation] {
    const auto found = pending_.find(correlation);
    if (found != pending_.end())
      End(correlation, {found->second.device}, {CommandEnd::kTimedOut, {}});
  });
  c_.probe.commands_pending.Set(static_cast<int64_t>(pending_.size()));
  std::string device = request.device;
  c_.ownership.Locate(std::move(device),
                      [this, correlation, request = std::move(request)](
                          absl::StatusOr<std::optional<SessionLocation>> location) mutable {
                        const bool absent = location.ok() && !location->has_value();
                        if (absent && !request.hub.empty())
                          return Locate(correlation, std::move(request));
                        OnLocated(correlation, std::move(request), std::move(location));
                      });
}

// A child without a connection of its own: where its hub is.
void CommandTable::Locate(uint64_t correlation, CommandRequest request) {
  std::string hub = request.hub;
  c_.ownership.Locate(std::move(hub),
                      [this, correlation, request = std::move(request)](
                          absl::StatusOr<std::optional<SessionLocation>> location) mutable {
                        OnLocated(correlation, std::move(request), std::move(location));
                      });
}

void CommandTable::OnLocated(uint64_t correlation, CommandRequest request,
                             absl::StatusOr<std::optional<SessionLocation>> location) {
  if (!location.ok()) return End(correlation, {request.device}, {CommandEnd::kUnavailable, {}});
  if (!location->has_value()) return End(correlation, {request.device}, {CommandEnd::kOffline, {}});
  internal::v1::InboxItem item;
  internal::v1::Command& command = *item.mutable_command();
  command.set_session((*location)->session);
  command.set_epoch((*location)->epoch);
  command.set_device(std::move(request.device));
  command.set_verb(std::move(request.verb));
  command.set_reply_pod(c_.pod.str());
  command.set_correlation(correlation);
  command.set_payload(std::move(request.payload));
  command.set_deadline_ms(c_.reactor.wall().value + request.timeout_ms);
  if ((*location)->pod == c_.pod.str()) return OnCommand(command);
  c_.outbox.Add((*location)->pod, std::move(item));
}

void CommandTable::OnCommand(const internal::v1::Command& command) {
  const int64_t left_ms = command.deadline_ms() - c_.reactor.wall().value;
  if (left_ms < 0) {
    c_.probe.Refuse("command_expired");
    log::Refusal("command_dropped", {{"device", command.device()}, {"reason", "deadline passed"}});
    return;
  }
  const std::string topic = fmt::format("device/{}/down/{}/{}.{}", command.device(), command.verb(),
                                        command.reply_pod(), command.correlation());
  // One that waits for its device longer than its caller did must not be carried out.
  const auto expiry_s = static_cast<uint32_t>(left_ms / 1000 + 1);
  const DeliveryResult result =
      delivery_.DeliverTyped(SessionHandle::FromPacked(command.session()), command.epoch(),
                             {topic, command.payload(), 1, expiry_s});
  if (result != DeliveryResult::kSent) Answer(command, ResultOf(result));
}

void CommandTable::Answer(const internal::v1::Command& command, CommandAnswer::Result result) {
  internal::v1::InboxItem item;
  CommandAnswer& answer = *item.mutable_command_answer();
  answer.set_correlation(command.correlation());
  answer.set_device(command.device());
  answer.set_result(result);
  if (command.reply_pod() == c_.pod.str()) return OnAnswer(answer);
  c_.outbox.Add(command.reply_pod(), std::move(item));
}

void CommandTable::OnReply(const Replier& replier, const Reply& reply) {
  const std::string_view request = reply.request;
  const size_t dot = request.rfind('.');
  uint64_t correlation = 0;
  const std::string_view digits =
      dot == std::string_view::npos ? std::string_view() : request.substr(dot + 1);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), correlation);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
    c_.probe.Refuse("reply_request_unknown");
    log::Refusal("reply_dropped", {{"device", replier.device()}, {"reason", "no request of ours"}});
    return;
  }
  internal::v1::InboxItem item;
  CommandAnswer& answer = *item.mutable_command_answer();
  answer.set_correlation(correlation);
  answer.set_device(std::string(replier.device()));
  if (!replier.child.empty()) answer.set_hub(std::string(replier.session));
  answer.set_result(CommandAnswer::RESULT_REPLIED);
  answer.set_payload(reply.cbor ? JsonOf(reply.payload) : std::string(reply.payload));
  const std::string pod(request.substr(0, dot));
  if (pod == c_.pod.str()) return OnAnswer(answer);
  c_.outbox.Add(pod, std::move(item));
}

void CommandTable::OnAnswer(const CommandAnswer& answer) {
  Replier replier{answer.device()};
  if (!answer.hub().empty()) replier = {answer.hub(), answer.device()};
  End(answer.correlation(), replier, {EndOf(answer.result()), answer.payload()});
}

// Late answers, and answers of a device, or through a hub, that was not asked, find nothing.
void CommandTable::End(uint64_t correlation, const Replier& replier, CommandResult result) {
  const auto found = pending_.find(correlation);
  if (found == pending_.end() || found->second.device != replier.device() ||
      (!replier.child.empty() && found->second.hub != replier.session)) {
    c_.probe.Refuse("reply_unexpected");
    log::Refusal("reply_dropped", {{"device", replier.device()},
                                   {"reason", "late, or of a device that was not asked"}});
    return;
  }
  c_.reactor.Cancel(found->second.timer);
  if (result.end == CommandEnd::kReplied) {
    c_.probe.command_us.Observe(MonotonicMicros() - found->second.started_us);
  }
  OnEnd on_end = std::move(found->second.on_end);
  pending_.erase(found);
  c_.probe.commands_pending.Set(static_cast<int64_t>(pending_.size()));
  on_end(std::move(result));
}

}  // namespace homeport::gateway
