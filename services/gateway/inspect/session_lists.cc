#include "services/gateway/inspect/session_lists.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <memory>
#include <utility>

#include "libs/base/clock.h"
#include "libs/base/hash.h"
#include "libs/base/strings.h"
#include "services/gateway/inspect/session_requests.h"

namespace homeport::gateway {
namespace {

using internal::v1::ScanSessions;
using internal::v1::SessionAnswer;
using internal::v1::SessionCall;

SessionCall ScanCall(const std::string& tenant, ScanSessions::Kind kind, uint32_t sessions_max) {
  SessionCall call;
  call.set_tenant(tenant);
  call.mutable_scan()->set_kind(kind);
  call.mutable_scan()->set_sessions_max(sessions_max);
  return call;
}

void Append(SessionList& list, SessionAnswer& answer) {
  std::move(answer.mutable_sessions()->begin(), answer.mutable_sessions()->end(),
            std::back_inserter(list.sessions));
}

void KeepLater(std::optional<session::v1::End>& last, const session::v1::End& end) {
  if (!last || last->end_time() < end.end_time()) last = end;
}

// More first.
bool IsBefore(ScanSessions::Kind kind, const session::v1::Session& a,
              const session::v1::Session& b) {
  const auto weight = [kind](const session::v1::Session& session) {
    const session::v1::Traffic& traffic = session.traffic();
    switch (kind) {
      case ScanSessions::KIND_MOST_MESSAGES:
        return traffic.messages_from_client() + traffic.messages_to_client();
      case ScanSessions::KIND_MOST_BYTES:
        return traffic.bytes_from_client() + traffic.bytes_to_client();
      default:
        return session.queued_bytes();
    }
  };
  return weight(a) > weight(b);
}

}  // namespace

std::string FormatPageToken(std::string_view tenant, const ListPlace& place) {
  return fmt::format("{:016x}.{}.{}", Hash64(tenant), place.slot, place.pod);
}

std::optional<ListPlace> ParsePageToken(std::string_view tenant, std::string_view token) {
  const std::string mine = fmt::format("{:016x}.", Hash64(tenant));
  if (token.substr(0, mine.size()) != mine) return std::nullopt;
  token.remove_prefix(mine.size());
  ListPlace place;
  const char* const end = token.data() + token.size();
  const auto [last, error] = std::from_chars(token.data(), end, place.slot);
  if (error != std::errc() || last == end || *last != '.') return std::nullopt;
  place.pod.assign(last + 1, end);
  if (place.pod.empty()) return std::nullopt;
  return place;
}

struct SessionLists::Paging {
  Wish wish;
  std::vector<std::string> pods;
  size_t pod = 0;
  uint32_t slot = 0;
  int64_t until_us = 0;
  SessionList list;
  OnList on_list;
};

void SessionLists::Page(Wish wish, ListPlace from, OnList on_list) {
  auto paging = std::make_shared<Paging>();  // shared by the pods' answers
  paging->wish = std::move(wish);
  paging->until_us = MonotonicMicros() + paging->wish.timeout_ms * 1000 / 2;
  paging->on_list = std::move(on_list);
  finder_.FindPods([this, paging, from](absl::StatusOr<std::vector<std::string>> pods) {
    if (!pods.ok()) return paging->on_list(pods.status());
    paging->pods = *std::move(pods);
    const auto at = std::lower_bound(paging->pods.begin(), paging->pods.end(), from.pod);
    paging->pod = static_cast<size_t>(at - paging->pods.begin());
    if (at != paging->pods.end() && *at == from.pod) paging->slot = from.slot;
    PageNext(paging);
  });
}

void SessionLists::PageNext(std::shared_ptr<Paging> paging) {
  SessionList& list = paging->list;
  if (paging->pod == paging->pods.size()) return paging->on_list(std::move(list));
  const std::string& pod = paging->pods[paging->pod];
  if (list.sessions.size() >= paging->wish.size || MonotonicMicros() > paging->until_us) {
    list.next = ListPlace{pod, paging->slot};
    return paging->on_list(std::move(list));
  }
  const auto missing = static_cast<uint32_t>(paging->wish.size - list.sessions.size());
  SessionCall call = ScanCall(paging->wish.tenant, ScanSessions::KIND_PAGE, missing);
  call.mutable_scan()->set_from_slot(paging->slot);
  calls_.Call(
      pod, std::move(call), {std::min(pod_ms_, paging->wish.timeout_ms)},
      [this, paging](absl::StatusOr<SessionAnswer> answer) { OnPage(paging, std::move(answer)); });
}

void SessionLists::OnPage(std::shared_ptr<Paging> paging, absl::StatusOr<SessionAnswer> answer) {
  absl::Status status = WhyNoList(answer);
  if (!answer.ok()) status.Update(finder_.Reachable());
  if (!status.ok()) return paging->on_list(std::move(status));
  const bool is_done = answer.ok() && answer->result() == SessionAnswer::RESULT_DONE;
  if (is_done) {
    Append(paging->list, *answer);
  } else {
    paging->list.unreachable.push_back(paging->pods[paging->pod]);
  }
  paging->slot = is_done ? answer->next_slot() : 0;
  if (paging->slot == 0) ++paging->pod;
  PageNext(std::move(paging));
}

// Answers of several pods at once: all that were given, or why there is no list.
struct SessionLists::Gathering {
  size_t open = 1;  // the one who asks counts, until it has asked all
  int64_t timeout_ms = 0;
  SessionList list;
  absl::Status status;
  OnList on_all;

  void Close() {
    if (--open > 0) return;
    if (!status.ok()) return on_all(status);
    on_all(std::move(list));
  }
};

void SessionLists::Ask(const std::string& pod, SessionCall call,
                       const std::shared_ptr<Gathering>& gathering) {
  ++gathering->open;
  calls_.Call(pod, std::move(call), {gathering->timeout_ms},
              [this, gathering, pod](absl::StatusOr<SessionAnswer> answer) {
                gathering->status.Update(WhyNoList(answer));
                if (!answer.ok()) {
                  gathering->status.Update(finder_.Reachable());
                  gathering->list.unreachable.push_back(pod);
                } else {
                  Append(gathering->list, *answer);
                  if (answer->has_end()) KeepLater(gathering->list.end, answer->end());
                }
                gathering->Close();
              });
}

void SessionLists::Most(Wish wish, ScanSessions::Kind kind, OnList on_list) {
  finder_.FindPods([this, wish = std::move(wish), kind, on_list = std::move(on_list)](
                       absl::StatusOr<std::vector<std::string>> pods) mutable {
    if (!pods.ok()) return on_list(pods.status());
    auto gathering = std::make_shared<Gathering>();
    gathering->timeout_ms = std::min(pod_ms_, wish.timeout_ms);
    gathering->on_all = [size = wish.size, kind,
                         on_list = std::move(on_list)](absl::StatusOr<SessionList> list) mutable {
      if (!list.ok()) return on_list(list.status());
      std::sort(list->sessions.begin(), list->sessions.end(),
                [kind](const auto& a, const auto& b) { return IsBefore(kind, a, b); });
      if (list->sessions.size() > size) list->sessions.resize(size);
      on_list(std::move(list));
    };
    for (const std::string& pod : *pods) {
      Ask(pod, ScanCall(wish.tenant, kind, wish.size), gathering);
    }
    gathering->Close();
  });
}

void SessionLists::LastEnd(uint64_t client, int64_t timeout_ms, OnList on_list) {
  finder_.FindPods([this, client, timeout_ms, on_list = std::move(on_list)](
                       absl::StatusOr<std::vector<std::string>> pods) mutable {
    if (!pods.ok()) return on_list(pods.status());
    auto gathering = std::make_shared<Gathering>();
    gathering->timeout_ms = std::min(pod_ms_, timeout_ms);
    gathering->on_all = std::move(on_list);
    for (const std::string& pod : *pods) {
      SessionCall call;
      call.mutable_find_end()->set_client(client);
      Ask(pod, std::move(call), gathering);
    }
    gathering->Close();
  });
}

void SessionLists::OfDevice(Wish wish, std::string device, OnList on_list) {
  finder_.FindClients(device, [this, wish = std::move(wish), device, on_list = std::move(on_list)](
                                  absl::StatusOr<std::vector<std::string>> clients) mutable {
    if (!clients.ok()) return on_list(clients.status());
    if (std::find(clients->begin(), clients->end(), device) == clients->end()) {
      clients->push_back(device);  // it may be away
    }
    auto gathering = std::make_shared<Gathering>();
    gathering->timeout_ms = wish.timeout_ms;
    gathering->on_all = std::move(on_list);
    for (const std::string& client : *clients) {
      ++gathering->open;
      finder_.Find(device, client,
                   [this, tenant = wish.tenant,
                    gathering](absl::StatusOr<std::optional<SessionLocation>> location) {
                     gathering->status.Update(location.status());
                     if (location.ok() && location->has_value()) {
                       SessionCall call;
                       call.set_tenant(tenant);
                       call.set_session((*location)->session);
                       call.set_epoch((*location)->epoch);
                       call.mutable_describe();
                       Ask((*location)->pod, std::move(call), gathering);
                     }
                     gathering->Close();
                   });
    }
    gathering->Close();
  });
}

}  // namespace homeport::gateway
