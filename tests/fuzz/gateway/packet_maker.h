#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/mqtt/packets.h"
#include "tests/fuzz/gateway/client_memory.h"
#include "tests/fuzz/gateway/conversation.h"
#include "tests/fuzz/gateway/script_input.h"

namespace homeport::testing {

// Makes well-formed packets of what the fuzzer's bytes say. Client ids and topics carry the number
// of the run, so that no run meets what another has left; payloads begin with a tag.
class PacketMaker {
 public:
  explicit PacketMaker(uint64_t run);

  struct Made {
    std::string bytes;
    bool keeps_session = false;  // of a CONNECT: the session outlives the connection
    bool retains = false;        // a message, or a will, that is retained
  };
  [[nodiscard]] Made Connect(ScriptInput& input, std::string* client_id);
  [[nodiscard]] Made Publish(ScriptInput& input, mqtt::Version version);
  [[nodiscard]] std::string Subscribe(ScriptInput& input, mqtt::Version version) const;
  [[nodiscard]] std::string Unsubscribe(ScriptInput& input, mqtt::Version version) const;
  // Any acknowledgement, of an id that may be in use or not.
  [[nodiscard]] static std::string Acknowledgement(ScriptInput& input, mqtt::Version version);
  // What is due for one of the server's messages; nothing where there is none.
  [[nodiscard]] static std::string Answer(ScriptInput& input, const Conversation& conversation);
  // PUBREL of one of the client's messages; nothing where there is none.
  [[nodiscard]] static std::string Release(ScriptInput& input, const Conversation& conversation);
  [[nodiscard]] static std::string Auth(ScriptInput& input);
  [[nodiscard]] static std::string Disconnect(ScriptInput& input, mqtt::Version version);
  // CONNECT with a clean start, and DISCONNECT: ends what is kept of a client id.
  [[nodiscard]] static std::string EndSession(std::string_view client_id);

  // The ids that CONNECT may have, but for the empty one.
  [[nodiscard]] const std::vector<std::string>& client_ids() const { return client_ids_; }
  [[nodiscard]] static std::optional<Tag> TagOf(std::string_view payload);
  [[nodiscard]] static bool IsRetained(const Tag& tag);

 private:
  [[nodiscard]] std::string Payload(ScriptInput& input, bool retain);
  void AddWill(ScriptInput& input, uint8_t flags, mqtt::Connect* connect, std::string* payload);

  const uint64_t run_;
  uint32_t messages_ = 0;
  std::vector<std::string> client_ids_;
  std::vector<std::string> topics_;
  std::vector<std::string> filters_;
};

}  // namespace homeport::testing
