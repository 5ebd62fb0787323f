#pragma once

#include <functional>

#include "libs/runtime/stop_signal.h"
#include "services/fleet/io/event_loop.h"
#include "tests/bench/mqtt_load/load_options.h"

// The modes of the load generator. Each runs to its end on the calling thread, prints one JSON
// object on standard output, and returns the process's exit code.
namespace homeport::bench {

// QoS 1 publishes: as many as the server acknowledges (closed loop), or a given rate (open loop).
[[nodiscard]] int RunPublish(const Load& load, runtime::StopSignal& stop);

// Sessions opened and ended again, a given number of them at a time.
[[nodiscard]] int RunConnect(const Load& load, runtime::StopSignal& stop);

// Sessions held: the server's memory for each of them.
[[nodiscard]] int RunIdle(const Load& load, runtime::StopSignal& stop);

// Messages from publishers to subscribers of their topics: as many as come through with a bounded
// number under way. Exit code 1 when a connection was lost.
[[nodiscard]] int RunDeliver(const Load& load, runtime::StopSignal& stop);

// Numbered reports that must all be acknowledged, whatever happens to the servers meanwhile. Exit
// code 1 when some are not.
[[nodiscard]] int RunLedger(const Load& load, runtime::StopSignal& stop);

// Clients whose sessions outlive their connections move from one server to another, each while its
// former connection is there and messages come. Exit code 1 when a message was lost, or
// came again without a mark or a reason.
[[nodiscard]] int RunTakeover(const Load& load, runtime::StopSignal& stop);

// Sessions that connect, subscribe, publish and end, one after the other, in all ways there are.
[[nodiscard]] int RunChurn(const Load& load, runtime::StopSignal& stop);

// Calls `stopped` on the loop's thread soon after the process is asked to end.
void PollStop(fleet::EventLoop& loop, runtime::StopSignal& stop, std::function<void()> stopped);

}  // namespace homeport::bench
