#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/clock.h"
#include "libs/base/strings.h"

namespace homeport::gateway {

// Answers of the registry by name. Each is kept for a time with jitter, so that those fetched
// together do not expire together; negative ones for a shorter time, and few of them, so that
// names that do not exist do not push out those that do. An answer that expired goes on being used
// while no newer one can be had: once a fetch has failed, one in kRetryMs tries again and the
// others do not wait for it. One fetch of a name is under way at a time.
// Thread-safe; callbacks run outside the lock, on the thread that stores.
template <typename T>
class DirectoryCache {
 public:
  using Answer = absl::StatusOr<T>;
  using Done = absl::AnyInvocable<void(Answer)>;

  struct Options {
    int64_t ttl_ms = 60'000;
    int64_t negative_ttl_ms = 30'000;
    size_t entries_max = 1'000'000;
    size_t negatives_max = 65'536;
    // Answers that are known for certain and say no; where it is empty, those with NotFound.
    std::function<bool(const Answer&)> is_negative = nullptr;
  };

  // `clock` must outlive the cache.
  DirectoryCache(const Clock& clock, Options options)
      : clock_(clock),
        options_(WithDefaults(std::move(options))),
        random_(std::random_device{}()) {}

  // Nothing when no answer is known, or it is too old: then Join.
  [[nodiscard]] std::optional<Answer> Find(std::string_view name) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end()) return std::nullopt;
    const MonoMs now = clock_.Now();
    if (found->second.expires > now) return found->second.answer;
    if (!is_away_ || !found->second.answer.ok()) return std::nullopt;
    if (now < next_try_) return found->second.answer;
    next_try_ = now + kRetryMs;
    return std::nullopt;
  }

  // The last answer, however old, but none that a change has overtaken; T() where there is none.
  [[nodiscard]] T Known(std::string_view name) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(name);
    return found != entries_.end() && found->second.answer.ok() ? *found->second.answer : T();
  }

  // `done` gets the answer of the fetch under way. True: there is none, the caller begins it, and
  // calls Store in any case.
  [[nodiscard]] bool Join(const std::string& name, Done done) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (entries_.size() >= options_.entries_max && !entries_.contains(name)) DropOne();
    Entry& entry = entries_[name];
    entry.waiting.push_back(std::move(done));
    if (entry.waiting.size() > 1) return false;
    entry.forgotten = false;
    entry.asks = 1;
    return true;
  }

  enum class Stored : uint8_t {
    kAsFetched,
    kStale,     // an old answer takes the place of a failure
    kAskAgain,  // a change overtook the answer: those that wait get that of a further fetch
  };

  // The end of a fetch.
  Stored Store(const std::string& name, Answer fetched) ABSL_LOCKS_EXCLUDED(mutex_) {
    std::vector<Done> waiting;
    Stored stored = Stored::kAsFetched;
    {
      absl::MutexLock lock(&mutex_);
      Entry& entry = entries_[name];
      const bool overtaken = std::exchange(entry.forgotten, false);
      if (overtaken && entry.asks++ < kAsksMax) return Stored::kAskAgain;
      waiting.swap(entry.waiting);
      is_away_ = IsAway(fetched.status());
      const bool negative = options_.is_negative(fetched);
      if (overtaken) {
        fetched = absl::UnavailableError("changed while it was fetched");
      } else if (fetched.ok() || negative) {
        entry.answer = fetched;
        entry.expires =
            clock_.Now() + Jittered(negative ? options_.negative_ttl_ms : options_.ttl_ms);
        if (negative) RememberNegative(name);
      } else if (entry.answer.ok()) {
        stored = Stored::kStale;
        fetched = entry.answer;
        entry.expires = clock_.Now() + Jittered(kRetryMs);
      } else {
        entries_.erase(name);
      }
      next_try_ = clock_.Now() + kRetryMs;
    }
    for (Done& done : waiting) done(fetched);
    return stored;
  }

  // The answer is wrong from now on, that of a fetch under way too.
  void Forget(std::string_view name) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(name);
    if (found != entries_.end()) found->second.Forget();
  }
  // Those for which `wrong(answer)` is true, and those being fetched.
  template <typename Predicate>
  void ForgetIf(Predicate wrong) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    for (auto& [name, entry] : entries_) {
      if (!entry.waiting.empty() || wrong(entry.answer)) entry.Forget();
    }
  }

 private:
  static Options WithDefaults(Options options) {
    if (!options.is_negative) {
      options.is_negative = [](const Answer& answer) { return absl::IsNotFound(answer.status()); };
    }
    return options;
  }
  static constexpr int64_t kRetryMs = 2'000;
  static constexpr uint8_t kAsksMax = 4;  // of one fetch

  struct Entry {
    Answer answer = absl::UnavailableError("not fetched");
    MonoMs expires;
    std::vector<Done> waiting;
    bool forgotten = false;  // since the fetch under way began
    uint8_t asks = 0;        // of the fetch under way

    void Forget() {
      answer = absl::UnavailableError("not fetched");
      expires = MonoMs();
      forgotten = true;
    }
  };

  // Nobody answers, whatever the name.
  static bool IsAway(const absl::Status& status) {
    return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  }

  // The oldest give way.
  void RememberNegative(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    negatives_.push_back(name);
    if (negatives_.size() <= options_.negatives_max) return;
    const auto oldest = entries_.find(negatives_.front());
    negatives_.pop_front();
    if (oldest != entries_.end() && oldest->second.waiting.empty() &&
        options_.is_negative(oldest->second.answer)) {
      entries_.erase(oldest);
    }
  }

  // The idle ones in turn, as they lie: an order by age would cost memory for each.
  void DropOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto next = entries_.find(next_dropped_);
    for (size_t i = entries_.size(); i > 0; --i) {
      if (next == entries_.end()) next = entries_.begin();
      const auto entry = next++;
      if (!entry->second.waiting.empty()) continue;
      next_dropped_ = next == entries_.end() ? std::string() : next->first;
      entries_.erase(entry);
      return;
    }
  }

  int64_t Jittered(int64_t ttl_ms) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const int64_t tenth = std::max<int64_t>(ttl_ms / 10, 1);
    return ttl_ms - tenth + static_cast<int64_t>(random_()) % (2 * tenth);
  }

  const Clock& clock_;
  const Options options_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Entry, StringHash, StringEqual> entries_ ABSL_GUARDED_BY(mutex_);
  std::string next_dropped_ ABSL_GUARDED_BY(mutex_);           // name
  std::deque<std::string> negatives_ ABSL_GUARDED_BY(mutex_);  // names, oldest first
  bool is_away_ ABSL_GUARDED_BY(mutex_) = false;               // the last fetch found nobody
  MonoMs next_try_ ABSL_GUARDED_BY(mutex_);
  std::minstd_rand random_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace homeport::gateway
