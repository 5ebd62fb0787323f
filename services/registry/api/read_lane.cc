#include "services/registry/api/read_lane.h"

#include <utility>

#include "libs/base/status.h"
#include "services/registry/api/call.h"

namespace homeport::registry {

// A thread's connection, opened when it is needed.
class ReadLane::Reader {
 public:
  explicit Reader(const postgres::ConnectOptions& options) : options_(options) {}

  absl::Status Carry(const Read& read) {
    const int64_t started_us = MonotonicMicros();
    const absl::Status status = Try(read);
    return IsWorthRepeating(status, MonotonicMicros() - started_us) ? Try(read) : status;
  }

 private:
  absl::Status Try(const Read& read) {
    if (connection_ == nullptr || connection_->broken() || connection_->WasClosed()) {
      connection_.reset();
      HP_ASSIGN_OR_RETURN(connection_, postgres::Connection::Open(options_));
    }
    return read(*connection_);
  }

  const postgres::ConnectOptions& options_;
  std::unique_ptr<postgres::Connection> connection_;
};

ReadLane::ReadLane(Options options) : options_(std::move(options)) {}

ReadLane::~ReadLane() { Stop(); }

void ReadLane::Start() {
  for (uint32_t i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { Run(); });
}

void ReadLane::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool ReadLane::Submit(Read read, Done done) {
  absl::MutexLock lock(&mutex_);
  if (stopped_ || jobs_.size() >= options_.waiting_max) return false;
  jobs_.push_back({std::move(read), std::move(done)});
  return true;
}

void ReadLane::Run() {
  Reader reader(options_.connect);
  for (;;) {
    Job job;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &ReadLane::HasWork));
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job.done(reader.Carry(job.read));
  }
}

}  // namespace homeport::registry
