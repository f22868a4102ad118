#include "libs/model/etag.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace fleetcast {

std::string TwinEtag(uint64_t version) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>((version >> (8 * (7 - i))) & 0xff);
  return absl::Base64Escape(bytes);
}

std::string DeviceEtag(uint64_t version) { return absl::Base64Escape(absl::StrCat(version)); }

EtagCondition EtagCondition::Parse(std::string_view text) {
  if (text.substr(0, 2) == "W/") text.remove_prefix(2);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  EtagCondition condition;
  if (text == "*") {
    condition.kind_ = Kind::kAny;
  } else if (!text.empty()) {
    condition.kind_ = Kind::kTag;
    condition.tag_ = text;
  }
  return condition;
}

std::optional<std::string> EtagCondition::tag() const {
  if (kind_ != Kind::kTag) return std::nullopt;
  return tag_;
}

bool EtagCondition::Matches(std::string_view etag) const { return kind_ != Kind::kTag || tag_ == etag; }

}  // namespace fleetcast
