#include "services/gateway/inspect/session_calls.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/reason.h"
#include "libs/base/strings.h"

namespace homeport::gateway {
namespace {

using absl::StatusCode;
using internal::v1::SessionAnswer;
using internal::v1::SessionCall;

// Of the time for a call, for the way there and back.
constexpr int64_t kWayPart = 4;

absl::Status Draining() {
  return ErrorWithReason(StatusCode::kUnavailable, "GATEWAY_DRAINING", "the gateway is stopping");
}

}  // namespace

void SessionCalls::Call(const std::string& pod, SessionCall call, Time time, OnAnswer on_answer) {
  if (stopping_) return on_answer(Draining());
  if (pending_.size() >= c_.config.session_calls_max) {
    c_.probe.Refuse("session_calls_max");
    log::Refusal("session_call_refused", {{"pod", pod}, {"limit", "session_calls_max"}});
    return on_answer(ErrorWithReason(StatusCode::kResourceExhausted, "TOO_MANY_CALLS",
                                     "too many calls about sessions are under way"));
  }
  const uint64_t correlation = ++last_correlation_;
  call.set_reply_pod(c_.pod.str());
  call.set_correlation(correlation);
  const int64_t way_ms = std::min(time.answer_ms / kWayPart, kWayMsMax);
  const int64_t pod_ms = std::min(time.answer_ms - way_ms, time.pod_ms);
  call.set_deadline_ms(c_.reactor.wall().value + pod_ms);
  Pending& pending = pending_[correlation];
  pending.on_answer = std::move(on_answer);
  pending.timer = c_.reactor.After(time.answer_ms, [this, correlation, pod, time] {
    End(correlation, ErrorWithReason(StatusCode::kUnavailable, "POD_UNREACHABLE",
                                     fmt::format("gateway pod {} has not answered within {} ms",
                                                 pod, time.answer_ms)));
  });
  if (pod == c_.pod.str()) return OnCall(call);
  internal::v1::InboxItem item;
  *item.mutable_session_call() = std::move(call);
  c_.outbox.Add(pod, std::move(item));
}

void SessionCalls::OnCall(const SessionCall& call) {
  desk_.Take(
      call, [this, pod = call.reply_pod(), correlation = call.correlation()](SessionAnswer answer) {
        answer.set_correlation(correlation);
        if (pod == c_.pod.str()) return OnReply(answer);
        internal::v1::InboxItem item;
        *item.mutable_session_answer() = std::move(answer);
        c_.outbox.Add(pod, std::move(item));
      });
}

void SessionCalls::OnReply(const SessionAnswer& answer) { End(answer.correlation(), answer); }

// Late answers find nothing.
void SessionCalls::End(uint64_t correlation, absl::StatusOr<SessionAnswer> answer) {
  const auto found = pending_.find(correlation);
  if (found == pending_.end()) {
    c_.probe.Refuse("session_answer_unexpected");
    return log::Refusal("session_answer_dropped", {{"reason", "it came too late"}});
  }
  c_.reactor.Cancel(found->second.timer);
  OnAnswer on_answer = std::move(found->second.on_answer);
  pending_.erase(found);
  on_answer(std::move(answer));
}

void SessionCalls::EndAll() {
  stopping_ = true;
  while (!pending_.empty()) End(pending_.begin()->first, Draining());
}

}  // namespace homeport::gateway
