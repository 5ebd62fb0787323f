#include "services/registry/stream/committer.h"

#include <algorithm>
#include <set>

#include "libs/base/ids.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/routing/keys.h"
#include "services/registry/core/plain_text.h"
#include "services/registry/provisioning/answer.h"
#include "services/registry/store/effect_writer.h"
#include "services/registry/store/state_store.h"

namespace homeport::registry {

using internal::v1::UplinkMessage;

namespace {

constexpr uint32_t kEnvelopeVersion = 1;
constexpr size_t kNamedShadowsCached = 16;

bool IsUsable(const Batch::Entry& entry) {
  return entry.decoded != nullptr && entry.decoded->version() == kEnvelopeVersion &&
         IsPlainText(entry.decoded->pod()) && !entry.decoded->pod().empty();
}

// A time no gateway can have meant becomes the present.
void FixTime(UplinkMessage& message, int64_t now_ms) {
  constexpr int64_t kFutureMs = 60'000;
  if (message.received_ms() <= 0 || message.received_ms() > now_ms + kFutureMs) {
    message.set_received_ms(now_ms);
  }
}

// Of devices that are registered by what they, or their hubs, say.
std::vector<std::string> ProductsOfNewcomers(const Batch& batch) {
  std::vector<std::string> products;
  for (const Batch::Entry& entry : batch.entries()) {
    if (!IsUsable(entry)) continue;
    for (const UplinkMessage& message : entry.decoded->messages()) {
      internal::v1::Connected connected;
      internal::v1::Attach attach;
      if (message.kind() == UplinkMessage::KIND_CONNECTED &&
          connected.ParseFromString(message.payload())) {
        products.push_back(connected.product());
      } else if (message.kind() == UplinkMessage::KIND_ATTACH &&
                 attach.ParseFromString(message.payload())) {
        products.push_back(attach.product());
      }
    }
  }
  std::erase_if(products, [](const std::string& product) { return !IsValidProductId(product); });
  return products;
}

}  // namespace

struct Committer::Run {
  struct Partition {
    const OwnedPartition& known;
    StreamId last_id;
    ProducerMap heard;
    Downlinks downlinks;
  };
  int64_t started_us = MonotonicMicros();
  int64_t now_ms = 0;
  std::shared_ptr<const ProductMap> products;
  std::vector<DeviceState*> states;  // of each message, in order; null: refused
  std::vector<DeviceState*> missing;
  std::vector<std::pair<DeviceState*, std::string>> missing_shadows;
  std::set<std::string_view> repeating;    // devices that say they may have sent an event before
  std::vector<DeviceState*> every_shadow;  // whose named shadows are all wanted
  std::map<uint32_t, Partition> partitions;
  size_t downlink_bytes = 0;
  size_t applied = 0;
  Effects effects;
};

Committer::Committer(const Parts& parts) : parts_(parts), cache_(parts.devices_max) {}

absl::Status Committer::Commit(postgres::Connection& connection, Batch& batch,
                               OwnedPartitions& owned, size_t* applied, Downlinks* downlinks) {
  Run run;
  postgres::Transaction transaction(connection);
  HP_RETURN_IF_ERROR(Make(transaction, batch, owned, run));
  HP_RETURN_IF_ERROR(transaction.Commit());
  Finish(batch, owned, run, downlinks);
  *applied = run.applied;
  return absl::OkStatus();
}

absl::Status Committer::Rehearse(postgres::Connection& connection, Batch& batch,
                                 OwnedPartitions& owned) {
  Run run;
  postgres::Transaction transaction(connection);
  return Make(transaction, batch, owned, run);
}

absl::Status Committer::Make(postgres::Transaction& transaction, Batch& batch,
                             OwnedPartitions& owned, Run& run) {
  run.now_ms = parts_.clock.Wall().value;
  HP_RETURN_IF_ERROR(Lock(transaction, batch, owned));
  Prepare(batch, run);
  HP_RETURN_IF_ERROR(Load(transaction, batch, run));
  Apply(batch, owned, run);
  return Write(transaction, run);
}

// From here to the end who raises the generation of these partitions waits. What they have changed
// since our last transaction is in partitions of another generation.
absl::Status Committer::Lock(postgres::Transaction& transaction, const Batch& batch,
                             OwnedPartitions& owned) {
  std::set<uint32_t> touched;
  for (const Batch::Entry& entry : batch.entries()) touched.insert(entry.raw.partition);
  std::vector<OwnedPartition*> partitions;
  std::vector<PartitionKey> keys;
  for (const uint32_t id : touched) {
    partitions.push_back(&owned.at(id));
    keys.push_back(partitions.back()->key);
  }
  HP_ASSIGN_OR_RETURN(const std::vector<int64_t> generations, parts_.table.Lock(transaction, keys));
  for (size_t i = 0; i < partitions.size(); ++i) {
    if (partitions[i]->generation == generations[i]) continue;
    partitions[i]->generation = generations[i];
    cache_.DropPartition(partitions[i]->key.partition);
  }
  return absl::OkStatus();
}

void Committer::Prepare(Batch& batch, Run& run) {
  run.states.reserve(batch.messages());
  for (Batch::Entry& entry : batch.entries()) {
    if (IsUsable(entry)) PrepareEntry(entry, run);
  }
}

// What is left out is not even read: its state may be what cannot be.
void Committer::PrepareEntry(Batch::Entry& entry, Run& run) {
  for (int i = 0; i < entry.decoded->messages_size(); ++i) {
    UplinkMessage& message = *entry.decoded->mutable_messages(i);
    FixTime(message, run.now_ms);
    run.states.push_back(entry.Applies(static_cast<size_t>(i))
                             ? StateOf(message, entry.raw.partition, run)
                             : nullptr);
  }
}

DeviceState* Committer::StateOf(const UplinkMessage& message, uint32_t partition, Run& run) {
  DeviceState* state = cache_.Find(message.device());
  if (state == nullptr) {
    if (!IsValidDeviceId(message.device()) ||
        routing::PartitionOf(message.device(), parts_.partitions) != partition) {
      return nullptr;
    }
    state = &cache_.Insert(message.device(), partition);
    run.missing.push_back(state);
  }
  if (message.kind() == UplinkMessage::KIND_EVENT && message.dup()) run.repeating.insert(state->id);
  const std::string_view shadow = ShadowNameOf(message);
  if (shadow == kEveryNamedShadow) run.every_shadow.push_back(state);
  if (!shadow.empty() && IsValidShadowName(shadow) &&
      state->named.find(shadow) == state->named.end()) {
    run.missing_shadows.emplace_back(state, shadow);
  }
  return state;
}

absl::Status Committer::Load(postgres::Transaction& transaction, Batch& batch, Run& run) {
  HP_RETURN_IF_ERROR(LoadDevices(transaction, run.missing));
  HP_RETURN_IF_ERROR(LoadNamedShadows(transaction, run.missing_shadows));
  if (!run.repeating.empty()) {
    HP_RETURN_IF_ERROR(LoadEventKeys(transaction, run.repeating, run.now_ms,
                                     parts_.limits.event_repeat_ms, run.effects));
  }
  HP_RETURN_IF_ERROR(
      LoadAllNamedShadows(transaction, run.every_shadow, parts_.limits.pushes_max + 1));
  for (DeviceState* state : run.missing) fights_.GiveTo(*state, "");
  for (const auto& [state, name] : run.missing_shadows) fights_.GiveTo(*state, name);
  parts_.probe.StatesLoaded(run.missing.size());
  const std::vector<std::string> arriving = ProductsOfNewcomers(batch);
  std::vector<std::string_view> ids(arriving.begin(), arriving.end());
  std::string_view last;
  for (const DeviceState* state : run.states) {
    if (state == nullptr || state->product.empty() || state->product == last) continue;
    last = state->product;
    ids.push_back(last);
  }
  HP_ASSIGN_OR_RETURN(run.products, parts_.catalog.Lookup(transaction, ids));
  return absl::OkStatus();
}

void Committer::Apply(const Batch& batch, const OwnedPartitions& owned, Run& run) {
  size_t message = 0;
  for (const Batch::Entry& entry : batch.entries()) {
    if (run.applied > 0 && run.downlink_bytes > parts_.downlink_bytes_max) return;
    if (run.applied > 0 && run.effects.property_bytes > parts_.property_bytes_max) return;
    const OwnedPartition& known = owned.at(entry.raw.partition);
    const auto at =
        run.partitions
            .try_emplace(entry.raw.partition, Run::Partition{known, known.last_id, {}, {}})
            .first;
    const size_t bytes_before = at->second.downlinks.bytes();
    ApplyEntry(entry, message, run);
    run.downlink_bytes += at->second.downlinks.bytes() - bytes_before;
    if (!entry.made_here) at->second.last_id = entry.raw.id;
    if (IsUsable(entry)) message += static_cast<size_t>(entry.decoded->messages_size());
    ++run.applied;
  }
}

void Committer::ApplyEntry(const Batch::Entry& entry, size_t first_message, Run& run) {
  Run::Partition& partition = run.partitions.at(entry.raw.partition);
  Tally& tally = run.effects.tally;
  if (!IsUsable(entry) || entry.skip) {
    tally.Refuse(entry.skip ? Refusal::kStorage : Refusal::kMalformedBatch);
    log::Refusal("batch_refused", {{"partition", entry.raw.partition},
                                   {"id", ToText(entry.raw.id)},
                                   {"reason", entry.skip ? "storage" : "malformed"}});
    return;
  }
  const internal::v1::UplinkBatch& batch = *entry.decoded;
  if (!entry.made_here && batch.sequence() != 0 &&
      !partition.known.producers.Admit(partition.heard, batch.pod(), batch.sequence(),
                                       run.now_ms)) {
    ++tally.duplicate_batches;
    log::Refusal(
        "batch_repeated",
        {{"partition", entry.raw.partition}, {"pod", batch.pod()}, {"sequence", batch.sequence()}});
    return;
  }
  const size_t end = std::min(static_cast<size_t>(batch.messages_size()), entry.end);
  for (size_t i = 0; i < end; ++i) ApplyMessageOf(entry, i, run.states[first_message + i], run);
}

void Committer::ApplyMessageOf(const Batch::Entry& entry, size_t index, DeviceState* state,
                               Run& run) {
  const internal::v1::UplinkBatch& batch = *entry.decoded;
  const UplinkMessage& message = batch.messages(static_cast<int>(index));
  if (entry.IsLeftOut(index)) {
    run.effects.tally.Refuse(Refusal::kStorage);
    log::Error("message_unstorable",
               {{"partition", entry.raw.partition},
                {"id", ToText(entry.raw.id)},
                {"index", index},
                {"device", IsValidDeviceId(message.device()) ? std::string_view(message.device())
                                                             : std::string_view("?")},
                {"kind", UplinkMessage::Kind_Name(message.kind())},
                {"bytes", message.payload().size()}});
    return;
  }
  if (state == nullptr) {
    run.effects.tally.Refuse(Refusal::kInvalidDevice);
    log::Refusal(
        "message_refused",
        {{"partition", entry.raw.partition}, {"pod", batch.pod()}, {"reason", "invalid_device"}});
    return;
  }
  ApplyMessage({message, batch.pod(), *state, *run.products, parts_.limits, run.now_ms, run.effects,
                run.partitions.at(entry.raw.partition).downlinks});
}

absl::Status Committer::Write(postgres::Transaction& transaction, Run& run) {
  std::vector<PartitionCommit> commits;
  for (auto& [id, partition] : run.partitions) {
    commits.push_back({id, partition.last_id, partition.heard, partition.downlinks.Encode()});
  }
  HP_RETURN_IF_ERROR(parts_.table.Move(transaction, commits));
  return WriteEffects(transaction, run.effects);
}

void Committer::Finish(const Batch& batch, OwnedPartitions& owned, Run& run, Downlinks* downlinks) {
  for (const ProvisionRow& row : run.effects.provisions) {
    HandOver(row, run.effects.tally, *downlinks);
  }
  int64_t oldest_ms = run.now_ms;
  for (size_t i = 0; i < run.applied; ++i) {
    const Batch::Entry& entry = batch.entries()[i];
    if (!entry.made_here) oldest_ms = std::min(oldest_ms, static_cast<int64_t>(entry.raw.id.ms));
  }
  for (auto& [id, partition] : run.partitions) {
    OwnedPartition& known = owned.at(id);
    known.last_id = partition.last_id;
    known.producers.Keep(partition.heard, run.now_ms);
    downlinks->Append(std::move(partition.downlinks));
  }
  // A row someone else made first may say something else than what we know of the device.
  std::vector<std::string> unsure;
  for (DeviceState* state : run.effects.changed) {
    if (state->newly_registered) unsure.push_back(state->id);
    ForgetChanges(*state);
  }
  const auto trim = [&](DeviceState& state) {
    if (state.named.size() <= kNamedShadowsCached) return;
    fights_.TakeNamed(state, run.now_ms, parts_.limits.loops);
    state.named.clear();
  };
  for (const auto& [state, name] : run.missing_shadows) trim(*state);
  for (DeviceState* state : run.every_shadow) trim(*state);
  for (const DeviceState* state : run.missing) {
    if (!state->registered) unsure.push_back(state->id);
  }
  for (const std::string& device : unsure) {
    DeviceState* state = cache_.Find(device);
    if (state == nullptr) continue;
    fights_.TakeFrom(*state, run.now_ms, parts_.limits.loops);
    cache_.Drop(device);
  }
  cache_.Trim();
  parts_.probe.Committed(run.effects.tally,
                         {.messages = batch.messages(),
                          .bytes = batch.bytes(),
                          .micros = MonotonicMicros() - run.started_us,
                          .lag_ms = std::max<int64_t>(0, parts_.clock.Wall().value - oldest_ms)});
  parts_.probe.StatesCached(cache_.size());
}

// A request that finds no place is rejected at once.
void Committer::HandOver(const ProvisionRow& row, Tally& tally, Downlinks& downlinks) const {
  ProvisionJob job;
  job.pod = row.pod;
  job.session = row.message->session();
  job.epoch = row.message->epoch();
  job.detail = row.message->detail();
  job.cbor = row.message->cbor();
  if (!job.request.ParseFromString(row.message->payload()) || job.epoch == 0) {
    return tally.Refuse(Refusal::kMalformedPayload);
  }
  using Entry = ProvisionQueue::Entry;
  const Entry entry = parts_.provisions != nullptr ? parts_.provisions->Push(job) : Entry::kFull;
  if (entry == Entry::kTaken) return;
  const Refusal reason =
      entry == Entry::kFull ? Refusal::kProvisionQueue : Refusal::kProvisionClient;
  tally.Refuse(reason);
  log::Refusal("provisioning_not_queued",
               {{"device", row.message->device()}, {"reason", ToText(reason)}});
  downlinks.Add(row.pod, AnswerItem(job, ProvisionRequests::Rejected(
                                             429, "TooManyRequests",
                                             "earlier requests are not answered yet")));
}

}  // namespace homeport::registry
