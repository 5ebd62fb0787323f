#include "services/gateway/inspect/session_scan.h"

#include <algorithm>
#include <utility>

namespace homeport::gateway {
namespace {

using internal::v1::ScanSessions;
using internal::v1::SessionAnswer;

constexpr int kWalksMax = 8;
constexpr uint32_t kStepSlots = 2000;
constexpr int64_t kStepPauseMs = 1;
constexpr uint32_t kPageSlots = 100'000;  // that one page looks at
constexpr uint32_t kSessionsMax = 200;    // of one answer

}  // namespace

struct SessionScan::Walk {
  ScanSessions what;
  std::string tenant;
  SessionAnswer answer;
  OnDone on_done;
  uint32_t slot = 0;
  uint32_t end = 0;
  // Of the most queued: the least of them first.
  std::vector<std::pair<uint64_t, SessionHandle>> most;

  [[nodiscard]] bool is_full() const {
    return what.kind() == ScanSessions::KIND_PAGE &&
           static_cast<uint32_t>(answer.sessions_size()) >= what.sessions_max();
  }
};

bool SessionScan::Start(const ScanSessions& what, const std::string& tenant, OnDone on_done) {
  if (walks_ >= kWalksMax) return false;
  auto walk = std::make_shared<Walk>();  // shared by the steps
  walk->what = what;
  walk->tenant = tenant;
  walk->what.set_sessions_max(std::min(what.sessions_max(), kSessionsMax));
  walk->answer.set_result(SessionAnswer::RESULT_DONE);
  walk->on_done = std::move(on_done);
  switch (what.kind()) {
    case ScanSessions::KIND_PAGE:
    case ScanSessions::KIND_MOST_QUEUED_BYTES:
      break;
    default:
      AddMostActive(*walk);
      walk->on_done(std::move(walk->answer));
      return true;
  }
  ++walks_;
  walk->slot = what.from_slot();
  walk->end = c_.io.sessions().slots();
  if (what.kind() == ScanSessions::KIND_PAGE && walk->end > walk->slot) {
    walk->end = walk->slot + std::min(walk->end - walk->slot, kPageSlots);
  }
  Step(std::move(walk));
  return true;
}

void SessionScan::Step(std::shared_ptr<Walk> walk) {
  const uint32_t end =
      walk->slot + std::min(kStepSlots, walk->end - std::min(walk->end, walk->slot));
  for (; walk->slot < end && !walk->is_full(); ++walk->slot) {
    Visit(*walk, c_.io.sessions().At(walk->slot));
  }
  if (walk->slot < walk->end && !walk->is_full()) {
    c_.reactor.After(kStepPauseMs, [this, walk] { Step(walk); });
    return;
  }
  --walks_;
  if (walk->what.kind() == ScanSessions::KIND_MOST_QUEUED_BYTES) {
    AddMostQueued(*walk);
  } else if (walk->slot < c_.io.sessions().slots()) {
    walk->answer.set_next_slot(walk->slot);
  }
  walk->on_done(std::move(walk->answer));
}

void SessionScan::Visit(Walk& walk, const Session& session) {
  if (walk.what.kind() == ScanSessions::KIND_PAGE) {
    if (!MaySee(session, walk.tenant, c_.config.anonymous)) return;
    view_.Describe(session, SessionView::Detail::kList, *walk.answer.add_sessions());
    return;
  }
  // Only what has cold state can have anything queued.
  if (!session.cold || session.phase != Phase::kOnline) return;
  if (!MaySee(session, walk.tenant, c_.config.anonymous)) return;
  const uint64_t bytes = BacklogOf(session).bytes;
  const auto is_more = [](const auto& a, const auto& b) { return a.first > b.first; };
  if (bytes == 0) return;
  walk.most.emplace_back(bytes, session.handle());
  std::push_heap(walk.most.begin(), walk.most.end(), is_more);
  if (walk.most.size() <= walk.what.sessions_max()) return;
  std::pop_heap(walk.most.begin(), walk.most.end(), is_more);
  walk.most.pop_back();
}

void SessionScan::AddMostQueued(Walk& walk) {
  for (const auto& [bytes, handle] : walk.most) {
    const Session* session = c_.io.sessions().Find(handle);
    if (session == nullptr) continue;
    view_.Describe(*session, SessionView::Detail::kList, *walk.answer.add_sessions());
  }
}

void SessionScan::AddMostActive(Walk& walk) {
  const bool by_bytes = walk.what.kind() == ScanSessions::KIND_MOST_BYTES;
  auto all = c_.traffic.All();
  std::sort(all.begin(), all.end(), [by_bytes](const auto& a, const auto& b) {
    return by_bytes ? a.second.bytes() > b.second.bytes()
                    : a.second.messages() > b.second.messages();
  });
  for (const auto& [handle, traffic] : all) {
    if (static_cast<uint32_t>(walk.answer.sessions_size()) >= walk.what.sessions_max()) return;
    const Session* session = c_.io.sessions().Find(handle);
    if (session == nullptr || !MaySee(*session, walk.tenant, c_.config.anonymous)) continue;
    view_.Describe(*session, SessionView::Detail::kList, *walk.answer.add_sessions());
  }
}

}  // namespace homeport::gateway
