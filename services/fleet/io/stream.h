#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "services/fleet/io/endpoint.h"
#include "services/fleet/io/event_loop.h"
#include "services/fleet/io/tls_client.h"

namespace homeport::fleet {

// A client's byte stream over TCP or TLS that never blocks. May be opened again after it ended.
// On the loop's thread.
class Stream final : private EventLoop::Watcher {
 public:
  class Owner {
   public:
    // `bytes` do not outlive the call. The owner may Close() and Open() the stream inside it.
    virtual void OnBytes(std::string_view bytes) = 0;
    // The stream is closed, not by the owner. It may be opened again inside the call.
    virtual void OnEnd(std::string_view why) = 0;

   protected:
    ~Owner() = default;
  };

  // Both outlive the stream.
  Stream(EventLoop& loop, Owner& owner) : loop_(loop), owner_(owner) {}
  ~Stream() { Close(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Starts to connect; `first_bytes` go out as soon as that is done. Plain TCP where `tls` is null,
  // else `tls` outlives the connection. Errors come through OnEnd, never before this returns.
  // REQUIRES: !is_open().
  void Open(const Endpoint& endpoint, const TlsClient* tls, std::string first_bytes);

  // Writes at once what the socket takes and keeps the rest. Ignored when closed.
  void Write(std::string_view bytes);

  // Closes without a callback. Harmless when closed.
  void Close();

  // Neither reads nor writes any more, but leaves the connection standing: what the server sees of
  // a device that lost its power. Only Close() ends it.
  void Freeze();

  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  // What Write() could not yet hand to the socket.
  [[nodiscard]] size_t unsent_bytes() const { return unsent_.size(); }

 private:
  enum class State : uint8_t { kClosed, kConnecting, kHandshake, kOpen, kFrozen };
  // What one read or write came to; kMore: try again now, kWait: when the socket is ready.
  enum class Io : uint8_t { kMore, kWait, kEnd };

  void OnReady(uint32_t events) override;
  void FinishConnect();
  void Handshake();
  void ReadAll();
  [[nodiscard]] Io ReadSome(size_t* count);
  [[nodiscard]] Io WriteSome(std::string_view bytes, size_t* count);
  [[nodiscard]] Io SslOutcome(int result);
  void Flush();
  void Want(uint32_t events);
  void End(std::string_view why);

  EventLoop& loop_;
  Owner& owner_;
  int fd_ = -1;
  State state_ = State::kClosed;
  uint32_t wanted_ = 0;
  uint32_t generation_ = 0;  // counts Open() and Close(): tells a callback's re-entrance
  SslPtr ssl_;
  std::string unsent_;
  std::string error_;             // of the failed read or write
  EventLoop::TimerId no_socket_;  // reports that none could be made
};

}  // namespace homeport::fleet
