#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "libs/shadow/document.h"
#include "libs/shadow/loop_detector.h"

namespace homeport::registry {

// What the owner of a partition knows of one device: the rows of PostgreSQL as of its last commit
// plus the changes of the running transaction, which the `dirty` members name. Plain data, no
// locks: the partition's worker only.

struct SessionRow {
  std::string client;  // "" = the client id is the device id
  std::string pod;
  uint64_t session = 0;
  uint64_t epoch = 0;
  int64_t since_ms = 0;
  bool may_be_stored = false;  // PostgreSQL may have a row of this client
};

struct Watcher {
  std::string pod;
  int64_t expires_ms = 0;
};

// What a device is as a child of a hub. The hub's session is as its owner told, or as the child's
// messages showed.
struct ChildState {
  std::string hub;
  std::string link;  // links.h
  int64_t silence_ms = 0;
  int64_t seen_ms = 0;         // when the hub last passed something of it on
  int64_t seen_stored_ms = 0;  // what PostgreSQL knows of that: written now and then only
  uint64_t hub_epoch = 0;
  bool hub_online = false;
  std::string hub_pod;
  uint64_t hub_session = 0;
};

// How far PostgreSQL may lag behind a child's last sign of life: a row for each would cost as much
// as what it says.
[[nodiscard]] int64_t SeenGrainMs(const ChildState& child);

// What a device is as a hub.
struct HubState {
  std::set<std::string, std::less<>> children;
  std::vector<std::string> dirty;  // joined or left
};

struct ShadowState {
  shadow::Document document;
  int64_t last_report_id = -1;  // newest integer id of a typed report; classic shadow only
  bool stored = false;          // a row exists
  bool dirty = false;
  // Only while somebody desires something; never stored.
  std::unique_ptr<shadow::LoopDetector> loops;
};

struct DeviceState {
  std::string id;
  uint32_t partition = 0;
  bool blocked = false;  // disabled, retired or deleted: its hub may not speak for it

  // The device row. Without one (`registered` false) sessions and shadows work all the same:
  // anonymous clients have no product.
  bool registered = false;
  std::string tenant;
  std::string product;
  bool online = false;
  int64_t presence_ms = 0;
  uint64_t epoch = 0;  // newest session epoch of the main client
  // Versions of the product's model: which one the device says it is, and whose values the classic
  // shadow holds. 0 = nothing said; not known.
  int64_t model_version = 0;
  int64_t shadow_model = 0;
  int64_t broke_off_ms = 0;  // presence.h; not stored: the check that is due is
  int64_t check_ms = 0;      // when a check of the presence is due, as far as known; 0: unknown
  std::unique_ptr<ChildState> child;  // null: it hangs on no hub
  std::unique_ptr<HubState> hub;      // null: it has no children

  std::vector<SessionRow> sessions;
  std::vector<Watcher> watchers;
  ShadowState classic;
  std::map<std::string, ShadowState, std::less<>> named;  // those looked at so far

  // Changes not yet committed.
  bool changed = false;  // any of those below; the device is listed in Effects::changed
  bool newly_registered = false;
  bool dirty_presence = false;
  bool dirty_model = false;
  bool named_model = false;     // model_version is another one: gateways must hear of it
  bool dirty_topology = false;  // whose child it is, how many children it has
  bool dirty_child = false;
  bool dirty_check = false;
  std::vector<std::string> dirty_clients;  // session rows to write, or to delete where gone
  std::vector<std::string> dirty_watchers;
};

// REQUIRES: a named shadow was loaded.
[[nodiscard]] inline ShadowState& ShadowOf(DeviceState& device, std::string_view name) {
  return name.empty() ? device.classic : device.named.find(name)->second;
}

// The transaction was committed.
void ForgetChanges(DeviceState& device);

}  // namespace homeport::registry
