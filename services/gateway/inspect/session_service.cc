#include "services/gateway/inspect/session_service.h"

#include <utility>

#include "libs/auth/certificate.h"
#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/call_deadline.h"
#include "libs/rpc/resource_name.h"
#include "libs/rpc/status_convert.h"
#include "services/gateway/flow/decode_options.h"
#include "services/gateway/inspect/session_requests.h"
#include "services/gateway/inspect/session_view.h"
#include "services/gateway/session/client_key.h"

namespace homeport::gateway {
namespace {

using internal::v1::ScanSessions;
using internal::v1::SessionCall;

constexpr std::string_view kScope = "operator";
constexpr int64_t kCallMs = 5'000;
constexpr PageSizes kListSizes{50, 200};
constexpr PageSizes kMostSizes{20, 100};
constexpr size_t kReasonBytesMax = 200;

// Less where the caller gives up before.
int64_t TimeoutMs(const grpc::CallbackServerContext& context, int64_t ms = kCallMs) {
  return rpc::TimeoutMs(context, {}, {ms, ms});
}

void SetName(std::string_view tenant, session::v1::Session& session) {
  session.set_name(rpc::FormatSessionName(tenant, session.device(), session.client_id()));
}

template <typename Response>
void Fill(SessionList& list, std::string_view tenant, Response* response) {
  for (session::v1::Session& session : list.sessions) {
    SetName(tenant, session);
    *response->add_sessions() = std::move(session);
  }
  for (std::string& pod : list.unreachable) response->add_unreachable(std::move(pod));
}

}  // namespace

Shard& SessionService::ShardOf(const std::string& device) {
  return *shards_[Hash64(device) % shards_.size()];
}

void SessionService::Refuse(const Call& call, const absl::Status& status) {
  const grpc::Status answer = rpc::ToGrpc(status);
  probe_.Refused(call.method, answer);
  call.reactor->Finish(answer);
}

void SessionService::FindSubject(const grpc::CallbackServerContext& context,
                                 const std::string& name, OnSubject done) {
  const absl::StatusOr<auth::Claims> claims = auth_.Authorize(context, kScope);
  if (!claims.ok()) return done(claims.status());
  absl::StatusOr<rpc::SessionName> parsed = rpc::ParseSessionName(name, claims->tenant);
  if (!parsed.ok()) return done(parsed.status());
  if (absl::Status mine = rpc::CheckTenant(*claims, parsed->tenant.str()); !mine.ok()) {
    return done(mine);
  }
  Subject subject{name, claims->tenant, parsed->device, parsed->client, claims->subject};
  const std::string device = parsed->device;
  CheckDevice(device, rpc::MsLeft(context), std::move(subject), std::move(done));
}

void SessionService::CheckDevice(const std::string& device, int64_t wait_ms, Subject subject,
                                 OnSubject done) {
  // Neither is a device of the registry; of a claim the pod that has the session knows the tenant.
  const bool is_claim = device.substr(0, auth::kClaimPrefix.size()) == auth::kClaimPrefix;
  if (config_.anonymous || is_claim) return done(std::move(subject));
  auto on_device = [subject = std::move(subject),
                    done = std::move(done)](absl::StatusOr<Directory::Device> found) mutable {
    if (absl::IsNotFound(found.status()) || (found.ok() && (*found)->tenant() != subject.tenant)) {
      return done(rpc::PermissionDenied(subject.name));
    }
    if (!found.ok()) return done(found.status());
    done(std::move(subject));
  };
  if (auto cached = directory_.CachedDevice(device); cached && cached->ok()) {
    return on_device(*std::move(cached));
  }
  newcomers_.Fetch(device, wait_ms, std::move(on_device));
}

void SessionService::Ask(const Call& call, absl::StatusOr<Subject> subject, SessionCall question,
                         OnAnswer on_done) {
  if (!subject.ok()) return Refuse(call, subject.status());
  auto on_answer = [this, call, name = subject->name,
                    on_done = std::move(on_done)](absl::StatusOr<Answer> answer) mutable {
    absl::Status status = answer.ok() ? ToStatus(*answer, name) : answer.status();
    if (!status.ok()) return Refuse(call, status);
    on_done(*answer);
  };
  question.set_tenant(subject->tenant);
  Shard& shard = ShardOf(subject->device);
  shard.Post([&shard, subject = *std::move(subject), question = std::move(question),
              time = SessionCalls::Time{call.MsLeft(), call.pod_ms},
              on_answer = std::move(on_answer)]() mutable {
    const std::string device = subject.device;
    const std::string client = subject.client;
    shard.session_finder().Find(
        device, client,
        [&shard, subject = std::move(subject), question = std::move(question), time,
         on_answer = std::move(on_answer)](
            absl::StatusOr<std::optional<SessionLocation>> location) mutable {
          if (!location.ok()) return on_answer(location.status());
          if (!location->has_value()) {
            return on_answer(SessionNotFound(subject.name));
          }
          question.set_session((*location)->session);
          question.set_epoch((*location)->epoch);
          shard.session_calls().Call((*location)->pod, std::move(question), time,
                                     std::move(on_answer));
        });
  });
}

grpc::ServerUnaryReactor* SessionService::GetSession(grpc::CallbackServerContext* context,
                                                     const session::v1::GetSessionRequest* request,
                                                     session::v1::Session* response) {
  const Call call{context->DefaultReactor(), "GetSession", TimeoutMs(*context)};
  FindSubject(*context, request->name(), [=, this](absl::StatusOr<Subject> subject) {
    const std::string tenant = subject.ok() ? subject->tenant : std::string();
    SessionCall question;
    question.mutable_describe();
    Ask(call, std::move(subject), std::move(question), [=, this](const Answer& answer) {
      if (answer.sessions_size() > 0) *response = answer.sessions(0);
      SetName(tenant, *response);
      AddFormerEnd(call, response);
    });
  });
  return call.reactor;
}

// Without it where Redis does not answer any more, or too many calls are under way by now.
void SessionService::AddFormerEnd(const Call& call, session::v1::Session* response) {
  Shard& shard = ShardOf(response->device());
  shard.Post([=, &shard] {
    const uint64_t client = ClientKey(response->device(), response->client_id());
    shard.session_lists().LastEnd(client, call.MsLeft(), [=](absl::StatusOr<SessionList> list) {
      if (list.ok() && list->end) *response->mutable_former_end() = *std::move(list->end);
      call.reactor->Finish(grpc::Status::OK);
    });
  });
}

grpc::ServerUnaryReactor* SessionService::DisconnectSession(
    grpc::CallbackServerContext* context, const session::v1::DisconnectSessionRequest* request,
    session::v1::DisconnectSessionResponse*) {
  const Call call{context->DefaultReactor(), "DisconnectSession", TimeoutMs(*context)};
  FindSubject(*context, request->name(), [=, this](absl::StatusOr<Subject> subject) {
    if (subject.ok() && (request->reason().size() > kReasonBytesMax ||
                         request->reason().find('\0') != std::string::npos)) {
      subject = FieldInvalid("reason", "at most 200 bytes, without U+0000");
    }
    SessionCall question;
    question.mutable_disconnect()->set_reason(request->reason());
    const std::string caller = subject.ok() ? subject->caller : std::string();
    Ask(call, std::move(subject), std::move(question), [=](const Answer&) {
      log::Info("session_disconnected",
                {{"session", request->name()}, {"caller", caller}, {"reason", request->reason()}});
      call.reactor->Finish(grpc::Status::OK);
    });
  });
  return call.reactor;
}

grpc::ServerUnaryReactor* SessionService::PublishToSession(
    grpc::CallbackServerContext* context, const session::v1::PublishToSessionRequest* request,
    session::v1::PublishToSessionResponse* response) {
  const absl::StatusOr<int64_t> puback_ms = ToPubackMs(*request);
  const Call call{context->DefaultReactor(), "PublishToSession",
                  TimeoutMs(*context, puback_ms.value_or(0) + SessionCalls::kWayMsMax),
                  puback_ms.value_or(0)};
  FindSubject(*context, request->name(), [=, this](absl::StatusOr<Subject> subject) {
    SessionCall question;
    if (subject.ok()) {
      auto publish = ToPublish(*request, LimitsOf(config_));
      if (!publish.ok()) return Refuse(call, publish.status());
      if (!puback_ms.ok()) return Refuse(call, puback_ms.status());
      *question.mutable_publish() = *std::move(publish);
    }
    Ask(call, std::move(subject), std::move(question), [=](const Answer& answer) {
      response->set_reason_code(static_cast<int32_t>(answer.reason_code()));
      call.reactor->Finish(grpc::Status::OK);
    });
  });
  return call.reactor;
}

absl::StatusOr<std::string> SessionService::FindTenant(const grpc::CallbackServerContext& context,
                                                       const std::string& parent) const {
  HP_ASSIGN_OR_RETURN(const auth::Claims claims, auth_.Authorize(context, kScope));
  HP_ASSIGN_OR_RETURN(const TenantId tenant, rpc::ParseTenantName(parent, claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, tenant.str()));
  return tenant.str();
}

grpc::ServerUnaryReactor* SessionService::ListSessions(
    grpc::CallbackServerContext* context, const session::v1::ListSessionsRequest* request,
    session::v1::ListSessionsResponse* response) {
  const Call call{context->DefaultReactor(), "ListSessions", TimeoutMs(*context)};
  if (request->parent().find("/devices/") != std::string::npos) {
    ListOfDevice(call, *context, request, response);
    return call.reactor;
  }
  const absl::StatusOr<std::string> tenant = FindTenant(*context, request->parent());
  const absl::StatusOr<uint32_t> size = ToPageSize(request->page_size(), kListSizes);
  std::optional<ListPlace> from = ListPlace();
  absl::Status status = tenant.ok() ? size.status() : tenant.status();
  if (status.ok() && !request->page_token().empty()) {
    from = ParsePageToken(*tenant, request->page_token());
    if (!from) status = PageTokenInvalid();
  }
  if (!status.ok()) {
    Refuse(call, status);
    return call.reactor;
  }
  Shard& shard = AnyShard();
  shard.Post([=, this, &shard, tenant = *tenant, size = *size, from = *from] {
    shard.session_lists().Page(
        {tenant, size, call.timeout_ms}, from, [=, this](absl::StatusOr<SessionList> list) {
          if (!list.ok()) return Refuse(call, list.status());
          Fill(*list, tenant, response);
          if (list->next) response->set_next_page_token(FormatPageToken(tenant, *list->next));
          call.reactor->Finish(grpc::Status::OK);
        });
  });
  return call.reactor;
}

void SessionService::ListOfDevice(const Call& call, const grpc::CallbackServerContext& context,
                                  const session::v1::ListSessionsRequest* request,
                                  session::v1::ListSessionsResponse* response) {
  FindSubject(context, request->parent() + "/sessions/-",
              [=, this](absl::StatusOr<Subject> subject) {
                if (!subject.ok()) return Refuse(call, subject.status());
                const absl::Status size = ToPageSize(request->page_size(), kListSizes).status();
                if (!size.ok()) return Refuse(call, size);
                if (!request->page_token().empty()) return Refuse(call, PageTokenInvalid());
                Shard& shard = ShardOf(subject->device);
                shard.Post([=, this, &shard, subject = *std::move(subject)] {
                  shard.session_lists().OfDevice(
                      {subject.tenant, kListSizes.size_max, call.timeout_ms}, subject.device,
                      [=, this, tenant = subject.tenant](absl::StatusOr<SessionList> list) {
                        if (!list.ok()) return Refuse(call, list.status());
                        Fill(*list, tenant, response);
                        call.reactor->Finish(grpc::Status::OK);
                      });
                });
              });
}

template <typename Request, typename Response>
void SessionService::ListMost(const Call& call, const grpc::CallbackServerContext& context,
                              const Request& request, absl::StatusOr<ScanSessions::Kind> kind,
                              Response* response) {
  const absl::StatusOr<std::string> tenant = FindTenant(context, request.parent());
  if (!tenant.ok()) return Refuse(call, tenant.status());
  const absl::StatusOr<uint32_t> size = ToPageSize(request.page_size(), kMostSizes);
  if (!size.ok()) return Refuse(call, size.status());
  if (!kind.ok()) return Refuse(call, kind.status());
  Shard& shard = AnyShard();
  shard.Post([=, this, &shard, tenant = *tenant, size = *size, kind = *kind] {
    shard.session_lists().Most({tenant, size, call.timeout_ms}, kind,
                               [=, this](absl::StatusOr<SessionList> list) {
                                 if (!list.ok()) return Refuse(call, list.status());
                                 Fill(*list, tenant, response);
                                 call.reactor->Finish(grpc::Status::OK);
                               });
  });
}

grpc::ServerUnaryReactor* SessionService::ListTopTalkers(
    grpc::CallbackServerContext* context, const session::v1::ListTopTalkersRequest* request,
    session::v1::ListTopTalkersResponse* response) {
  const Call call{context->DefaultReactor(), "ListTopTalkers", TimeoutMs(*context)};
  ListMost(call, *context, *request, ToKind(request->order()), response);
  return call.reactor;
}

grpc::ServerUnaryReactor* SessionService::ListSlowConsumers(
    grpc::CallbackServerContext* context, const session::v1::ListSlowConsumersRequest* request,
    session::v1::ListSlowConsumersResponse* response) {
  const Call call{context->DefaultReactor(), "ListSlowConsumers", TimeoutMs(*context)};
  ListMost(call, *context, *request, ScanSessions::KIND_MOST_QUEUED_BYTES, response);
  return call.reactor;
}

}  // namespace homeport::gateway
