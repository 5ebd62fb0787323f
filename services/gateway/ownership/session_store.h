#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "libs/base/ids.h"
#include "libs/net/reactor.h"
#include "libs/redis/client.h"
#include "services/gateway/ownership/ownership.h"
#include "services/gateway/probe.h"
#include "services/gateway/session/session.h"
#include "services/gateway/stream/bus.h"

namespace homeport::gateway {

// What Redis keeps of a session that outlives its connection. The hash
// hp:{d:<device>}:kept:<client> has the fields
//   h    its owner, "<pod> <session> <epoch>": only that one may write
//   x    how many seconds it outlives its connection
//   off  Unix ms at which the connection ended; absent while it is there
//   c    there while its owner has not caught up with the bus: the owner's places say nothing of it
//   f    a KeptFilters
//   sent the number of the last message of the queue that was sent to the client
//   in   the QoS 2 publishes received and not yet released (receipts.h)
//   pNN  up to where partition NN of the bus is in the queue: "<ms>-<seq>-<index>"
// and hp:{d:<device>}:queue:<client> its messages, a KeptMessage each, by number.
//
// Writes are carried out in the order in which they were asked for, again and again while Redis is
// away or refuses them for want of memory or of a disk: each must do no harm when it is done twice.
// Those that wait are bounded in bytes, more messages are dropped; what says whose a session is has
// no other bound than the sessions. Shard's thread only.
class SessionStore {
 public:
  struct Change {
    enum class Where : uint8_t { kSession, kQueue };
    enum class What : uint8_t { kSet, kRemove };
    Where where = Where::kSession;
    What what = What::kSet;
    std::string field;
    std::string value;
  };
  static Change Set(std::string_view field, std::string value) {
    return {Change::Where::kSession, Change::What::kSet, std::string(field), std::move(value)};
  }
  static Change Remove(std::string_view field) {
    return {Change::Where::kSession, Change::What::kRemove, std::string(field), {}};
  }
  static Change Queue(uint64_t number, std::string value) {
    return {Change::Where::kQueue, Change::What::kSet, std::to_string(number), std::move(value)};
  }
  static Change Unqueue(uint64_t number) {
    return {Change::Where::kQueue, Change::What::kRemove, std::to_string(number), {}};
  }

  // Who may write to a kept session.
  struct Owner {
    const Identity& identity;
    SessionHandle session;
    uint64_t epoch = 0;
  };
  static Owner OwnerOf(const Session& session) {
    return {*session.identity, session.handle(), session.epoch};
  }

  enum class Written : uint8_t {
    kDone,
    kNotOurs,  // the session belongs to another by now
    kFailed,   // Redis did not take it, or too much waits for Redis to do so
  };
  using OnWritten = absl::AnyInvocable<void(Written)>;

  SessionStore(net::Reactor& reactor, redis::Client& redis, ShardProbe& probe, const PodId& pod)
      : reactor_(reactor), redis_(redis), probe_(probe), pod_(pod) {}

  void Write(const Session& session, std::vector<Change> changes, OnWritten on_written) {
    Write(OwnerOf(session), std::move(changes), std::move(on_written));
  }
  void Write(const Owner& owner, std::vector<Change> changes, OnWritten on_written);
  // The session's life without a connection begins, for `expiry_s`; Redis forgets it by itself some
  // time after that. From now on `heir` stands for it.
  void Leave(const Owner& owner, SessionHandle heir, uint32_t expiry_s, OnWritten on_written);
  // From now on the session has another epoch.
  void Renew(const Owner& owner, uint64_t epoch);
  // The messages of the session's queue, in order; none where it is another's.
  struct Queued {
    std::string_view bytes;  // a KeptMessage; empty: the client has it
    bool was_sent = false;
  };
  using OnQueue = absl::AnyInvocable<void(std::span<const Queued>)>;
  void ReadQueue(const Owner& owner, OnQueue on_queue);
  // Ends the session.
  void Drop(const Owner& owner);

  // The pod's list of kept sessions, and of wills, for whoever comes after it.
  void List(const Identity& identity, uint64_t epoch);
  void Unlist(const Identity& identity, uint64_t epoch);
  // The session's will, under an epoch that it may get only then. `due_ms`: Unix ms at which its
  // delay ends; 0 while its connection lasts. `on_listed`: Redis has it, or does not take it.
  using OnListed = absl::AnyInvocable<void()>;
  void ListWill(const Session& session, uint64_t epoch, int64_t due_ms, OnListed on_listed = {});
  void UnlistWill(const Identity& identity, uint64_t epoch);
  // The same of a session that was `pod`'s.
  void UnlistWillOf(std::string_view pod, const Identity& identity, uint64_t epoch);
  // Whether it is listed, which it is unless Redis says otherwise.
  using OnFound = absl::AnyInvocable<void(bool)>;
  void FindWill(const Identity& identity, uint64_t epoch, OnFound on_found);
  // That the pod exists.
  void ListPod();

  // Which pod has the session, and up to where that pod had read the bus when asked: as far as
  // that, what the session was to get is in its queue, once it had caught up there.
  struct Former {
    std::string pod;
    std::vector<StreamPos> places;  // of each partition, {} where unknown
  };
  using OnFormer = absl::AnyInvocable<void(absl::StatusOr<std::optional<Former>>)>;
  void FindFormer(const Identity& identity, OnFormer on_former);
  void ReadPlaces(std::string pod, OnFormer on_former);
  // REQUIRES: idle(), so that every write that belongs to what was read is in Redis.
  void WritePlaces(const Bus& bus);

  // Takes over a session of pod `dead`, which must still be its owner: NotFound otherwise.
  struct Adopted {
    uint64_t epoch = 0;
    KeptRecord record;  // without the queue
    uint32_t queued = 0;
    uint64_t queued_bytes = 0;
    uint64_t last_number = 0;
  };
  using OnAdopted = absl::AnyInvocable<void(absl::StatusOr<Adopted>)>;
  void Adopt(const Identity& identity, std::string_view dead, SessionHandle heir,
             OnAdopted on_adopted);

  // After the connection to Redis came up.
  void OnConnected();
  // So much waits for Redis that nothing more should be read that leads to writes.
  [[nodiscard]] bool is_pressed() const;
  // Nothing is unanswered.
  [[nodiscard]] bool idle() const { return unanswered_ == 0 && waiting_.empty(); }
  // What was asked for is carried out before what other parts ask Redis for from now on.
  [[nodiscard]] bool is_prompt() const { return waiting_.empty() && trying_ == 0; }

 private:
  struct Command {
    const redis::Script* script = nullptr;
    std::vector<std::string> words;
    redis::Client::OnReply on_reply;
    uint64_t number = 0;  // in the order in which they were asked for
    size_t bytes = 0;
    bool may_be_shed = false;
  };
  [[nodiscard]] static redis::Client::OnReply Telling(OnWritten on_written);
  void Do(Command command);
  void Send(Command command);
  void OnAnswer(Command command, const redis::Reply& reply);
  // Refuses it: too much is open.
  void Shed(Command command);
  void Wait(Command command);
  void SendWaiting();
  void TryLater();
  void Try();
  [[nodiscard]] std::string Name(const Owner& owner) const;

  net::Reactor& reactor_;
  redis::Client& redis_;
  ShardProbe& probe_;
  const PodId& pod_;
  std::map<uint64_t, Command> waiting_;  // for Redis, by number
  size_t open_bytes_ = 0;                // of those waiting and unanswered
  size_t sent_bytes_ = 0;                // of those unanswered
  size_t unanswered_ = 0;
  uint64_t last_number_ = 0;
  uint64_t trying_ = 0;  // the number of the one that is to show whether Redis takes writes again
  bool tries_later_ = false;
};

// "<epoch>:<bytes of device>:<device><client>", which names a session in the lists of its pod;
// nothing when `text` is not of that form.
[[nodiscard]] std::string ListName(const Identity& identity, uint64_t epoch);
struct Listed {
  Identity identity;
  uint64_t epoch = 0;
};
[[nodiscard]] std::optional<Listed> ParseListName(std::string_view text);

// The number in a field; 0 where there is none.
[[nodiscard]] uint64_t NumberOf(std::string_view text);

// The field of a partition's place, and its value.
[[nodiscard]] std::string PlaceField(uint32_t partition);
[[nodiscard]] std::string FormatPlace(const BusPlace& place);
[[nodiscard]] std::optional<BusPlace> ParsePlace(std::string_view text);

}  // namespace homeport::gateway
