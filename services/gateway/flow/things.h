#pragma once

#include <string_view>

#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// Things whose shadows a client uses though none of them is its own device, as an app does with
// the AWS SDKs: to the registry the client is one of the thing's sessions. Only where every topic
// is open. Shard's thread only.
class Things {
 public:
  explicit Things(ShardContext& context) : c_(context) {}

  // The device whose shadow topics, or down topics, a filter is about: the session's own, or a
  // thing that it may use; empty where it is neither.
  [[nodiscard]] std::string_view OfFilter(const Session& session, std::string_view filter) const;
  // The thing to whose shadow service a topic speaks; empty where it is none that the session may
  // use beside its own device.
  [[nodiscard]] std::string_view OfTopic(const Session& session, std::string_view topic) const;

  // Whether a topic or filter is of one thing, by its name; and whether what stands in a name's
  // place is no name and no wildcard: nobody would answer.
  [[nodiscard]] static bool NamesOne(std::string_view topic_or_filter);
  [[nodiscard]] static bool NamesNone(std::string_view topic_or_filter);
  // Whether the session gets by itself what the thing of that topic gets: it is its device, or one
  // that it has joined.
  [[nodiscard]] static bool IsOneOf(const Session& session, std::string_view topic);
  // Whether requests may be among what a filter of one thing matches.
  [[nodiscard]] static bool MayMatchRequests(std::string_view filter);

  // The session is to get what the thing gets, from now on. False when it has joined too many;
  // those of which it follows nothing give way before.
  [[nodiscard]] bool Join(Session& session, std::string_view thing);
  // It may have unsubscribed from all that it followed of a thing.
  void LeaveUnfollowed(Session& session);
  // Tells the registry of all its things that the session is there, or gone.
  void SayConnected(const Session& session);
  void SayDisconnected(const Session& session, std::string_view reason);

 private:
  ShardContext& c_;
};

}  // namespace homeport::gateway
