#pragma once

#include <cstdint>
#include <string>

#include "libs/redis/client.h"
#include "services/gateway/control/command_table.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// Commands that are carried out once however often they are sent, and to whichever gateway: Redis
// has for `action-answer-s` what each came to. Who asks while the first is under way waits for its
// end. A command that has never reached its device is forgotten, so that the next one is tried.
// One whose gateway died is never tried again under its id: the device may have acted.
// Shard's thread only.
class CommandsOnce {
 public:
  CommandsOnce(ShardContext& context, redis::Client& redis, CommandTable& commands)
      : c_(context), redis_(redis), commands_(commands) {}

  // As CommandTable::Start; kOtherRequest where another payload had the id.
  void Start(std::string_view request_id, CommandRequest request, CommandTable::OnEnd on_end);

 private:
  struct Call {
    std::string key;
    std::string pending;  // what stands under the key while this one is under way
    int64_t until_ms = 0;
    CommandRequest request;
    CommandTable::OnEnd on_end;
  };
  void Try(Call call);
  void TryLater(Call call);
  void OnRecord(Call call, const redis::Reply& reply);
  void Run(Call call);
  void Record(const std::string& key, std::string_view pending, const CommandResult& result);
  void End(Call& call, CommandResult result);

  ShardContext& c_;
  redis::Client& redis_;
  CommandTable& commands_;
  size_t waiting_ = 0;
  uint64_t last_number_ = 0;
};

}  // namespace homeport::gateway
