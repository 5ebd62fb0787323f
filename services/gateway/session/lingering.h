#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "libs/net/fd.h"
#include "libs/net/reactor.h"
#include "services/gateway/probe.h"

namespace homeport::gateway {

// Sockets that are closed in order: what their peer still sends is read and thrown away until it
// closes as well, so that no reset takes the last packet away from it. Bounded in sockets, and for
// each in time and bytes. Shard's thread only.
class Lingering {
 public:
  struct Options {
    uint32_t sockets_max = 256;
    uint32_t bytes_max = 1 << 20;
    uint32_t ms_max = 1000;
  };
  Lingering(net::Reactor& reactor, ShardProbe& probe, Options options)
      : reactor_(reactor), probe_(probe), options_(options) {}

  // Nothing more is sent. Closes at once where too many linger.
  void Take(net::Fd fd);

 private:
  struct Socket final : net::IoHandler {
    Socket(Lingering& lingering, net::Fd socket) : owner(lingering), fd(std::move(socket)) {}
    void OnReady(uint32_t events) override;
    Lingering& owner;
    net::Fd fd;
    uint64_t number = 0;
    net::TimerId timer = 0;
    uint32_t bytes = 0;
  };
  void End(uint64_t number);
  void Cut(uint64_t number, std::string_view limit);

  net::Reactor& reactor_;
  ShardProbe& probe_;
  const Options options_;
  uint64_t last_number_ = 0;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Socket>> sockets_;
};

}  // namespace homeport::gateway
