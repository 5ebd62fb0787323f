#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "libs/mqtt/types.h"

namespace homeport::testing {

// What makes a message's payload unlike every other's: written in front of it by PacketMaker.
using Tag = std::array<char, 12>;

// What a client id has said and heard in one script, over all its connections.
struct ClientMemory {
  struct Filter {
    std::string filter;  // as the client said it
    mqtt::Qos qos = mqtt::Qos::kAtMostOnce;
  };
  struct Published {
    std::string packet;  // with DUP set
    int connection = 0;  // the last on which it was sent
  };

  // True for an id of this run alone, until two connections race for it and nobody knows which one
  // was first.
  bool exact = false;
  bool may_have_session = false;
  int expected = 0;          // messages that may be on their way to the client: a guess
  int awaiting_connack = 0;  // connections
  std::vector<Filter> filters;
  std::set<uint32_t> subscription_ids;
  std::set<uint16_t> received;  // packet ids answered by PUBREC
  // QoS 2 messages that the client got and the server has not released.
  std::map<uint16_t, Tag> unreleased;
  std::map<Tag, int> deliveries;            // of QoS 2, not counting what is sent again
  std::map<uint16_t, Published> published;  // QoS 2 messages of the client, not released by it
};

using ClientMemories = std::map<std::string, ClientMemory, std::less<>>;

}  // namespace homeport::testing
