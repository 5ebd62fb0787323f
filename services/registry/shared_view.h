#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace homeport::registry {

// A value one thread publishes and others copy. Thread-safe.
template <typename T>
class SharedView {
 public:
  void Publish(T value) {
    absl::MutexLock lock(&mutex_);
    value_ = std::move(value);
  }
  [[nodiscard]] T Get() const {
    absl::MutexLock lock(&mutex_);
    return value_;
  }

 private:
  mutable absl::Mutex mutex_;
  T value_ ABSL_GUARDED_BY(mutex_);
};

using PartitionView = SharedView<std::set<uint32_t>>;
using PodView = SharedView<std::set<std::string>>;

}  // namespace homeport::registry
