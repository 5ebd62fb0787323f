#include "services/gateway/identity/directory_feed.h"

#include <utility>

#include "absl/time/time.h"
#include "libs/base/log.h"
#include "libs/base/strings.h"
#include "libs/rpc/status_convert.h"

namespace homeport::gateway {

DirectoryFeed::DirectoryFeed(std::shared_ptr<grpc::Channel> channel, rpc::TokenFile& token,
                             const Clock& clock, Options options, Handler handler)
    : stub_(internal::v1::DirectoryService::NewStub(std::move(channel))),
      token_(token),
      clock_(clock),
      options_(options),
      handler_(std::move(handler)),
      heard_ms_(clock.Now().value),
      thread_([this] { Run(); }) {}

DirectoryFeed::~DirectoryFeed() { Stop(); }

void DirectoryFeed::Stop() {
  if (!thread_.joinable()) return;
  stop_.Notify();
  thread_.join();
}

int64_t DirectoryFeed::age_ms() const {
  return clock_.Now().value - heard_ms_.load(std::memory_order_relaxed);
}

void DirectoryFeed::Run() {
  do {
    while (Poll() && !stop_.HasBeenNotified()) {
    }
  } while (!stop_.WaitForNotificationWithTimeout(absl::Milliseconds(options_.poll_ms)));
}

// True when there is more to ask for at once.
bool DirectoryFeed::Poll() {
  grpc::ClientContext context;
  internal::v1::ListChangesRequest request;
  internal::v1::ListChangesResponse response;
  request.set_after(last_);
  absl::Status status = rpc::PrepareCall(context, token_, options_.timeout_ms);
  if (status.ok()) status = rpc::FromGrpc(stub_->ListChanges(&context, request, &response));
  if (!status.ok()) {
    log::Refusal("directory_feed_failed",
                 {{"reason", status}, {"next", "cached answers are used, revocations wait"}});
    return false;
  }
  heard_ms_.store(clock_.Now().value, std::memory_order_relaxed);
  const bool is_first = last_ < 0;
  if (is_first || response.reset()) handler_.on_reset(is_first);
  if (!response.changes().empty()) {
    last_ = response.changes().rbegin()->number();
    handler_.on_changes({response.changes().begin(), response.changes().end()});
    return last_ < response.last();
  }
  last_ = response.last();
  return false;
}

}  // namespace homeport::gateway
