#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/mqtt/frame_decoder.h"
#include "libs/mqtt/types.h"
#include "libs/net/fd.h"
#include "libs/net/reactor.h"
#include "libs/net/timer_wheel.h"
#include "services/gateway/probe.h"
#include "services/gateway/session/arrivals.h"
#include "services/gateway/session/close_cause.h"
#include "services/gateway/session/lingering.h"
#include "services/gateway/session/memory_watch.h"
#include "services/gateway/session/session.h"
#include "services/gateway/session/session_table.h"
#include "services/gateway/session/web_sockets.h"

namespace homeport::gateway {

// What the protocol side does with a frame.
enum class FrameOutcome : uint8_t {
  kConsumed,  // go on with the next frame
  kPause,     // taken, but read nothing more until Resume
  kRetry,     // not taken: offer the same frame again after Resume
};

// The protocol side, told of what arrives.
class SessionHandler {
 public:
  // The frame is whole and within the packet limit; it borrows the read buffer.
  virtual FrameOutcome OnFrame(Session& session, const mqtt::Frame& frame) = 0;
  // Called once per session, before it goes: its identity and cold state are still there.
  virtual void OnClosed(Session& session, const CloseCause& cause) = 0;

 protected:
  ~SessionHandler() = default;
};

// The bytes of a shard's sessions: accepts, reads into one shared buffer and cuts it into frames in
// place, writes directly and queues only what the socket does not take, ends sessions that are
// silent or slow. Shard's thread only.
class SessionIo {
 public:
  struct Options {
    uint32_t sessions_max = 1'000'000;
    uint32_t packet_bytes_max = 256 << 10;
    uint32_t output_bytes_max = 1 << 20;  // of one session: beyond it, it is a slow consumer
    int64_t connect_deadline_s = 10;      // from accept to CONNECT's acceptance
    uint32_t publishes_per_second = 100;  // of one session; 0: no limit. Above: reading waits
    uint32_t bytes_per_second = 512 << 10;
    uint32_t ws_frame_bytes_max = 1 << 20;
    uint64_t memory_bytes_max = 0;  // MemoryWatch
    uint32_t memory_percent_max = 90;
    int64_t tls_lag_us_max = 50'000;  // of the reactor: beyond it no TLS handshake begins
    std::string server_reference;     // for clients that are to use another server
    Arrivals::Options arrivals;
    Lingering::Options lingering;
  };

  SessionIo(net::Reactor& reactor, ShardProbe& probe, Options options, SessionHandler& handler);

  // Takes a new connection over.
  void Accept(net::Fd fd, Door door, const peer::IpEndpoint& source);
  [[nodiscard]] Arrivals& arrivals() { return arrivals_; }
  // The other end, for the log.
  [[nodiscard]] std::string PeerOf(const Session& session) const {
    return arrivals_.PeerOf(session);
  }

  // Sends `bytes`, now where possible. Ends the session when its queue would exceed the limit.
  void Send(Session& session, std::string_view bytes);
  // Whether a message that nobody is owed, one of QoS 0, finds room: half of what may wait is for
  // the others.
  [[nodiscard]] bool HasRoom(const Session& session, size_t bytes) const;
  // Two pieces in one packet: a header and a payload that need not be copied together.
  void Send(Session& session, std::string_view head, std::string_view body);

  // From now to the end of the loop iteration what is sent is gathered, so that a session gets all
  // its messages in one write. Call it before each send of a burst: it bounds what is gathered.
  void Cork();

  // Watches the keep-alive of a session just accepted.
  void WatchKeepAlive(const Session& session);
  // Reads on after FrameOutcome::kPause or kRetry.
  void Resume(Session& session);
  // For the per-second limits: whether the session may publish `bytes` more this second. When not,
  // it is paused until the next one.
  [[nodiscard]] bool WithinRate(Session& session, size_t bytes);
  // Resumes a session next second whose frame is not taken (FrameOutcome::kRetry).
  void RetryNextSecond(const Session& session) {
    probe_.rate_pauses.Increment();
    rate_paused_.push_back(session.handle());
  }

  // Tells an MQTT 5 client why, closes the socket, frees the slot at the end of the iteration.
  void Close(Session& session, const CloseCause& cause);

  // Once in kTickMs: deadlines, keep-alives; once a second: rates, memory.
  static constexpr int64_t kTickMs = 250;
  void Tick();

  [[nodiscard]] SessionTable& sessions() { return sessions_; }
  [[nodiscard]] uint32_t now_s() const {
    return static_cast<uint32_t>(reactor_.now().value / 1000);
  }
  [[nodiscard]] uint32_t tick() const {
    return static_cast<uint32_t>(reactor_.now().value / kTickMs);
  }

 private:
  static constexpr int64_t kTicksPerSecond = 1000 / kTickMs;
  friend class Session;
  void OnReady(Session& session, uint32_t events);
  void OnArrival(Session& session, Arrivals::Result result);
  // Whether there may be more.
  bool Read(Session& session);
  // The connection is broken. What the client had sent before, perhaps its DISCONNECT, is taken
  // first: at the end of the iteration, or by Resume.
  void LosePeer(Session& session);
  void ReadOut(Session& session);
  // Decodes what was read from a WebSocket to buffer_; returns how many bytes that is.
  [[nodiscard]] size_t Unframe(Session& session, std::string_view bytes);
  [[nodiscard]] net::IoResult ReadWebSocket(Session& session);
  // Ends a session whose WebSocket has ended, once all it had sent is taken.
  void EndWebSocket(Session& session);
  void Take(Session& session, size_t bytes);
  void SendWhole(Session& session, std::string_view bytes);
  // Whether there was something to say.
  bool SayGoodbye(Session& session, const CloseCause& cause);
  // Decodes frames at the front of `bytes`; returns how many bytes were taken.
  size_t Consume(Session& session, std::string_view bytes);
  // The same of what the session has kept.
  void ConsumeKept(Session& session);
  void WriteQueued(Session& session);
  void Queue(Session& session, std::string_view head, std::string_view body);
  // Whether bytes wait that come before any others.
  [[nodiscard]] static bool HasOutput(const Session& session) {
    return session.cold && !session.cold->output.empty();
  }
  void Uncork();
  [[nodiscard]] bool SendGathered(Session& session);
  void Arm(Session& session, bool reading, bool writing);
  void Touch(Session& session) const;
  void OnDeadline(net::TimerWheel::Entry entry);
  // When nothing will have come for one and a half keep-alives, and not before [MQTT-3.1.2-22]: the
  // last packet may have come at the end of its tick.
  [[nodiscard]] static int64_t KeepAliveDue(const Session& session) {
    return int64_t{session.last_active} + kTicksPerSecond * session.keep_alive_s * 3 / 2 + 1;
  }

  net::Reactor& reactor_;
  ShardProbe& probe_;
  Options options_;
  SessionHandler& handler_;
  SessionTable sessions_;
  net::TimerWheel wheel_;
  Arrivals arrivals_;
  MemoryWatch memory_;
  Lingering lingering_;
  WebSockets web_sockets_;
  std::vector<char> buffer_;  // shared by all reads: nothing in it outlives one
  std::vector<SessionHandle> rate_paused_;
  uint32_t rated_s_ = 0;  // the last second that Tick has seen begin
  bool corked_ = false;
  size_t corked_bytes_ = 0;              // of the output of:
  std::vector<SessionHandle> gathered_;  // whose sockets may take it, once uncorked
};

}  // namespace homeport::gateway
