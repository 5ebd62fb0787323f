#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace homeport::metrics {

// Whether this process should get traffic (ready) and whether it should be restarted (live). Ready
// when every named condition is met; a condition is unmet from its first Expect() or Unmet() until
// Met(). Thread-safe.
class Health {
 public:
  // Declares a condition that start-up has yet to meet.
  void Expect(std::string_view condition) { Unmet(condition, "starting"); }
  void Met(std::string_view condition);
  void Unmet(std::string_view condition, std::string_view why);
  // The process cannot recover by itself.
  void Dead(std::string_view why);

  [[nodiscard]] bool ready() const;
  [[nodiscard]] bool live() const;
  // "ok\n", or one line "<condition>: <why>" for each condition that is unmet.
  [[nodiscard]] std::string ReadyText() const;
  [[nodiscard]] std::string LiveText() const;

 private:
  mutable absl::Mutex mutex_;
  std::map<std::string, std::string, std::less<>> unmet_ ABSL_GUARDED_BY(mutex_);
  std::string dead_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace homeport::metrics
