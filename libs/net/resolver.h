#pragma once

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "libs/net/reactor.h"

namespace homeport::net {

// Turns a host's name into a numeric address without making its reactor wait for a name server: a
// thread of its own asks, at most one at a time. Reactor's thread only.
class Resolver {
 public:
  using OnResolved = absl::AnyInvocable<void(absl::StatusOr<std::string>)>;

  explicit Resolver(Reactor& reactor) : reactor_(reactor) {}
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // A numeric `host` is its own answer, at once. Where the thread still asks for an earlier call,
  // its answer is this call's, and that one gets none. REQUIRES: the same host in all calls.
  void Resolve(const std::string& host, OnResolved on_resolved);
  // The call under way gets no answer; the thread may still ask.
  void Forget();

 private:
  struct Lookup;

  Reactor& reactor_;
  std::shared_ptr<Lookup> lookup_;  // shared with the thread
};

}  // namespace homeport::net
