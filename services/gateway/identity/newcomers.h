#pragma once

#include <memory>
#include <string>
#include <vector>

#include "services/gateway/identity/directory.h"

namespace homeport::gateway {

class Shard;

// Devices that are connected before the registry has their row: their CONNECTED is on its way
// through the stream. Whoever asks for one waits for it, instead of hearing that it does not exist.
// Thread-safe.
class Newcomers {
 public:
  // Both are borrowed and must outlive every call.
  Newcomers(std::vector<std::unique_ptr<Shard>>& shards, Directory& directory)
      : shards_(shards), directory_(directory) {}

  // As Directory::FetchDevice, but a device that is not found and has a session is asked for again,
  // for `wait_ms` at most. Error then: Unavailable, DEVICE_REGISTERING.
  void Fetch(std::string device, int64_t wait_ms, Directory::OnDevice done);

 private:
  struct Wait;
  void Ask(std::shared_ptr<Wait> wait);
  void LookForSession(std::shared_ptr<Wait> wait);

  std::vector<std::unique_ptr<Shard>>& shards_;
  Directory& directory_;
};

}  // namespace homeport::gateway
