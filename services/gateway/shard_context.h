#pragma once

#include "libs/base/ids.h"
#include "libs/net/reactor.h"
#include "services/gateway/config.h"
#include "services/gateway/identity/directory.h"
#include "services/gateway/inspect/recent_ends.h"
#include "services/gateway/inspect/traffic_meter.h"
#include "services/gateway/ownership/lease.h"
#include "services/gateway/ownership/ownership.h"
#include "services/gateway/ownership/receipts.h"
#include "services/gateway/ownership/session_store.h"
#include "services/gateway/probe.h"
#include "services/gateway/session/session_io.h"
#include "services/gateway/stream/bus.h"
#include "services/gateway/stream/outbox.h"
#include "services/gateway/stream/uplink.h"

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
  Receipts& receipts;
  Directory& directory;
  TrafficMeter& traffic;
  RecentEnds& ends;
  const Lease& lease;
};

}  // namespace homeport::gateway
