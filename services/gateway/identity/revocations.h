#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// What may be connected no longer, by what let it in. Immutable once it is shared by the shards.
struct Revoked {
  absl::flat_hash_set<std::string> devices;
  absl::flat_hash_set<std::pair<std::string, uint64_t>>
      credentials;  // device, Identity::credential
  absl::flat_hash_set<std::string> certificates;
  absl::flat_hash_set<std::string> authorities;
  absl::flat_hash_set<std::string> products;

  // Adds what a change takes away; nothing where it takes nothing.
  void Add(const DirectoryChange& change);
  [[nodiscard]] bool empty() const {
    return devices.empty() && credentials.empty() && certificates.empty() && authorities.empty() &&
           products.empty();
  }
  [[nodiscard]] bool Covers(const Identity& identity) const;
};

// Carries changes over to the sessions of a shard, a few at a time. Shard's thread only.
class Revocations {
 public:
  explicit Revocations(ShardContext& context) : c_(context) {}

  void End(std::shared_ptr<const Revoked> revoked);
  // The product is another now: a session with a subscription that its policy does not allow ends.
  void Replace(Directory::Product product);

 private:
  // Whether a new policy leaves the session its subscriptions.
  [[nodiscard]] bool FollowsWhatItMay(const Session& session) const;

  using Visit = std::function<void(Session&)>;
  void Walk(uint32_t index, std::shared_ptr<const Visit> visit);

  ShardContext& c_;
};

}  // namespace homeport::gateway
