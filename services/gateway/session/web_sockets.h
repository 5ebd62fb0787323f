#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "libs/websocket/frame_reader.h"
#include "libs/websocket/framer.h"
#include "services/gateway/session/session.h"

namespace homeport::gateway {

// The WebSocket layer of the sessions that have one, kept aside so that the others carry nothing of
// it. Shard's thread only.
class WebSockets {
 public:
  explicit WebSockets(uint32_t frame_bytes_max) : frame_bytes_max_(frame_bytes_max) {}

  void Open(const Session& session) { channels_.try_emplace(session.index); }
  void Forget(const Session& session) { channels_.erase(session.index); }

  // Writes the payload of `bytes` to `payload`, where there must be room for as many; appends what
  // must be sent to `replies`, but what answers the end: Farewell has that. Returns the size of the
  // payload.
  [[nodiscard]] size_t Read(const Session& session, std::string_view bytes, char* payload,
                            std::string* replies) {
    Channel& channel = channels_.at(session.index);
    const websocket::FrameReader::Result result =
        channel.reader.Read(bytes, frame_bytes_max_, framer_, payload, replies);
    if (result.ended && !channel.ended) channel.farewell.swap(*replies);
    channel.ended = result.ended;
    channel.why = result.why;
    return result.payload_bytes;
  }
  // Whether the peer has closed, or broken a rule: then with the rule.
  [[nodiscard]] bool Ended(const Session& session, std::string_view* why) const {
    const Channel& channel = channels_.at(session.index);
    *why = channel.why;
    return channel.ended;
  }

  // One frame of `head` and `body`.
  [[nodiscard]] std::string Frame(std::string_view head, std::string_view body) {
    std::string frame;
    framer_.Append(websocket::Opcode::kBinary, head, body, &frame);
    return frame;
  }
  // The last that is sent (RFC 6455, 5.5.1): the answer to the peer's end, else a Close with
  // `code`.
  [[nodiscard]] std::string Farewell(const Session& session, uint16_t code) {
    Channel& channel = channels_.at(session.index);
    if (channel.ended) return std::move(channel.farewell);
    std::string frame;
    framer_.AppendClose(code, &frame);
    return frame;
  }

 private:
  struct Channel {
    websocket::FrameReader reader;
    bool ended = false;
    std::string farewell;  // once it has ended
    std::string_view why;  // static text
  };

  const uint32_t frame_bytes_max_;
  websocket::Framer framer_;
  absl::flat_hash_map<uint32_t, Channel> channels_;  // by session index
};

}  // namespace homeport::gateway
