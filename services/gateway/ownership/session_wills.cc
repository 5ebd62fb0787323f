// The part of SessionKeeper for wills.

#include <algorithm>
#include <utility>

#include "services/gateway/ownership/session_keeper.h"

namespace homeport::gateway {

void SessionKeeper::VerifyWill(const Session& session, uint64_t former) {
  if (!session.cold || !session.cold->will) return;
  const uint64_t epoch = session.epoch;
  // First, so that it is on the list at any time.
  if (former != epoch) c_.store.ListWill(session, epoch, 0);
  c_.store.FindWill(*session.identity, former,
                    [this, handle = session.handle(), identity = *session.identity, epoch,
                     former](bool was_there) {
                      if (was_there && former != epoch)
                        return c_.store.UnlistWill(identity, former);
                      Session* there = was_there ? nullptr : c_.io.sessions().Find(handle);
                      // Who took this pod for dead has published it.
                      if (there != nullptr && there->epoch == epoch) ForgetWill(*there);
                    });
}

void SessionKeeper::AdoptWill(SessionHandle waiting, std::unique_ptr<StoredWill> will,
                              int64_t due_ms) {
  Session* session = c_.io.sessions().FindKept(waiting);
  if (session == nullptr || !session->is_away()) return;
  const int64_t now_ms = c_.reactor.wall().value;
  const uint32_t delay_s = std::min(will->delay_s, session->kept()->expiry_s);
  const auto left_s = static_cast<uint32_t>(
      due_ms == 0 ? delay_s : std::clamp<int64_t>((due_ms - now_ms + 999) / 1000, 0, delay_s));
  session->cold->will = std::move(will);
  SetDue(*session, Due::kWill, left_s);
  c_.store.ListWill(*session, session->epoch, now_ms + int64_t{left_s} * 1000);
}

// At once, or after the will's delay unless the client is back by then; the end of the session ends
// the delay [MQTT-3.1.3-9].
void SessionKeeper::EndWill(Session& session, Session* heir) {
  if (!session.cold || !session.cold->will) return;
  const StoredWill& will = *session.cold->will;
  if (session.taken_over && session.resumed && will.delay_s > 0) {
    return ForgetWill(session);
  }
  if (heir == nullptr || will.delay_s == 0) return PublishWill(session);
  const uint32_t wait_s = std::min(will.delay_s, heir->kept()->expiry_s);
  heir->cold->will = std::move(session.cold->will);
  SetDue(*heir, Due::kWill, wait_s);
  c_.store.ListWill(*heir, heir->epoch, c_.reactor.wall().value + int64_t{wait_s} * 1000);
}

void SessionKeeper::ForgetWill(Session& session) {
  if (!session.cold || !session.cold->will) return;
  session.cold->will.reset();
  c_.store.UnlistWill(*session.identity, session.epoch);
}

// It leaves the list once it is in its stream: whoever comes after this pod would publish it.
void SessionKeeper::PublishWill(Session& session) {
  std::unique_ptr<StoredWill> will = std::move(session.cold->will);
  auto unlist = [this, identity = *session.identity, epoch = session.epoch] {
    c_.store.UnlistWill(identity, epoch);
  };
  if (!c_.lease.is_doubtful()) {
    return publish_.PublishWill(*session.identity, *will, std::move(unlist));
  }
  // Who took this pod for dead has published it. It is looked up and then taken off: an answer that
  // is lost with its connection is asked for again.
  c_.store.FindWill(*session.identity, session.epoch,
                    [this, identity = *session.identity, unlist = std::move(unlist),
                     will = std::move(will)](bool is_there) mutable {
                      if (is_there) publish_.PublishWill(identity, *will, std::move(unlist));
                    });
}

}  // namespace homeport::gateway
