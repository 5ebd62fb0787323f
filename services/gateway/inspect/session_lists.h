#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "homeport/internal/v1/envelope.pb.h"
#include "homeport/session/v1/session.pb.h"
#include "services/gateway/inspect/session_calls.h"
#include "services/gateway/inspect/session_finder.h"

namespace homeport::gateway {

// Where a list over all pods goes on.
struct ListPlace {
  std::string pod;  // empty: at the first one
  uint32_t slot = 0;
};
// Tokens are bound to the tenant whose sessions are listed. Nothing: not one of ours.
[[nodiscard]] std::string FormatPageToken(std::string_view tenant, const ListPlace& place);
[[nodiscard]] std::optional<ListPlace> ParsePageToken(std::string_view tenant,
                                                      std::string_view token);

struct SessionList {
  std::vector<session::v1::Session> sessions;  // without their names
  std::optional<ListPlace> next;
  std::vector<std::string> unreachable;  // pods
  std::optional<session::v1::End> end;   // of LastEnd
};

// Lists sessions of all pods, for the callers of SessionService. A pod that does not answer within
// `pod_ms` is named in the list. There is no list without Redis: Unavailable; and none while this
// pod, or one that is asked, has too many calls under way: ResourceExhausted. Shard's thread only;
// `calls` and `finder` are of the same shard and must outlive it.
class SessionLists {
 public:
  using OnList = absl::AnyInvocable<void(absl::StatusOr<SessionList>)>;

  SessionLists(SessionCalls& calls, SessionFinder& finder, int64_t pod_ms)
      : calls_(calls), finder_(finder), pod_ms_(pod_ms) {}

  struct Wish {
    std::string tenant;
    uint32_t size = 0;
    int64_t timeout_ms = 0;
  };
  // One pod after another, from `from` on, until the page is full or half of the time is used up.
  void Page(Wish wish, ListPlace from, OnList on_list);
  // The first by what `kind` says, of all pods at once.
  void Most(Wish wish, internal::v1::ScanSessions::Kind kind, OnList on_list);
  // How the client's last connection to any pod ended.
  void LastEnd(uint64_t client, int64_t timeout_ms, OnList on_list);
  // Of one device.
  void OfDevice(Wish wish, std::string device, OnList on_list);

 private:
  struct Paging;
  struct Gathering;
  void PageNext(std::shared_ptr<Paging> paging);
  void OnPage(std::shared_ptr<Paging> paging, absl::StatusOr<internal::v1::SessionAnswer> answer);
  void Ask(const std::string& pod, internal::v1::SessionCall call,
           const std::shared_ptr<Gathering>& gathering);

  SessionCalls& calls_;
  SessionFinder& finder_;
  const int64_t pod_ms_;
};

}  // namespace homeport::gateway
