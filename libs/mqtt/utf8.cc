#include "libs/mqtt/utf8.h"

#include <cstdint>
#include <cstring>

namespace fleetcast::mqtt {
namespace {

constexpr uint64_t kEach = 0x0101010101010101;
constexpr uint64_t kHigh = 0x8080808080808080;

// True if all eight bytes are in 0x20..0x7e. Nearly every string of an SDK is, so whole words are tested at once.
bool IsPlainWord(uint64_t word) {
  const uint64_t has_high_bit = word & kHigh;
  const uint64_t below_space = (word - kEach * 0x20) & ~word & kHigh;
  const uint64_t is_delete = ((word ^ (kEach * 0x7f)) - kEach) & ~(word ^ (kEach * 0x7f)) & kHigh;
  return (has_high_bit | below_space | is_delete) == 0;
}

// Which code points are forbidden.
enum class Rule : uint8_t { kName, kString, kPayload };

bool IsForbidden(uint32_t code_point, Rule rule) {
  if (rule != Rule::kName) return code_point == 0 && rule == Rule::kString;
  if (code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f)) return true;
  return (code_point >= 0xfdd0 && code_point <= 0xfdef) || (code_point & 0xfffe) == 0xfffe;
}

// Decodes one character of two to four bytes. The number of its bytes, or 0 if it is ill-formed or forbidden.
size_t MultiByteLength(const unsigned char* bytes, size_t available, Rule rule) {
  const unsigned char lead = bytes[0];
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || available < length) return 0;
  uint32_t code_point = lead & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((bytes[i] & 0xc0) != 0x80) return 0;
    code_point = code_point << 6 | (bytes[i] & 0x3fu);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
  if (code_point < kSmallest[length] || code_point > 0x10ffff || is_surrogate || IsForbidden(code_point, rule))
    return 0;
  return length;
}

bool IsText(std::string_view text, Rule rule) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  size_t i = 0;
  while (i < text.size()) {
    uint64_t word;
    if (text.size() - i >= sizeof(word)) {
      std::memcpy(&word, bytes + i, sizeof(word));
      if (IsPlainWord(word)) {
        i += sizeof(word);
        continue;
      }
    }
    if (bytes[i] < 0x80) {
      if (IsForbidden(bytes[i], rule)) return false;
      ++i;
      continue;
    }
    const size_t length = MultiByteLength(bytes + i, text.size() - i, rule);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

}  // namespace

bool IsMqttText(std::string_view text) { return IsText(text, Rule::kName); }
bool IsMqttString(std::string_view text) { return IsText(text, Rule::kString); }
bool IsUtf8(std::string_view bytes) { return IsText(bytes, Rule::kPayload); }

}  // namespace fleetcast::mqtt
