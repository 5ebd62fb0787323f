#pragma once

#include <google/protobuf/arena.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "homeport/internal/v1/envelope.pb.h"
#include "services/registry/stream/uplink_reader.h"

namespace homeport::registry {

// The entries of one transaction, decoded. Messages live as long as the batch. One thread.
class Batch {
 public:
  struct Entry {
    UplinkEntry raw;
    internal::v1::UplinkBatch* decoded = nullptr;  // null: not an UplinkBatch
    bool made_here = false;                        // not from the stream: moves no position
    // What PostgreSQL refuses is left out: the whole entry, or some of its messages (ascending).
    bool skip = false;
    std::vector<size_t> left_out;
    size_t end = SIZE_MAX;  // apply only the messages before this one; for rehearsals

    [[nodiscard]] bool IsLeftOut(size_t message) const {
      return std::binary_search(left_out.begin(), left_out.end(), message);
    }
    [[nodiscard]] bool Applies(size_t message) const {
      return !skip && message < end && !IsLeftOut(message);
    }
  };

  struct Limits {
    size_t messages_max = 2000;
    size_t bytes_max = 1 << 20;
    size_t entries_max = 4096;
  };

  Batch() = default;
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  // Takes entries until a limit is reached or the reader has no more.
  void Fill(UplinkReader& reader, const Limits& limits);
  // Adds an entry the worker made itself; returns its messages to fill in.
  internal::v1::UplinkBatch& AddMade(uint32_t partition, std::string_view pod);

  // Gives what follows the first `applied` entries back.
  void PutBackFrom(size_t applied, UplinkReader& reader);

  [[nodiscard]] std::vector<Entry>& entries() { return entries_; }
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] size_t messages() const { return messages_; }
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  google::protobuf::Arena arena_;
  std::vector<Entry> entries_;
  size_t messages_ = 0;
  size_t bytes_ = 0;
};

}  // namespace homeport::registry
