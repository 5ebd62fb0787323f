#include "services/gateway/flow/things.h"

#include <algorithm>

#include "libs/auth/topic_policy.h"
#include "libs/base/ascii.h"
#include "libs/base/log.h"
#include "services/gateway/flow/session_uplink.h"

namespace homeport::gateway {
namespace {

constexpr std::string_view kPrefix = "$aws/things/";
constexpr size_t kNameBytesMax = 128;

bool IsNameByte(char byte) {
  return IsAlphanumeric(byte) || byte == ':' || byte == '_' || byte == '-';
}

// What stands behind "$aws/things/" where that is a thing's name.
std::string_view NameIn(std::string_view topic) {
  if (topic.substr(0, kPrefix.size()) != kPrefix) return {};
  topic.remove_prefix(kPrefix.size());
  const std::string_view name = topic.substr(0, topic.find('/'));
  const bool is_name = !name.empty() && name.size() <= kNameBytesMax &&
                       std::all_of(name.begin(), name.end(), IsNameByte);
  return is_name ? name : std::string_view();
}

bool IsFollowed(const Session& session, std::string_view thing) {
  const auto& filters = session.cold->filters;
  return std::any_of(filters.begin(), filters.end(),
                     [&](const StoredFilter& stored) { return NameIn(stored.filter) == thing; });
}

}  // namespace

std::string_view Things::OfFilter(const Session& session, std::string_view filter) const {
  const std::string& device = session.identity->device;
  if (auth::MaySubscribe(filter, device)) return device;
  if (!c_.config.anonymous) return {};
  const std::string_view thing = NameIn(filter);
  return !thing.empty() && auth::MaySubscribe(filter, thing) ? thing : std::string_view();
}

std::string_view Things::OfTopic(const Session& session, std::string_view topic) const {
  if (!c_.config.anonymous) return {};
  const std::string_view thing = NameIn(topic);
  if (thing.empty() || thing == session.identity->device) return {};
  return auth::MayPublish(auth::Classify(topic, thing).topic_class) ? thing : std::string_view();
}

bool Things::NamesOne(std::string_view topic_or_filter) { return !NameIn(topic_or_filter).empty(); }

bool Things::NamesNone(std::string_view topic_or_filter) {
  if (topic_or_filter.substr(0, kPrefix.size()) != kPrefix || NamesOne(topic_or_filter)) {
    return false;
  }
  const std::string_view rest = topic_or_filter.substr(kPrefix.size());
  const std::string_view name = rest.substr(0, rest.find('/'));
  return name != "+" && name != "#";
}

bool Things::MayMatchRequests(std::string_view filter) {
  constexpr std::string_view kAnswers[] = {"accepted", "rejected", "delta", "documents"};
  const std::string_view last = filter.substr(filter.rfind('/') + 1);
  return std::find(std::begin(kAnswers), std::end(kAnswers), last) == std::end(kAnswers);
}

bool Things::IsOneOf(const Session& session, std::string_view topic) {
  const std::string_view thing = NameIn(topic);
  if (thing.empty() || thing == session.identity->device) return !thing.empty();
  if (!session.cold) return false;
  const std::vector<std::string>& things = session.cold->things;
  return std::find(things.begin(), things.end(), thing) != things.end();
}

bool Things::Join(Session& session, std::string_view thing) {
  if (thing == session.identity->device) return true;
  std::vector<std::string>& things = session.Cold().things;
  if (std::find(things.begin(), things.end(), thing) != things.end()) return true;
  if (things.size() >= c_.config.things_of_session_max) LeaveUnfollowed(session);
  if (things.size() >= c_.config.things_of_session_max) {
    c_.probe.Refuse("things_of_session_max");
    log::Refusal("thing_refused", {{"client", session.identity->client},
                                   {"thing", thing},
                                   {"limit", "things_of_session_max"}});
    return false;
  }
  things.emplace_back(thing);
  if (session.is_open()) AppendConnected(c_, session, thing);
  return true;
}

void Things::SayConnected(const Session& session) {
  if (!session.cold) return;
  for (const std::string& thing : session.cold->things) AppendConnected(c_, session, thing);
}

void Things::SayDisconnected(const Session& session, std::string_view reason) {
  if (!session.cold) return;
  for (const std::string& thing : session.cold->things) {
    AppendDisconnected(c_, session, thing, reason);
  }
}

void Things::LeaveUnfollowed(Session& session) {
  if (!session.cold) return;
  std::erase_if(session.cold->things, [&](const std::string& thing) {
    if (IsFollowed(session, thing)) return false;
    AppendDisconnected(c_, session, thing, "UNFOLLOWED");
    return true;
  });
}

}  // namespace homeport::gateway
