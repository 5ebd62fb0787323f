#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "libs/redis/client.h"
#include "services/gateway/control/command_table.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// Commands that are carried out once however often they are sent, and to whichever gateway: Redis
// has for `action-answer-s` what each came to. Who asks while the first is under way waits for its
// end. A command that has never reached its device is forgotten, so that the next one is tried.
// One whose gateway stopped or died meanwhile is never tried again under its id: the device may
// have acted. Shard's thread only.
class CommandsOnce {
 public:
  CommandsOnce(ShardContext& context, redis::Client& redis, CommandTable& commands)
      : c_(context), redis_(redis), commands_(commands) {}

  // As CommandTable::Start; kOtherRequest where another payload had the id.
  void Start(std::string_view request_id, CommandRequest request, CommandTable::OnEnd on_end);
  // Ends those that have not begun, as kStopping. Those that have end with CommandTable's.
  void EndAll();

 private:
  struct Call {
    std::string key;
    std::string pending;  // what stands under the key while this one is under way
    int64_t until_ms = 0;
    int64_t pause_ms = 0;     // before it asks again
    bool may_be_set = false;  // an answer of Redis was lost
    bool has_begun = false;   // CommandTable has it
    CommandRequest request;
    CommandTable::OnEnd on_end;
  };
  // What is to stand under a key in place of `pending`; empty: nothing.
  struct Record {
    std::string key;
    std::string pending;
    std::string value;
    int64_t until_ms = 0;  // when it is given up
  };
  void Try(uint64_t number);
  void TryLater(uint64_t number);
  void OnRecord(uint64_t number, const redis::Reply& reply);
  void Run(uint64_t number);
  void OnRun(uint64_t number, CommandResult result);
  void End(uint64_t number, CommandResult result);
  // Writes what is to stay of the call, again and again while Redis is away.
  void Settle(const Call& call, std::string value);
  void Write(Record record);

  ShardContext& c_;
  redis::Client& redis_;
  CommandTable& commands_;
  absl::flat_hash_map<uint64_t, Call> calls_;
  size_t writes_ = 0;  // not answered by Redis
  uint64_t last_number_ = 0;
};

}  // namespace homeport::gateway
