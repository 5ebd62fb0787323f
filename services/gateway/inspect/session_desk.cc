#include "services/gateway/inspect/session_desk.h"

#include <google/protobuf/util/time_util.h>

#include <memory>
#include <string>
#include <utility>

#include "libs/base/log.h"

namespace homeport::gateway {
namespace {

using internal::v1::SessionAnswer;
using internal::v1::SessionCall;

SessionAnswer AnswerOf(SessionAnswer::Result result) {
  SessionAnswer answer;
  answer.set_result(result);
  return answer;
}

SessionAnswer::Result ResultOf(Delivery::DirectResult result) {
  switch (result) {
    case Delivery::DirectResult::kSent:
      return SessionAnswer::RESULT_DONE;
    case Delivery::DirectResult::kWindowFull:
      return SessionAnswer::RESULT_WINDOW_FULL;
    case Delivery::DirectResult::kTooLarge:
      return SessionAnswer::RESULT_TOO_LARGE;
    case Delivery::DirectResult::kEnded:
      break;
  }
  return SessionAnswer::RESULT_ENDED;
}

}  // namespace

void SessionDesk::Take(const SessionCall& call, Reply reply) {
  if (call.deadline_ms() < c_.reactor.wall().value) {
    c_.probe.Refuse("session_call_expired");
    log::Refusal("session_call_dropped", {{"from", call.reply_pod()}, {"reason", "too late"}});
    return;
  }
  switch (call.call_case()) {
    case SessionCall::kDescribe:
      return Describe(call, std::move(reply));
    case SessionCall::kDisconnect:
      return Disconnect(call, std::move(reply));
    case SessionCall::kPublish:
      return Publish(call, std::move(reply));
    case SessionCall::kScan: {
      auto shared = std::make_shared<Reply>(std::move(reply));  // used by one of the two
      if (scan_.Start(call.scan(), call.tenant(),
                      [shared](SessionAnswer answer) { (*shared)(std::move(answer)); }))
        return;
      c_.probe.Refuse("session_scans");
      log::Refusal("session_call_refused",
                   {{"from", call.reply_pod()}, {"limit", "session_scans"}});
      return (*shared)(AnswerOf(SessionAnswer::RESULT_TOO_MANY));
    }
    case SessionCall::kFindEnd:
      return FindEnd(call.find_end().client(), std::move(reply));
    default:  // a newer pod's
      c_.probe.inbox_malformed.Increment();
      return reply(AnswerOf(SessionAnswer::RESULT_UNSUPPORTED));
  }
}

void SessionDesk::FindEnd(uint64_t client, Reply reply) const {
  SessionAnswer answer = AnswerOf(SessionAnswer::RESULT_DONE);
  if (const RecentEnds::End* end = c_.ends.Find(client)) {
    session::v1::End& out = *answer.mutable_end();
    *out.mutable_end_time() = google::protobuf::util::TimeUtil::MillisecondsToTimestamp(end->at_ms);
    out.set_reason(std::string(end->word));
    out.set_reason_code(static_cast<int>(end->reason));
  }
  reply(std::move(answer));
}

Session* SessionDesk::Find(const SessionCall& call, Reply& reply) {
  Session* session = c_.io.sessions().FindKept(SessionHandle::FromPacked(call.session()));
  const bool is_it = session != nullptr && session->epoch == call.epoch() &&
                     (session->phase == Phase::kOnline || session->is_away());
  if (!is_it) {
    c_.probe.stale_epochs.Increment();
    reply(AnswerOf(SessionAnswer::RESULT_MOVED));
    return nullptr;
  }
  if (!MaySee(*session, call.tenant(), c_.config.anonymous)) {
    reply(AnswerOf(SessionAnswer::RESULT_FOREIGN));
    return nullptr;
  }
  return session;
}

void SessionDesk::Describe(const SessionCall& call, Reply reply) {
  const Session* session = Find(call, reply);
  if (session == nullptr) return;
  SessionAnswer answer = AnswerOf(SessionAnswer::RESULT_DONE);
  view_.Describe(*session, SessionView::Detail::kFull, *answer.add_sessions());
  reply(std::move(answer));
}

void SessionDesk::Disconnect(const SessionCall& call, Reply reply) {
  Session* session = Find(call, reply);
  if (session == nullptr) return;
  if (session->is_away()) return reply(AnswerOf(SessionAnswer::RESULT_OFFLINE));
  const std::string& reason = call.disconnect().reason();
  c_.io.Close(*session,
              {"API_INITIATED_DISCONNECT", mqtt::ReasonCode::kAdministrativeAction,
               reason.empty() ? std::string_view("disconnected by an operator") : reason});
  reply(AnswerOf(SessionAnswer::RESULT_DONE));
}

void SessionDesk::Publish(const SessionCall& call, Reply reply) {
  Session* session = Find(call, reply);
  if (session == nullptr) return;
  if (session->is_away()) return reply(AnswerOf(SessionAnswer::RESULT_OFFLINE));
  if (delivery_.puback_waits().size() >= c_.config.session_calls_max) {
    c_.probe.Refuse("session_calls_max");
    log::Refusal("session_call_refused",
                 {{"from", call.reply_pod()}, {"limit", "session_calls_max"}});
    return reply(AnswerOf(SessionAnswer::RESULT_TOO_MANY));
  }
  const SessionHandle handle = session->handle();
  const BusMessage& message = call.publish().message();
  const auto qos = message.qos() == 0 ? mqtt::Qos::kAtMostOnce : mqtt::Qos::kAtLeastOnce;
  uint16_t packet_id = 0;
  const Delivery::DirectResult result =
      delivery_.SendDirect(*session, {std::make_shared<BusMessage>(message), {}, qos}, &packet_id);
  if (result != Delivery::DirectResult::kSent || qos == mqtt::Qos::kAtMostOnce) {
    return reply(AnswerOf(ResultOf(result)));
  }
  AwaitPuback(handle, packet_id, call.deadline_ms() - c_.reactor.wall().value, std::move(reply));
}

void SessionDesk::AwaitPuback(SessionHandle session, uint16_t packet_id, int64_t wait_ms,
                              Reply reply) {
  auto shared = std::make_shared<Reply>(std::move(reply));  // used by whichever comes first
  const net::TimerId timer = c_.reactor.After(wait_ms, [this, session, packet_id, shared] {
    if (!delivery_.puback_waits().Take(session, packet_id)) return;
    (*shared)(AnswerOf(SessionAnswer::RESULT_TIMED_OUT));
  });
  delivery_.puback_waits().Add(
      session, packet_id, [this, timer, shared](std::optional<mqtt::ReasonCode> reason) {
        c_.reactor.Cancel(timer);
        SessionAnswer answer =
            AnswerOf(reason ? SessionAnswer::RESULT_DONE : SessionAnswer::RESULT_ENDED);
        if (reason) answer.set_reason_code(static_cast<uint32_t>(*reason));
        (*shared)(std::move(answer));
      });
}

}  // namespace homeport::gateway
