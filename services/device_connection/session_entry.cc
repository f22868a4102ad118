#include "services/device_connection/session_entry.h"

#include <charconv>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "libs/base/strings.h"

namespace fleetcast::device_connection {
namespace {

constexpr size_t kEpochDigits = 16;
constexpr size_t kFixedBytes = kEpochDigits + 1 + 4;

template <typename Number>
bool ParseNumber(std::string_view text, Number* number, int base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, base);
  return error == std::errc() && end == text.data() + text.size();
}

std::optional<Stored> ParseStored(char letter) {
  switch (const Stored stored = static_cast<Stored>(letter)) {
    case Stored::kYes:
    case Stored::kNo:
    case Stored::kUnknown: return stored;
  }
  return std::nullopt;
}

bool ParsePlace(std::string_view text, SessionEntry* entry) {
  const std::vector<absl::string_view> words = absl::StrSplit(Absl(text), ' ');
  if (words.size() != 5 || words[1].empty()) return false;  // The text begins with a blank.
  entry->edge = {std::string(words[1]), std::string(words[2])};
  return ParseNumber(Std(words[3]), &entry->session, 10) && ParseNumber(Std(words[4]), &entry->connect_unix_micros, 10);
}

}  // namespace

std::string EncodeEpoch(int64_t epoch) { return absl::StrFormat("%016x", epoch); }

std::string EncodeStored(Stored stored, uint32_t subscriptions) {
  return absl::StrFormat("%c%04x", static_cast<char>(stored), subscriptions & 0xffff);
}

std::string EncodePlace(const SessionEntry& entry) {
  if (!entry.is_connected()) return "";
  return absl::StrCat(" ", entry.edge.edge_id, " ", entry.edge.boot_id, " ", entry.session, " ",
                      entry.connect_unix_micros);
}

std::string Encode(const SessionEntry& entry) {
  return absl::StrCat(EncodeEpoch(entry.epoch), EncodeStored(entry.stored, entry.subscriptions), EncodePlace(entry));
}

std::optional<SessionEntry> DecodeSessionEntry(std::string_view text) {
  if (text.size() < kFixedBytes) return std::nullopt;
  SessionEntry entry;
  const std::optional<Stored> stored = ParseStored(text[kEpochDigits]);
  if (!stored.has_value() || !ParseNumber(text.substr(0, kEpochDigits), &entry.epoch, 16) ||
      !ParseNumber(text.substr(kEpochDigits + 1, 4), &entry.subscriptions, 16)) {
    return std::nullopt;
  }
  entry.stored = *stored;
  if (text.size() > kFixedBytes && !ParsePlace(text.substr(kFixedBytes), &entry)) return std::nullopt;
  return entry;
}

}  // namespace fleetcast::device_connection
