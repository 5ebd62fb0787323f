#include "libs/net/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "libs/base/strings.h"

namespace homeport::net {
namespace {

bool IsNumeric(const std::string& host) {
  in6_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// IPv4 where there is such an address: servers may listen on that alone.
absl::StatusOr<std::string> Ask(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  int error = EAI_NONAME;
  for (const int family : {AF_INET, AF_INET6}) {
    hints.ai_family = family;
    error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
    if (error == 0) break;
  }
  char numeric[NI_MAXHOST] = "";
  if (error == 0) {
    error = getnameinfo(found->ai_addr, found->ai_addrlen, numeric, sizeof numeric, nullptr, 0,
                        NI_NUMERICHOST);
    freeaddrinfo(found);
  }
  if (error == 0) return std::string(numeric);
  return absl::UnavailableError(fmt::format("host '{}': {}", host, gai_strerror(error)));
}

}  // namespace

struct Resolver::Lookup {
  absl::Mutex mutex;
  Reactor* reactor ABSL_GUARDED_BY(mutex);  // null once it may be gone
  OnResolved on_resolved;                   // reactor's thread
  bool done = false;                        // reactor's thread
};

void Resolver::Resolve(const std::string& host, OnResolved on_resolved) {
  if (IsNumeric(host)) return on_resolved(host);
  if (lookup_ && !lookup_->done) {
    lookup_->on_resolved = std::move(on_resolved);
    return;
  }
  lookup_ = std::make_shared<Lookup>();
  {
    absl::MutexLock lock(&lookup_->mutex);
    lookup_->reactor = &reactor_;
  }
  lookup_->on_resolved = std::move(on_resolved);
  // Detached, since nothing ends a question to a name server before its time.
  std::thread([lookup = lookup_, host] {
    absl::StatusOr<std::string> answer = Ask(host);
    absl::MutexLock lock(&lookup->mutex);
    if (lookup->reactor == nullptr) return;
    lookup->reactor->Post([lookup, answer = std::move(answer)]() mutable {
      lookup->done = true;
      if (lookup->on_resolved) std::exchange(lookup->on_resolved, nullptr)(std::move(answer));
    });
  }).detach();
}

void Resolver::Forget() {
  if (lookup_) lookup_->on_resolved = nullptr;
}

Resolver::~Resolver() {
  if (!lookup_) return;
  Forget();
  absl::MutexLock lock(&lookup_->mutex);
  lookup_->reactor = nullptr;
}

}  // namespace homeport::net
