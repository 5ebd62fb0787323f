// ThreadSanitizer does not see into Debian's Abseil, so that what absl::Mutex guards would look
// unguarded to it. This file, part of the `tsan` preset alone, stands before the library's
// functions and tells ThreadSanitizer what they do.
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/time.h>
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdlib>

extern "C" {
// Named by the linker, which otherwise would take the library's functions and leave these.
extern const int homeport_tsan_mutex;
const int homeport_tsan_mutex = 1;
}

namespace {

// The library's function behind `Name`, a mangled one of version debian3.
template <typename Function>
Function Library(const char* name) {
  void* const found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) std::abort();
  return reinterpret_cast<Function>(found);
}

#define HP_LIBRARY(Type, name) static const auto real = Library<Type>(name)

// NOLINTBEGIN(misc-unused-using-decls): used below, where this file is compiled for ThreadSanitizer.
using absl::Condition;
using absl::CondVar;
using absl::Duration;
using absl::Mutex;
using absl::Time;
// NOLINTEND(misc-unused-using-decls)

// A call on a mutex, which may be the library's own from within another: that one tells nothing.
class Call {
 public:
  explicit Call(Mutex* mutex) : mutex_(busy == mutex ? nullptr : mutex) {
    if (mutex_ != nullptr) busy = mutex_;
  }
  ~Call() {
    if (mutex_ != nullptr) busy = nullptr;
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  void PreLock(unsigned flags) const {
    if (mutex_ != nullptr) __tsan_mutex_pre_lock(mutex_, flags);
  }
  void PostLock(unsigned flags) const {
    if (mutex_ != nullptr) __tsan_mutex_post_lock(mutex_, flags, 0);
  }
  void Unlock(unsigned flags) const {
    if (mutex_ == nullptr) return;
    __tsan_mutex_pre_unlock(mutex_, flags);
    __tsan_mutex_post_unlock(mutex_, flags);
  }

 private:
  static thread_local Mutex* busy;
  Mutex* mutex_;
};
thread_local Mutex* Call::busy = nullptr;

// The lock is taken within the call.
class Taken {
 public:
  explicit Taken(Mutex* mutex, unsigned flags = 0) : call_(mutex), flags_(flags) {
    call_.PreLock(flags_);
  }
  ~Taken() { call_.PostLock(flags_); }

 private:
  Call call_;
  unsigned flags_;
};

// The lock is let go and taken again within the call.
class Released {
 public:
  explicit Released(Mutex* mutex) : call_(mutex) { call_.Unlock(0); }
  ~Released() {
    call_.PreLock(0);
    call_.PostLock(0);
  }

 private:
  Call call_;
};

}  // namespace

namespace absl {
inline namespace debian3 {

void Mutex::Lock() {
  HP_LIBRARY(void (*)(Mutex*), "_ZN4absl7debian35Mutex4LockEv");
  const Taken taken(this);
  real(this);
}

bool Mutex::TryLock() {
  HP_LIBRARY(bool (*)(Mutex*), "_ZN4absl7debian35Mutex7TryLockEv");
  const Call call(this);
  call.PreLock(__tsan_mutex_try_lock);
  const bool locked = real(this);
  call.PostLock(__tsan_mutex_try_lock | (locked ? 0 : __tsan_mutex_try_lock_failed));
  return locked;
}

void Mutex::Unlock() {
  HP_LIBRARY(void (*)(Mutex*), "_ZN4absl7debian35Mutex6UnlockEv");
  const Call call(this);
  call.Unlock(0);
  real(this);
}

void Mutex::ReaderLock() {
  HP_LIBRARY(void (*)(Mutex*), "_ZN4absl7debian35Mutex10ReaderLockEv");
  const Taken taken(this, __tsan_mutex_read_lock);
  real(this);
}

void Mutex::ReaderUnlock() {
  HP_LIBRARY(void (*)(Mutex*), "_ZN4absl7debian35Mutex12ReaderUnlockEv");
  const Call call(this);
  call.Unlock(__tsan_mutex_read_lock);
  real(this);
}

void Mutex::LockWhen(const Condition& condition) {
  HP_LIBRARY(void (*)(Mutex*, const Condition&),
             "_ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE");
  const Taken taken(this);
  real(this, condition);
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  HP_LIBRARY(bool (*)(Mutex*, const Condition&, Duration),
             "_ZN4absl7debian35Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  const Taken taken(this);
  return real(this, condition, timeout);
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  HP_LIBRARY(bool (*)(Mutex*, const Condition&, Time),
             "_ZN4absl7debian35Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  const Taken taken(this);
  return real(this, condition, deadline);
}

void Mutex::Await(const Condition& condition) {
  HP_LIBRARY(void (*)(Mutex*, const Condition&), "_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE");
  const Released released(this);
  real(this, condition);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  HP_LIBRARY(bool (*)(Mutex*, const Condition&, Duration),
             "_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  const Released released(this);
  return real(this, condition, timeout);
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  HP_LIBRARY(bool (*)(Mutex*, const Condition&, Time),
             "_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  const Released released(this);
  return real(this, condition, deadline);
}

void CondVar::Wait(Mutex* mutex) {
  HP_LIBRARY(void (*)(CondVar*, Mutex*), "_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
  const Released released(mutex);
  real(this, mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  HP_LIBRARY(bool (*)(CondVar*, Mutex*, Duration),
             "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  const Released released(mutex);
  return real(this, mutex, timeout);
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  HP_LIBRARY(bool (*)(CondVar*, Mutex*, Time),
             "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  const Released released(mutex);
  return real(this, mutex, deadline);
}

void Notification::Notify() {
  HP_LIBRARY(void (*)(Notification*), "_ZN4absl7debian312Notification6NotifyEv");
  __tsan_release(this);
  real(this);
}

void Notification::WaitForNotification() const {
  HP_LIBRARY(void (*)(const Notification*),
             "_ZNK4absl7debian312Notification19WaitForNotificationEv");
  real(this);
  __tsan_acquire(const_cast<Notification*>(this));
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  HP_LIBRARY(bool (*)(const Notification*, Duration),
             "_ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE");
  const bool notified = real(this, timeout);
  if (notified) __tsan_acquire(const_cast<Notification*>(this));
  return notified;
}

}  // namespace debian3
}  // namespace absl
