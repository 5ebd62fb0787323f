#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "services/gateway/ownership/session_keeper.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// Takes over what pods that died have left: sessions that wait for their clients, or whose clients
// will come back, and wills. One living pod does so for each dead one. Shard's thread only.
class Adopter {
 public:
  Adopter(ShardContext& context, redis::Client& redis, SessionKeeper& keeper, PublishFlow& publish)
      : c_(context), redis_(redis), keeper_(keeper), publish_(publish) {}

  // Looks for dead pods from now on, twice in the life of a lease.
  void Start();

 private:
  // The work on one dead pod: page by page, sessions first, so that wills find those they wait
  // with.
  struct Estate;
  void Look();
  void Check(const std::string& pod);
  void CheckAgain(const std::string& pod);
  void Lock(const std::string& pod);
  void RenewLock(const Estate& estate);
  void ReadReceipts(std::shared_ptr<Estate> estate);
  void ReadSessions(std::shared_ptr<Estate> estate);
  void AdoptSession(std::shared_ptr<Estate> estate, const std::string& name);
  void SessionDone(const std::shared_ptr<Estate>& estate, const std::string& name, bool settled);
  void ReadWills(std::shared_ptr<Estate> estate);
  void AdoptWill(std::shared_ptr<Estate> estate, const std::string& name, const std::string& bytes);
  void WillDone(const std::shared_ptr<Estate>& estate, const std::string& name, bool settled);
  using ReadOn = void (Adopter::*)(std::shared_ptr<Estate>);
  void OneDone(const std::shared_ptr<Estate>& estate, bool settled, ReadOn read_on);
  void Finish(const std::shared_ptr<Estate>& estate);

  ShardContext& c_;
  redis::Client& redis_;
  SessionKeeper& keeper_;
  PublishFlow& publish_;
  std::map<std::string, int64_t> missing_since_;  // ms of the monotonic clock, by pod
  bool busy_ = false;
};

}  // namespace homeport::gateway
