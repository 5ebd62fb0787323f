#include "services/gateway/session/session_io.h"

#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>

#include "libs/base/check.h"
#include "libs/base/log.h"

namespace homeport::gateway {
namespace {

constexpr size_t kReadBytes = 256 << 10;
constexpr int kTlsReadsPerEvent = 8;
constexpr int kReadsOfTheGoneMax = 64;
constexpr size_t kWebSocketReadBytes = 20 << 10;
constexpr size_t kCorkedBytesMax = 256 << 10;  // of all sessions
constexpr size_t kProgressBytes = 1000;        // read at once, of a packet that is not whole yet
static_assert(kWebSocketReadBytes >= net::Transport::kReadBytesMin);
static_assert(kReadBytes >= net::Transport::kReadBytesMin);

// Closing a socket with unread bytes resets it, and what was sent last may not be read.
bool HasUnread(int fd) {
  int bytes = 0;
  return ::ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

// What a session that is not online yet waits for.
std::string_view WaitOf(Phase phase) {
  switch (phase) {
    case Phase::kProxyHeader:
      return "waiting for the PROXY header";
    case Phase::kHandshake:
      return "waiting for the client's TLS handshake";
    case Phase::kUpgrade:
      return "waiting for the WebSocket upgrade";
    case Phase::kAwaitConnect:
      return "waiting for CONNECT";
    case Phase::kAuthenticating:
      return "waiting for the registry";
    default:
      return "waiting for Redis";
  }
}

}  // namespace

void Session::OnReady(uint32_t events) { io->OnReady(*this, events); }

SessionIo::SessionIo(net::Reactor& reactor, ShardProbe& probe, Options options,
                     SessionHandler& handler)
    : reactor_(reactor),
      probe_(probe),
      options_(std::move(options)),
      handler_(handler),
      wheel_(reactor.now().value / kTickMs),
      arrivals_(probe, options_.arrivals),
      memory_(options_.memory_bytes_max, options_.memory_percent_max),
      lingering_(reactor, probe, options_.lingering),
      web_sockets_(options_.ws_frame_bytes_max),
      buffer_(kReadBytes) {}

void SessionIo::Accept(net::Fd fd, Door door, const peer::IpEndpoint& source) {
  if (!arrivals_.Admit(source, now_s())) return;
  if (memory_.is_short()) {
    probe_.Refuse("memory_bytes_max");
    log::Refusal("connection_refused", {{"peer", source.ToString()},
                                        {"limit", "memory_bytes_max"},
                                        {"bytes", memory_.bytes_max()}});
    return;
  }
  // The first to wait when there is too much to do: a handshake costs more than all that follows.
  if (door.tls && reactor_.lag_us() > options_.tls_lag_us_max) {
    probe_.Refuse("overload_tls");
    log::Refusal("connection_refused",
                 {{"peer", source.ToString()}, {"limit", "overload_lag_ms"}, {"for", "TLS"}});
    return;
  }
  Session* session = sessions_.Allocate(options_.sessions_max);
  if (session == nullptr) {
    probe_.Refuse("sessions_max");
    log::Refusal("connection_refused", {{"peer", source.ToString()}, {"limit", "sessions_max"}});
    return;
  }
  session->io = this;
  session->transport = net::Transport(fd.Release());
  session->last_active = tick();
  session->reading = true;
  if (!reactor_.Add(session->transport.fd(), EPOLLIN, session).ok()) {
    session->transport.Close();
    sessions_.Free(*session);
    probe_.Refuse("epoll");
    log::Refusal("connection_refused", {{"peer", source.ToString()}, {"reason", "epoll"}});
    return;
  }
  wheel_.Add(tick() + kTicksPerSecond * options_.connect_deadline_s,
             {session->index, session->generation});
  probe_.connections.Increment();
  OnArrival(*session, arrivals_.Begin(*session, door, source, now_s()));
}

void SessionIo::OnReady(Session& session, uint32_t events) {
  if (!session.is_open() || session.peer_gone) return;
  if (session.phase < Phase::kAwaitConnect) {
    return OnArrival(session, arrivals_.Advance(session, now_s()));
  }
  if ((events & EPOLLOUT) != 0) {
    WriteQueued(session);
    if (!session.is_open()) return;
  }
  if ((events & EPOLLIN) != 0 && session.reading) {
    // A pause costs a system call only where something arrives during it.
    if (session.paused) return Arm(session, false, session.writing);
    Read(session);
    return;
  }
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) LosePeer(session);
}

void SessionIo::LosePeer(Session& session) {
  if (session.phase < Phase::kOnline) {
    return Close(session, {"CONNECTION_LOST", {}, "reset by peer"});
  }
  if (std::exchange(session.peer_gone, true)) return;
  reactor_.Remove(session.transport.fd());
  if (session.cold) {
    session.cold->output = std::string();
    session.cold->output_sent = 0;
  }
  reactor_.Defer([this, handle = session.handle()] {
    Session* there = sessions_.Find(handle);
    if (there != nullptr && !there->paused) ReadOut(*there);
  });
}

void SessionIo::ReadOut(Session& session) {
  for (int i = 0; i < kReadsOfTheGoneMax; ++i) {
    if (!Read(session)) break;
  }
  if (session.is_open() && !session.paused) {
    Close(session, {"CONNECTION_LOST", {}, "connection lost"});
  }
}

void SessionIo::OnArrival(Session& session, Arrivals::Result result) {
  if (session.phase == Phase::kAwaitConnect && session.websocket) web_sockets_.Open(session);
  if (!result.send.empty()) SendWhole(session, result.send);
  if (!session.is_open()) return;
  switch (result.kind) {
    case Arrivals::Result::Kind::kWait:
      return Arm(session, true, result.wants_write);
    case Arrivals::Result::Kind::kRefused:
      return Close(session, {"CLIENT_ERROR", {}, "refused before CONNECT"});
    case Arrivals::Result::Kind::kArrived:
      break;
  }
  if (!result.bytes.empty()) {
    Take(session, Unframe(session, result.bytes));
    if (!session.is_open()) return;
  }
  Arm(session, !session.paused, HasOutput(session));
  // TLS may have read the first packet together with the end of its handshake.
  if (session.transport.is_tls() && !session.paused) Read(session);
}

bool SessionIo::Read(Session& session) {
  for (int i = 0; i < kTlsReadsPerEvent; ++i) {
    const net::IoResult result = session.websocket
                                     ? ReadWebSocket(session)
                                     : session.transport.Read(buffer_.data(), buffer_.size());
    if (!session.is_open()) return false;
    if (result.status == net::IoStatus::kWouldBlock) {
      if (result.wants_write) Arm(session, session.reading, true);
      return false;
    }
    if (result.status != net::IoStatus::kOk) {
      Close(session, {"CONNECTION_LOST", {}, "connection lost"});
      return false;
    }
    probe_.received_bytes.Add(result.bytes);
    Take(session, result.bytes);
    if (!session.is_open() || session.paused) return false;
    if (!session.transport.HasPending()) break;
  }
  return true;
}

// Takes what is whole of what the session has kept and of the first `bytes` in buffer_, and keeps
// the rest. For the keep alive count Control Packets [MQTT-3.1.2-22], and what shows that a large
// one is on its way.
void SessionIo::Take(Session& session, size_t bytes) {
  if (!session.is_open()) return;  // what was read may have been answered, in vain
  if (bytes >= kProgressBytes) Touch(session);
  const std::string_view input(buffer_.data(), bytes);
  if (session.cold && !session.cold->input.empty()) {
    session.cold->input.append(input);
    ConsumeKept(session);
  } else {
    const size_t taken = Consume(session, input);
    if (session.is_open() && taken < bytes) session.Cold().input.assign(input.substr(taken));
  }
  if (session.is_open()) EndWebSocket(session);
}

net::IoResult SessionIo::ReadWebSocket(Session& session) {
  std::array<char, kWebSocketReadBytes> raw;
  net::IoResult result = session.transport.Read(raw.data(), raw.size());
  if (result.status == net::IoStatus::kOk) {
    result.bytes = Unframe(session, {raw.data(), result.bytes});
  }
  return result;
}

size_t SessionIo::Unframe(Session& session, std::string_view bytes) {
  std::string replies;
  const size_t payload = web_sockets_.Read(session, bytes, buffer_.data(), &replies);
  if (!replies.empty()) SendWhole(session, replies);
  return payload;
}

void SessionIo::EndWebSocket(Session& session) {
  std::string_view why;
  if (!session.websocket || session.paused || !web_sockets_.Ended(session, &why)) return;
  if (why.empty()) return Close(session, {"CONNECTION_LOST", {}, "WebSocket closed"});
  probe_.Refuse("websocket");
  log::Refusal("websocket_refused", {{"why", why}, {"peer", PeerOf(session)}});
  Close(session, {"CLIENT_ERROR", {}, why});
}

size_t SessionIo::Consume(Session& session, std::string_view bytes) {
  size_t taken = 0;
  while (!session.paused && taken < bytes.size()) {
    const mqtt::FrameResult result =
        mqtt::DecodeFrame(bytes.substr(taken), options_.packet_bytes_max,
                          session.is_31 ? mqtt::HeaderRules::k31 : mqtt::HeaderRules::kCurrent);
    if (result.kind == mqtt::FrameResult::Kind::kNeedMore) break;
    if (result.kind == mqtt::FrameResult::Kind::kError) {
      probe_.Refuse(mqtt::Name(result.error.reason));
      if (session.phase < Phase::kOnline) {
        log::Refusal("connection_refused", {{"peer", PeerOf(session)},
                                            {"reason", mqtt::Name(result.error.reason)},
                                            {"why", result.error.what}});
      }
      Close(session, {"CLIENT_ERROR", result.error.reason, result.error.what});
      return taken;
    }
    Touch(session);
    const FrameOutcome outcome = handler_.OnFrame(session, result.frame);
    if (!session.is_open()) return taken;
    if (outcome != FrameOutcome::kRetry) taken += result.frame.total_bytes;
    if (outcome != FrameOutcome::kConsumed) session.paused = true;
  }
  return taken;
}

// Where no packet is whole nothing is copied: one may come byte by byte.
void SessionIo::ConsumeKept(Session& session) {
  std::string input = std::exchange(session.cold->input, std::string());
  const size_t taken = Consume(session, input);
  if (!session.is_open()) return;
  if (taken == 0) {
    session.Cold().input = std::move(input);
  } else if (taken < input.size()) {
    session.Cold().input.assign(input, taken);
  } else {
    session.TrimCold();
  }
}

void SessionIo::Resume(Session& session) {
  if (!session.is_open() || !session.paused) return;
  session.paused = false;
  if (session.cold && !session.cold->input.empty()) {
    ConsumeKept(session);
    if (!session.is_open() || session.paused) return;
  }
  EndWebSocket(session);
  if (!session.is_open()) return;
  Touch(session);
  if (session.peer_gone) return ReadOut(session);
  Arm(session, true, session.writing);
  if (session.transport.HasPending()) Read(session);
}

void SessionIo::Touch(Session& session) const {
  const uint32_t before = std::exchange(session.last_active, tick());
  if (before / kTicksPerSecond == session.last_active / kTicksPerSecond) return;
  session.second_publishes = 0;
  session.second_bytes = 0;
}

bool SessionIo::WithinRate(Session& session, size_t bytes) {
  session.second_bytes += static_cast<uint32_t>(bytes);
  ++session.second_publishes;
  if (session.peer_gone) return true;
  const bool within =
      (options_.publishes_per_second == 0 ||
       session.second_publishes <= options_.publishes_per_second) &&
      (options_.bytes_per_second == 0 || session.second_bytes <= options_.bytes_per_second ||
       session.second_publishes == 1);
  if (!within) {
    probe_.rate_pauses.Increment();
    rate_paused_.push_back(session.handle());
  }
  return within;
}

bool SessionIo::HasRoom(const Session& session, size_t bytes) const {
  if (!HasOutput(session)) return true;
  const size_t waiting = session.cold->output.size() - session.cold->output_sent;
  return waiting + bytes <= options_.output_bytes_max / 2;
}

void SessionIo::Send(Session& session, std::string_view bytes) { Send(session, bytes, {}); }

void SessionIo::Send(Session& session, std::string_view head, std::string_view body) {
  if (!session.is_open() || session.peer_gone) return;
  if (head.empty() && body.empty()) return;  // OpenSSL takes it for an error
  if (session.websocket) return SendWhole(session, web_sockets_.Frame(head, body));
  if (corked_ || HasOutput(session)) return Queue(session, head, body);
  if (body.empty()) return SendWhole(session, head);
  // One packet is one write: a packet in two segments would cost the peer two wake-ups.
  std::string joined;
  joined.reserve(head.size() + body.size());
  joined.append(head).append(body);
  SendWhole(session, joined);
}

void SessionIo::SendWhole(Session& session, std::string_view bytes) {
  if (session.peer_gone) return;
  if (corked_ || HasOutput(session)) return Queue(session, bytes, {});
  const net::IoResult result = session.transport.Write(bytes);
  if (result.status == net::IoStatus::kError || result.status == net::IoStatus::kClosed) {
    return LosePeer(session);
  }
  probe_.sent_bytes.Add(result.bytes);
  if (result.bytes < bytes.size()) Queue(session, bytes.substr(result.bytes), {});
}

// A packet waits whole or not at all, so that a goodbye comes behind whole ones. The first may wait
// whatever its size: part of it may be on its way, and no client reads faster than it comes.
void SessionIo::Queue(Session& session, std::string_view head, std::string_view body) {
  ColdState& cold = session.Cold();
  const size_t bytes = head.size() + body.size();
  const bool is_first = cold.output.empty();
  if (!is_first && cold.output.size() - cold.output_sent + bytes > options_.output_bytes_max) {
    probe_.Refuse("slow_consumer");
    return Close(session, {"SERVER_INITIATED_DISCONNECT", {}, "output_bytes_max: slow consumer"});
  }
  cold.output.append(head).append(body);
  if (!corked_) return Arm(session, session.reading, true);
  if (is_first) gathered_.push_back(session.handle());
  corked_bytes_ += bytes;
}

void SessionIo::Cork() {
  if (corked_bytes_ >= kCorkedBytesMax) Uncork();
  if (corked_) return;
  corked_ = true;
  reactor_.Defer([this] { Uncork(); });
}

void SessionIo::Uncork() {
  corked_ = false;
  corked_bytes_ = 0;
  std::vector<SessionHandle> gathered;
  gathered.swap(gathered_);
  for (const SessionHandle handle : gathered) {
    if (Session* session = sessions_.Find(handle)) WriteQueued(*session);
  }
  gathered.clear();
  if (gathered_.empty()) gathered_.swap(gathered);  // keeps the capacity
}

void SessionIo::WriteQueued(Session& session) {
  if (!session.cold) return Arm(session, session.reading, false);
  ColdState& cold = *session.cold;
  while (cold.output_sent < cold.output.size()) {
    const net::IoResult result =
        session.transport.Write(std::string_view(cold.output).substr(cold.output_sent));
    if (result.status == net::IoStatus::kWouldBlock) return Arm(session, session.reading, true);
    if (result.status != net::IoStatus::kOk) return LosePeer(session);
    probe_.sent_bytes.Add(result.bytes);
    cold.output_sent += result.bytes;
  }
  cold.output = std::string();
  cold.output_sent = 0;
  session.TrimCold();
  Arm(session, session.reading, false);
}

void SessionIo::Arm(Session& session, bool reading, bool writing) {
  if (session.peer_gone || (session.reading == reading && session.writing == writing)) return;
  session.reading = reading;
  session.writing = writing;
  reactor_.Modify(session.transport.fd(),
                  (reading ? uint32_t{EPOLLIN} : 0u) | (writing ? uint32_t{EPOLLOUT} : 0u),
                  &session);
}

void SessionIo::Close(Session& session, const CloseCause& cause) {
  if (!session.is_open()) return;
  // Who is told of a mistake is likely to be sending still; who is refused may have sent more.
  const bool is_told = SayGoodbye(session, cause) && cause.word == "CLIENT_ERROR";
  const bool lingers = is_told || (cause.is_answered && HasUnread(session.transport.fd()));
  handler_.OnClosed(session, cause);
  arrivals_.Forget(session);
  if (session.websocket) web_sockets_.Forget(session);
  session.phase = Phase::kClosed;
  if (lingers && !session.peer_gone) {
    reactor_.Remove(session.transport.fd());
    lingering_.Take(net::Fd(session.transport.Detach()));
  } else {
    session.transport.Close();  // which ends the reactor's watch too
  }
  session.cold.reset();
  probe_.disconnections.Increment();
  reactor_.Defer([this, &session] { sessions_.Free(session); });
}

// Whether all that was gathered for the session is sent.
bool SessionIo::SendGathered(Session& session) {
  if (!HasOutput(session)) return true;
  if (session.writing) return false;
  auto rest = std::string_view(session.cold->output).substr(session.cold->output_sent);
  while (!rest.empty()) {  // TLS takes a record at a time
    const size_t sent = session.transport.Write(rest).bytes;
    if (sent == 0) return false;
    rest.remove_prefix(sent);
  }
  return true;
}

// Best effort: the socket closes anyway.
bool SessionIo::SayGoodbye(Session& session, const CloseCause& cause) {
  if (session.phase < Phase::kAwaitConnect || session.peer_gone) return false;
  if (!SendGathered(session)) return false;
  std::string bytes = GoodbyeOf(session, cause, options_.server_reference);
  if (session.websocket) {
    if (!bytes.empty()) bytes = web_sockets_.Frame(bytes, {});
    const bool goes_away = cause.reason == mqtt::ReasonCode::kServerShuttingDown ||
                           mqtt::HasServerReference(cause.reason);
    bytes += web_sockets_.Farewell(
        session, goes_away ? websocket::kCloseGoingAway : websocket::kCloseNormal);
  }
  if (!bytes.empty()) static_cast<void>(session.transport.Write(bytes));
  return !bytes.empty();
}

void SessionIo::Tick() {
  wheel_.Advance(tick(), [this](net::TimerWheel::Entry entry) { OnDeadline(entry); });
  if (std::exchange(rated_s_, now_s()) == now_s()) return;
  memory_.Poll();
  std::vector<SessionHandle> paused;
  paused.swap(rate_paused_);
  for (const SessionHandle handle : paused) {
    if (Session* session = sessions_.Find(handle)) {
      session->second_publishes = 0;
      session->second_bytes = 0;
      Resume(*session);
    }
  }
}

// The entry of the connect deadline goes on as the one of the keep-alive, which may be due earlier.
void SessionIo::WatchKeepAlive(const Session& session) {
  const int64_t due = KeepAliveDue(session);
  if (session.keep_alive_s != 0 && due < tick() + kTicksPerSecond * options_.connect_deadline_s) {
    wheel_.Add(due, {session.index, session.generation});
  }
}

void SessionIo::OnDeadline(net::TimerWheel::Entry entry) {
  Session* session = sessions_.Find({entry.index, entry.generation});
  if (session == nullptr) return;
  if (session->phase != Phase::kOnline) {
    probe_.Refuse("connect_deadline");
    log::Refusal("connection_refused", {{"peer", PeerOf(*session)},
                                        {"limit", "connect_deadline_s"},
                                        {"while", WaitOf(session->phase)}});
    return Close(*session, {"CLIENT_ERROR", {}, "connect_deadline_s"});
  }
  if (session->keep_alive_s == 0) return;
  const int64_t due = KeepAliveDue(*session);  // a paused session cannot be heard
  if (session->paused || due > tick()) {
    wheel_.Add(session->paused ? tick() + kTicksPerSecond * session->keep_alive_s : due, entry);
    return;
  }
  probe_.Refuse("keep_alive_timeout");
  Close(*session, {"MQTT_KEEP_ALIVE_TIMEOUT", mqtt::ReasonCode::kKeepAliveTimeout,
                   "nothing received for 1.5 keep-alives"});
}

}  // namespace homeport::gateway
