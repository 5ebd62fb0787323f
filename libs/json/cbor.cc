#include "libs/json/cbor.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include "libs/json/unique_keys.h"
#include "libs/json/utf8.h"

namespace homeport::json {
namespace {

enum Major : uint8_t { kUnsigned, kNegative, kByteString, kText, kArray, kMap, kTag, kSimple };

// The first byte of an item and the number that follows it.
struct Head {
  uint8_t major = 0;
  uint8_t info = 0;
  uint64_t number = 0;
  [[nodiscard]] bool indefinite() const { return info == 31; }
  [[nodiscard]] bool is_break() const { return major == kSimple && indefinite(); }
};

double HalfToDouble(uint64_t bits) {
  const int exponent = static_cast<int>(bits >> 10 & 0x1F);
  const double mantissa = static_cast<double>(bits & 0x3FF);
  const double magnitude = exponent == 0    ? std::ldexp(mantissa, -24)
                           : exponent == 31 ? std::nan("")
                                            : std::ldexp(mantissa + 1024, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

void PutNumber(uint64_t number, int bytes, std::string& out) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(number >> shift));
  }
}

void PutHead(Major major, uint64_t number, std::string& out) {
  const auto first = static_cast<uint8_t>(major << 5);
  if (number < 24) {
    out.push_back(static_cast<char>(first | number));
    return;
  }
  const int width = number <= 0xFF ? 0 : number <= 0xFFFF ? 1 : number <= 0xFFFF'FFFF ? 2 : 3;
  out.push_back(static_cast<char>(first | (24 + width)));
  PutNumber(number, 1 << width, out);
}

class Reader {
 public:
  Reader(std::string_view bytes, const ParseLimits& limits)
      : rest_(bytes), depth_max_(limits.depth_max), nodes_left_(limits.nodes_max) {}

  [[nodiscard]] bool ReadAll(Value& out) { return Item(0, out) && rest_.empty(); }

 private:
  bool ReadHead(Head& head) {
    if (rest_.empty()) return false;
    const auto first = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    head.major = first >> 5;
    head.info = first & 0x1F;
    head.number = head.info;
    if (head.info < 24) return true;
    if (head.indefinite()) return head.major >= kByteString && head.major != kTag;
    if (head.info > 27) return false;
    return Number(size_t{1} << (head.info - 24), head.number);
  }

  bool Number(size_t size, uint64_t& number) {
    if (rest_.size() < size) return false;
    number = 0;
    for (size_t i = 0; i < size; ++i) number = number << 8 | static_cast<uint8_t>(rest_[i]);
    rest_.remove_prefix(size);
    return true;
  }

  bool Item(int depth, Value& out) {
    Head head;
    do {
      if (!ReadHead(head)) return false;
    } while (head.major == kTag);
    return Item(head, depth, out);
  }

  bool Item(const Head& head, int depth, Value& out) {
    if (nodes_left_ == 0) return false;
    --nodes_left_;
    switch (head.major) {
      case kUnsigned:
        out = head.number;
        return true;
      case kNegative:
        return Negative(head.number, out);
      case kText:
        return Text(head, out);
      case kArray:
        return depth < depth_max_ && ReadArray(head, depth, out);
      case kMap:
        return depth < depth_max_ && ReadMap(head, depth, out);
      case kSimple:
        return Simple(head, out);
      default:
        return false;
    }
  }

  static bool Negative(uint64_t number, Value& out) {
    if (number > static_cast<uint64_t>(INT64_MAX)) return false;
    out = -1 - static_cast<int64_t>(number);
    return true;
  }

  bool Chunk(uint64_t size, std::string& text) {
    if (size > rest_.size()) return false;
    text.append(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return true;
  }

  bool Text(const Head& head, Value& out) {
    std::string text;
    if (!Text(head, text)) return false;
    out = std::move(text);
    return true;
  }

  bool Text(const Head& head, std::string& text) {
    if (!head.indefinite()) return Chunk(head.number, text) && IsUtf8(text);
    for (;;) {
      Head chunk;
      if (!ReadHead(chunk)) return false;
      if (chunk.is_break()) return IsUtf8(text);
      if (chunk.major != kText || chunk.indefinite()) return false;
      if (!Chunk(chunk.number, text)) return false;
    }
  }

  // Whether another element follows; sets `ok` false where the bytes end.
  bool More(const Head& head, uint64_t done, bool& ok) {
    if (!head.indefinite()) return done < head.number;
    if (rest_.empty()) {
      ok = false;
      return false;
    }
    if (static_cast<uint8_t>(rest_.front()) != 0xFF) return true;
    rest_.remove_prefix(1);
    return false;
  }

  bool ReadArray(const Head& head, int depth, Value& out) {
    Array array;
    bool ok = true;
    for (uint64_t i = 0; More(head, i, ok); ++i) {
      if (!Item(depth + 1, array.emplace_back())) return false;
    }
    out = std::move(array);
    return ok;
  }

  bool ReadMap(const Head& head, int depth, Value& out) {
    Object object;
    bool ok = true;
    for (uint64_t i = 0; More(head, i, ok); ++i) {
      Head key_head;
      Member& member = object.members().emplace_back();
      if (!ReadHead(key_head) || key_head.major != kText || !Text(key_head, member.key) ||
          !Item(depth + 1, member.value)) {
        return false;
      }
    }
    KeepLastOfEachKey(object.members());
    out = std::move(object);
    return ok;
  }

  static bool Simple(const Head& head, Value& out) {
    switch (head.info) {
      case 20:
        out = false;
        return true;
      case 21:
        out = true;
        return true;
      case 22:
        out = nullptr;
        return true;
      case 25:
        out = HalfToDouble(head.number);
        break;
      case 26:
        out = double{std::bit_cast<float>(static_cast<uint32_t>(head.number))};
        break;
      case 27:
        out = std::bit_cast<double>(head.number);
        break;
      default:
        return false;
    }
    return std::isfinite(*out.IfDouble());
  }

  std::string_view rest_;
  const int depth_max_;
  size_t nodes_left_;
};

}  // namespace

bool ReadCbor(std::string_view bytes, const ParseLimits& limits, Value& out) {
  return bytes.size() <= limits.bytes_max && Reader(bytes, limits).ReadAll(out);
}

void WriteCbor(const Value& value, std::string& out) {
  switch (value.type()) {
    case Type::kNull:
      out.push_back('\xf6');
      return;
    case Type::kBool:
      out.push_back(*value.IfBool() ? '\xf5' : '\xf4');
      return;
    case Type::kInt64: {
      const int64_t number = *value.IfInt64();
      if (number >= 0) return PutHead(kUnsigned, static_cast<uint64_t>(number), out);
      return PutHead(kNegative, static_cast<uint64_t>(-(number + 1)), out);
    }
    case Type::kUint64:
      return PutHead(kUnsigned, *value.IfUint64(), out);
    case Type::kDouble:
      out.push_back('\xfb');
      return PutNumber(std::bit_cast<uint64_t>(*value.IfDouble()), 8, out);
    case Type::kString:
      PutHead(kText, value.IfString()->size(), out);
      out += *value.IfString();
      return;
    case Type::kArray:
      PutHead(kArray, value.IfArray()->size(), out);
      for (const Value& element : *value.IfArray()) WriteCbor(element, out);
      return;
    case Type::kObject:
      PutHead(kMap, value.IfObject()->size(), out);
      for (const Member& member : *value.IfObject()) {
        PutHead(kText, member.key.size(), out);
        out += member.key;
        WriteCbor(member.value, out);
      }
      return;
  }
}

}  // namespace homeport::json
