#pragma once

#include "libs/base/ids.h"
#include "libs/net/reactor.h"
#include "services/gateway/bus.h"
#include "services/gateway/config.h"
#include "services/gateway/directory.h"
#include "services/gateway/outbox.h"
#include "services/gateway/ownership.h"
#include "services/gateway/probe.h"
#include "services/gateway/recent_ends.h"
#include "services/gateway/session_io.h"
#include "services/gateway/session_store.h"
#include "services/gateway/traffic_meter.h"
#include "services/gateway/uplink.h"

namespace homeport::gateway {

// What the flows of one shard work with; all owned by the Shard, which outlives them.
struct ShardContext {
  net::Reactor& reactor;
  const GatewayConfig& config;
  const PodId& pod;
  ShardProbe& probe;
  SessionIo& io;
  Uplink& uplink;
  Bus& bus;
  Ownership& ownership;
  Outbox& outbox;
  SessionStore& store;
  Directory& directory;
  TrafficMeter& traffic;
  RecentEnds& ends;
};

}  // namespace homeport::gateway
